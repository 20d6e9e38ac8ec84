package schema

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"iter"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"
)

// Footprint is which ports, or which addresses, a scan touched since its alert
// opened: a set of numbers below 65,536, to be drawn as 256 x 256 places.
//
//	of         prefix                              number i is
//	ports      the host as /32 or /128;            port i of proto
//	           0.0.0.0/0, ::/0: of several hosts
//	protocols  the same                            IP protocol i
//	addresses  an IPv4 /16                         its i-th address
//	networks   an IPv4 /8, or 0.0.0.0/0            its i-th /24, or its i-th /16
//
// The numbers stand in exactly one of two forms, whichever is the shorter:
//
//	"ranges":"22,80,1000-1999"  at most 64 ranges, ascending
//	"bitmap":"eAEA..."          base64 (RFC 4648 section 4) of zlib (RFC 1950) of 8,192 bytes;
//	                            number i is bit i&7, the lowest being 0, of byte i>>3
//
// A bitmap takes at most 10,940 characters. A browser reads it so:
//
//	let z = Uint8Array.from(atob(f.bitmap), c => c.charCodeAt(0))
//	let s = new Blob([z]).stream().pipeThrough(new DecompressionStream("deflate"))
//	let b = new Uint8Array(await new Response(s).arrayBuffer())
//	let has = i => b[i >> 3] >> (i & 7) & 1
type Footprint struct {
	Of      FootprintOf  `json:"of"`
	Prefix  netip.Prefix `json:"prefix"`
	Proto   string       `json:"proto,omitempty"`
	Count   uint32       `json:"count"`             // numbers in the set
	Partial bool         `json:"partial,omitempty"` // some that were touched are missing
	Ranges  Ranges       `json:"ranges,omitempty"`
	Bitmap  Bitmap       `json:"bitmap,omitempty"`
}

// FootprintOf says what the numbers of a footprint are.
type FootprintOf string

// What a footprint is of.
const (
	FootprintPorts     FootprintOf = "ports"
	FootprintProtocols FootprintOf = "protocols"
	FootprintAddresses FootprintOf = "addresses"
	FootprintNetworks  FootprintOf = "networks"
)

// FootprintBits is how many numbers a footprint tells apart.
const FootprintBits = 1 << 16

const (
	bitmapBytes = FootprintBits / 8
	maxRanges   = 64 // beyond, a bitmap is about as short
)

// SetNumbers gives f the numbers whose bits are set, in the form that is the shorter.
func (f *Footprint) SetNumbers(set *[FootprintBits / 64]uint64) {
	f.Count, f.Ranges, f.Bitmap = 0, nil, nil
	runs, last := 0, uint64(0)
	for _, w := range set {
		f.Count += uint32(bits.OnesCount64(w))
		runs += bits.OnesCount64(w &^ (w<<1 | last>>63)) // bits without a neighbour before them
		last = w
	}
	if runs > maxRanges {
		f.Bitmap = make(Bitmap, bitmapBytes)
		for i, w := range set {
			binary.LittleEndian.PutUint64(f.Bitmap[8*i:], w)
		}
		return
	}
	for i, w := range set {
		for ; w != 0; w &= w - 1 {
			f.Ranges.add(uint16(64*i + bits.TrailingZeros64(w)))
		}
	}
}

// Has reports whether number i is in the footprint.
func (f *Footprint) Has(i uint16) bool {
	if len(f.Bitmap) == bitmapBytes {
		return f.Bitmap[i>>3]>>(i&7)&1 != 0
	}
	for _, r := range f.Ranges {
		if r.First <= i && i <= r.Last {
			return true
		}
	}
	return false
}

// All yields the numbers in ascending order.
func (f *Footprint) All() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for i := range FootprintBits {
			if f.Has(uint16(i)) && !yield(uint16(i)) {
				return
			}
		}
	}
}

// Network is what number i of addresses or networks stands for; the zero Prefix
// for other footprints.
func (f *Footprint) Network(i uint16) netip.Prefix {
	if f.Of != FootprintAddresses && f.Of != FootprintNetworks || !f.Prefix.Addr().Is4() || f.Prefix.Bits() > 16 {
		return netip.Prefix{}
	}
	a := f.Prefix.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(a[:]) | uint32(i)<<(16-f.Prefix.Bits())
	binary.BigEndian.PutUint32(a[:], n)
	return netip.PrefixFrom(netip.AddrFrom4(a), f.Prefix.Bits()+16)
}

// Range is the numbers from First to Last, both included.
type Range struct{ First, Last uint16 }

// Ranges are ascending and do not touch. Their text is what nmap's -p takes.
type Ranges []Range

func (r *Ranges) add(i uint16) {
	if n := len(*r); n > 0 && (*r)[n-1].Last+1 == i {
		(*r)[n-1].Last = i
		return
	}
	*r = append(*r, Range{i, i})
}

// MarshalText writes 22,80,1000-1999.
func (r Ranges) MarshalText() ([]byte, error) {
	var b []byte
	for i, x := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(x.First), 10)
		if x.Last != x.First {
			b = strconv.AppendUint(append(b, '-'), uint64(x.Last), 10)
		}
	}
	return b, nil
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (r *Ranges) UnmarshalText(b []byte) error {
	*r = nil
	if len(b) == 0 {
		return nil
	}
	next := 0 // the least number that may come
	for part := range strings.SplitSeq(string(b), ",") {
		first, last, isRange := strings.Cut(part, "-")
		x, err := strconv.ParseUint(first, 10, 16)
		y := x
		if err == nil && isRange {
			y, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil || int(x) < next || y < x || isRange && y == x || len(*r) == maxRanges {
			return fmt.Errorf("ranges: %.20q: give at most %d, ascending, such as 22,80,1000-1999", part, maxRanges)
		}
		*r = append(*r, Range{uint16(x), uint16(y)})
		next = int(y) + 2
	}
	return nil
}

// Bitmap is 8,192 bytes, a bit for each number, or nil.
type Bitmap []byte

var errBitmap = errors.New("bitmap: not base64 of zlib of 8192 bytes")

// MarshalText writes the base64 of the compressed bits. The compressor is one
// that keeps nothing between calls: others allocate a megabyte for each.
func (m Bitmap) MarshalText() ([]byte, error) {
	if len(m) != bitmapBytes {
		return nil, errBitmap
	}
	z := bytes.NewBuffer([]byte{0x78, 0x01}) // deflate, window of 32 KiB, fastest
	if err := flate.StatelessDeflate(z, m, true, nil); err != nil {
		return nil, err
	}
	text := binary.BigEndian.AppendUint32(z.Bytes(), adler32.Checksum(m))
	return base64.StdEncoding.AppendEncode(nil, text), nil
}

// UnmarshalText reads what any zlib has compressed.
func (m *Bitmap) UnmarshalText(b []byte) error {
	*m = nil
	z, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(b)))
	if err != nil {
		return errBitmap
	}
	all := make([]byte, bitmapBytes+1)
	n, err := io.ReadFull(z, all)
	if n != bitmapBytes || !errors.Is(err, io.ErrUnexpectedEOF) { // which comes behind a checksum that is right
		return errBitmap
	}
	*m = all[:bitmapBytes]
	return nil
}
