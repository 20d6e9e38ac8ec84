package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// Slice is a part of the state of one partition of the flows, as of an offset. What is
// in it is the detector's own. In Kafka its key is GROUP/PART, its value
//
//	version:1 sum:8 part:u covered:u alerts:u written:s (ms) settings:8 topic:16 size:u zstd(state)
//	sum is the XXH3 of all behind it; :u is a varint, :s a zigzag varint
type Slice struct {
	Part     int
	Covered  int64     // the flows below this offset are in it, and their alerts are in Kafka
	Alerts   int64     // alerts of other flows lie at or above this offset of their partition
	Written  time.Time // by the clock of whoever wrote it
	Settings uint64    // a digest of what its writer judged by
	Topic    [16]byte  // Kafka's id of the flows topic whose offsets these are; zero: unknown
	Size     int       // bytes of the state, not compressed
	packed   []byte
}

// SliceVersion is that of the values that this program writes.
const SliceVersion = 1

// Why a record of the state topic is no slice that can be used.
var (
	ErrNewer   = errors.New("a newer program wrote it")
	ErrCorrupt = errors.New("it is not as it was written")
)

// maxSlice bounds what one value may unpack to.
const maxSlice = 1 << 30

// The encoder and the decoder hold nothing between two calls. One goroutine for each
// suffices: a slice is small, and others have work.
var (
	packer   = mustPack(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)))
	unpacker = mustPack(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxSlice)))
)

func mustPack[T any](x T, err error) T {
	if err != nil {
		panic("BUG: options of zstd: " + err.Error())
	}
	return x
}

// Pack makes state what the slice holds.
func (s *Slice) Pack(state []byte) {
	s.Size, s.packed = len(state), packer.EncodeAll(state, make([]byte, 0, len(state)/2))
}

// Unpack appends the state to b.
func (s *Slice) Unpack(b []byte) ([]byte, error) {
	begin := len(b)
	b, err := unpacker.DecodeAll(s.packed, b)
	switch {
	case err != nil:
		return b, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case len(b)-begin != s.Size:
		return b, fmt.Errorf("%w: %d bytes of state, there were %d", ErrCorrupt, len(b)-begin, s.Size)
	}
	return b, nil
}

// Bytes is how much the state takes in Kafka.
func (s *Slice) Bytes() int { return len(s.packed) }

// Drop gives back what Unpack would unpack.
func (s *Slice) Drop() { s.packed = nil }

func (s *Slice) value() []byte {
	b := make([]byte, 9, 9+80+len(s.packed))
	b[0] = SliceVersion
	b = binary.AppendUvarint(b, uint64(s.Part))
	b = binary.AppendUvarint(b, uint64(s.Covered))
	b = binary.AppendUvarint(b, uint64(s.Alerts))
	b = binary.AppendVarint(b, s.Written.UnixMilli())
	b = binary.BigEndian.AppendUint64(b, s.Settings)
	b = append(b, s.Topic[:]...)
	b = binary.AppendUvarint(b, uint64(s.Size))
	b = append(b, s.packed...)
	binary.BigEndian.PutUint64(b[1:], xxh3.Hash(b[9:]))
	return b
}

// readSlice reads a value. It keeps a part of b.
func readSlice(b []byte) (*Slice, error) {
	switch {
	case len(b) > 0 && b[0] > SliceVersion:
		return nil, fmt.Errorf("%w: version %d of its header, this program knows %d", ErrNewer, b[0], SliceVersion)
	case len(b) < 9 || b[0] == 0:
		return nil, fmt.Errorf("%w: it has no header", ErrCorrupt)
	case xxh3.Hash(b[9:]) != binary.BigEndian.Uint64(b[1:]):
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrCorrupt)
	}
	r := fields{b: b[9:]}
	s := &Slice{Part: int(r.uvarint()), Covered: int64(r.uvarint()), Alerts: int64(r.uvarint()), Written: time.UnixMilli(r.varint())}
	s.Settings = binary.BigEndian.Uint64(r.take(8))
	copy(s.Topic[:], r.take(16))
	s.Size = int(r.uvarint())
	s.packed = r.b
	if r.short || s.Covered < 0 || s.Alerts < 0 || s.Part < 0 || s.Size < 0 || s.Size > maxSlice {
		return nil, fmt.Errorf("%w: its header", ErrCorrupt)
	}
	return s, nil
}

// fields reads a header from its beginning; what is missing is zero.
type fields struct {
	b     []byte
	short bool
}

func (r *fields) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *fields) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *fields) skip(n int) {
	if n <= 0 {
		r.short, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}

func (r *fields) take(n int) []byte {
	if len(r.b) < n {
		r.short, r.b = true, nil
		return make([]byte, n)
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

// sliceKey is the key of a part: of two groups that read the same flows, each has a
// state of its own.
func sliceKey(group string, part int) []byte {
	return strconv.AppendInt([]byte(group+"/"), int64(part), 10)
}

// partOf takes a key apart.
func partOf(key []byte) (group string, part int, ok bool) {
	at := strings.LastIndexByte(string(key), '/')
	if at < 0 {
		return "", 0, false
	}
	part, err := strconv.Atoi(string(key[at+1:]))
	return string(key[:at]), part, err == nil && part >= 0
}
