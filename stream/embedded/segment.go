package embedded

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake keeps a partition in a folder partitions/TOPIC-NUMBER, in files of record batches
// as they came, named after their first offset. Beside each stands an index with 15
// bytes for each batch.
const (
	partitionsDir = "partitions"
	batchesExt    = ".dat"
	indexExt      = ".idx"
	indexEntry    = 15
)

// segmentFile is one of the files.
type segmentFile struct {
	path     string
	base     int64 // offset of its first record
	bytes    int64
	modified time.Time
}

// segmentsIn returns the files of a partition's folder, oldest first.
func segmentsIn(dir string) ([]segmentFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []segmentFile
	for _, e := range entries {
		name, isBatches := strings.CutSuffix(e.Name(), batchesExt)
		base, err := strconv.ParseInt(name, 10, 64)
		if !isBatches || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		list = append(list, segmentFile{filepath.Join(dir, e.Name()), base, info.Size(), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b segmentFile) int { return cmp.Compare(a.base, b.base) })
	return list, nil
}

// index is the name of the file beside it.
func (f *segmentFile) index() string { return strings.TrimSuffix(f.path, batchesExt) + indexExt }

// batches hands each whole batch in raw to each. It returns how many bytes these
// are; what follows was cut off while it was written, or is no batch.
//
//	offset  bytes
//	0       8      offset of its first record
//	8       4      length of what follows
//	17      4      CRC-32C of what follows
//
// https://kafka.apache.org/documentation/#recordbatch
func batches(raw []byte, each func(*kmsg.RecordBatch) error) (whole int64, err error) {
	const head, sum, summed = 12, 17, 21
	for rest := raw; len(rest) >= head; rest = raw[whole:] {
		size := head + int64(binary.BigEndian.Uint32(rest[8:]))
		if size < summed || size > int64(len(rest)) ||
			crc32.Checksum(rest[summed:size], castagnoli) != binary.BigEndian.Uint32(rest[sum:]) {
			return whole, nil
		}
		var b kmsg.RecordBatch
		if err := b.ReadFrom(rest[:size]); err != nil {
			return whole, nil
		}
		if err := each(&b); err != nil {
			return whole, fmt.Errorf("batch at offset %d: %w", b.FirstOffset, err)
		}
		whole += size
	}
	return whole, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
