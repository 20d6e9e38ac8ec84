package embedded

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// mend makes a folder whole that a crash has left. Only what was written last can be cut
// off in the middle, and nobody was told that it was taken.
//
// kfake would mend its segments too, but without a snapshot it reads all there are into
// memory at once; and it appends to the logs of groups behind what is cut off, where
// nobody reads.
func mend(dir string, log *slog.Logger) error {
	partitions, err := os.ReadDir(filepath.Join(dir, partitionsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, p := range partitions {
		if err := mendPartition(filepath.Join(dir, partitionsDir, p.Name()), log); err != nil {
			return err
		}
	}
	for _, name := range []string{"groups.log", "pids.log"} {
		if err := mendLog(filepath.Join(dir, name), log); err != nil {
			return err
		}
	}
	return nil
}

// snapshot is kfake's, of a partition: what persist.go there calls persistPartSnapshot.
// It is believed if its segments are the files that there are.
type snapshot struct {
	Version          int                `json:"version"`
	HighWatermark    int64              `json:"high_watermark"`
	LastStableOffset int64              `json:"last_stable_offset"`
	LogStartOffset   int64              `json:"log_start_offset"`
	Epoch            int32              `json:"epoch"`
	MaxTimestamp     int64              `json:"max_timestamp"`
	CreatedAt        time.Time          `json:"created_at"`
	Segments         []snapshotsSegment `json:"segments"`
}

type snapshotsSegment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
}

const snapshotName = "snapshot.json"

func mendPartition(dir string, log *slog.Logger) error {
	files, err := segmentsIn(dir)
	if err != nil {
		return err
	}
	was, known := readSnapshot(dir)
	if known && was.fits(files) {
		return nil // it was closed
	}
	s := snapshot{Version: 1, LogStartOffset: was.LogStartOffset, CreatedAt: time.Now()}
	for len(files) > 0 && s.HighWatermark == 0 {
		last := &files[len(files)-1]
		if s.HighWatermark, s.MaxTimestamp, err = mendSegment(last, log); err != nil {
			return err
		}
		if last.bytes == 0 {
			files = files[:len(files)-1]
		}
	}
	if len(files) == 0 {
		return nil
	}
	for _, f := range files {
		s.Segments = append(s.Segments, snapshotsSegment{f.base, f.bytes})
	}
	s.LastStableOffset = s.HighWatermark
	s.LogStartOffset = min(max(s.LogStartOffset, files[0].base), s.HighWatermark)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, snapshotName), text)
}

func readSnapshot(dir string) (s snapshot, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, snapshotName))
	return s, err == nil && json.Unmarshal(text, &s) == nil
}

func (s *snapshot) fits(files []segmentFile) bool {
	if len(files) != len(s.Segments) {
		return false
	}
	for i, f := range files {
		if s.Segments[i] != (snapshotsSegment{f.base, f.bytes}) {
			return false
		}
	}
	return true
}

// mendSegment cuts off what is no whole batch, and removes the file if nothing is left.
// end is the offset after the last record.
func mendSegment(f *segmentFile, log *slog.Logger) (end, stamp int64, err error) {
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return 0, 0, err
	}
	count := int64(0)
	whole, err := batches(raw, func(b *kmsg.RecordBatch) error {
		end, stamp = b.FirstOffset+int64(b.LastOffsetDelta)+1, max(stamp, b.MaxTimestamp)
		count++
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	if cut := f.bytes - whole; cut > 0 {
		log.Warn("the last write was cut off by a crash, and is taken away: it was not acknowledged", "file", f.path, "bytes", cut, "end", end)
	}
	if whole == 0 {
		f.bytes = 0
		return 0, 0, errors.Join(os.Remove(f.path), removed(f.index()))
	}
	// An entry that is missing becomes one of zeros, which is what kfake takes it for.
	err = errors.Join(f.truncate(whole), truncate(f.index(), count*indexEntry))
	return end, stamp, err
}

// truncate leaves the file as old as it was: by that the sweeper knows what is kept.
func (f *segmentFile) truncate(size int64) error {
	if f.bytes == size {
		return nil
	}
	f.bytes = size
	return errors.Join(truncate(f.path, size), os.Chtimes(f.path, f.modified, f.modified))
}

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// truncate gives a file its size, and has it on the disk.
func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

// replace writes a file at once or not at all.
func replace(path string, text []byte) error {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// mendLog cuts off the entry that is not whole.
//
//	offset  bytes
//	0       4      length of what follows the checksum
//	4       4      CRC-32C of that
func mendLog(path string, log *slog.Logger) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := 0
	for rest := raw; len(rest) >= 8; rest = raw[whole:] {
		size := int64(binary.LittleEndian.Uint32(rest))
		if size > int64(len(rest)-8) || crc32.Checksum(rest[8:8+size], castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			break
		}
		whole += 8 + int(size)
	}
	if whole == len(raw) {
		return nil
	}
	log.Warn("the last write was cut off by a crash, and is taken away: it was not acknowledged", "file", path, "bytes", len(raw)-whole)
	return truncate(path, int64(whole))
}
