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
	"sort"
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

// FootprintWord is 64 numbers of a set, from 64*At on: a bit for each, the lowest first.
type FootprintWord struct {
	At   int
	Bits uint64
}

// SetNumbers gives f a set of numbers, in the form that is the shorter. It comes as the
// words that are not zero, ascending.
func (f *Footprint) SetNumbers(words []FootprintWord) {
	f.Count, f.Ranges, f.Bitmap = 0, nil, nil
	runs, last := 0, FootprintWord{At: -1}
	for _, w := range words {
		before := uint64(0)
		if w.At == last.At+1 {
			before = last.Bits >> 63
		}
		f.Count += uint32(bits.OnesCount64(w.Bits))
		runs += bits.OnesCount64(w.Bits &^ (w.Bits<<1 | before)) // bits without a neighbour before them
		last = w
	}
	switch {
	case runs > maxRanges && f.Count >= listedBelow:
		f.Bitmap = make(Bitmap, bitmapBytes)
		for _, w := range words {
			binary.LittleEndian.PutUint64(f.Bitmap[8*w.At:], w.Bits)
		}
		return
	case runs > maxRanges:
		f.Bitmap = make(Bitmap, 0, 2*f.Count)
	case runs > 0:
		f.Ranges = make(Ranges, 0, runs)
	}
	for _, w := range words {
		if f.Bitmap == nil {
			f.Ranges.addWord(w)
			continue
		}
		for ; w.Bits != 0; w.Bits &= w.Bits - 1 {
			f.Bitmap = binary.LittleEndian.AppendUint16(f.Bitmap, uint16(64*w.At+bits.TrailingZeros64(w.Bits)))
		}
	}
}

// Has reports whether number i is in the footprint.
func (f *Footprint) Has(i uint16) bool {
	if f.Bitmap != nil {
		return f.Bitmap.has(i)
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

// addWord adds what a word has behind what there is, a run of ones at a time.
func (r *Ranges) addWord(w FootprintWord) {
	for w.Bits != 0 {
		at := bits.TrailingZeros64(w.Bits)
		run := bits.TrailingZeros64(^(w.Bits >> at))
		first := uint16(64*w.At + at)
		last := first + uint16(run-1)
		if n := len(*r); n > 0 && (*r)[n-1].Last+1 == first {
			(*r)[n-1].Last = last
		} else {
			*r = append(*r, Range{first, last})
		}
		w.Bits &^= (1<<run - 1) << at
	}
}

// MarshalText writes 22,80,1000-1999.
func (r Ranges) MarshalText() ([]byte, error) { return r.appendText(nil), nil }

func (r Ranges) appendText(b []byte) []byte {
	for i, x := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(x.First), 10)
		if x.Last != x.First {
			b = strconv.AppendUint(append(b, '-'), uint64(x.Last), 10)
		}
	}
	return b
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

// Bitmap is a set of numbers that lie scattered, or nil. It is a bit for each number in
// 8,192 bytes, and in memory, where that is shorter, a list of them: ascending, two bytes
// each, the lower first. Its text is always that of the bits.
type Bitmap []byte

// listedBelow are so many numbers that the bits are shorter than the list.
const listedBelow = bitmapBytes / 2

var errBitmap = errors.New("bitmap: not base64 of zlib of 8192 bytes")

func (m Bitmap) at(i int) uint16 { return binary.LittleEndian.Uint16(m[2*i:]) }

func (m Bitmap) has(i uint16) bool {
	if len(m) == bitmapBytes {
		return m[i>>3]>>(i&7)&1 != 0
	}
	n := len(m) / 2
	at := sort.Search(n, func(at int) bool { return m.at(at) >= i })
	return at < n && m.at(at) == i
}

// MarshalText writes the base64 of the compressed bits.
func (m Bitmap) MarshalText() ([]byte, error) { return m.appendText(nil) }

// appendText appends what MarshalText writes. The compressor is one that keeps nothing
// between calls: others allocate a megabyte for each.
func (m Bitmap) appendText(b []byte) ([]byte, error) {
	var all [bitmapBytes]byte
	switch {
	case len(m) == bitmapBytes:
		copy(all[:], m)
	case m == nil || len(m)%2 != 0 || len(m) > bitmapBytes:
		return b, errBitmap
	}
	for i := 0; len(m) < bitmapBytes && i < len(m)/2; i++ {
		n := m.at(i)
		all[n>>3] |= 1 << (n & 7)
	}
	z := bytes.NewBuffer([]byte{0x78, 0x01}) // deflate, window of 32 KiB, fastest
	if err := flate.StatelessDeflate(z, all[:], true, nil); err != nil {
		return b, err
	}
	text := binary.BigEndian.AppendUint32(z.Bytes(), adler32.Checksum(all[:]))
	return base64.StdEncoding.AppendEncode(b, text), nil
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
	*m = Bitmap(all[:bitmapBytes]).shortest()
	return nil
}

// shortest is the list of the numbers of a bitmap, if that is the shorter.
func (m Bitmap) shortest() Bitmap {
	n := 0
	for i := 0; i < len(m); i += 8 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(m[i:]))
	}
	if n == 0 || n >= listedBelow {
		return m
	}
	list := make(Bitmap, 0, 2*n)
	for i := range FootprintBits {
		if m.has(uint16(i)) {
			list = binary.LittleEndian.AppendUint16(list, uint16(i))
		}
	}
	return list
}
