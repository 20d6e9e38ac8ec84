// Package bits16 holds a set of 16-bit numbers: a sorted list while there are few, else a
// bitmap of 8 KiB. A footprint keeps ports and addresses in such sets. A set has one
// owner; its zero value is empty.
package bits16

import (
	"math/bits"
	"slices"
)

// Set is a set of 16-bit numbers.
type Set struct {
	few  []uint16 // ascending
	bits *sheet
	held int // in bits
}

// sheet is a bitmap with a note of which of its words are not zero: a few hundred numbers
// lie in a few dozens of its thousand words.
type sheet struct {
	words Bitmap
	used  [len(Bitmap{}) / 64]uint64
}

// Bitmap has a bit for each number, the first in the lowest of the first word.
type Bitmap [1 << 16 / 64]uint64

// fewNumbers are listed; one more, and a bitmap is better to have.
const fewNumbers = 128

// Add puts a number into the set.
func (s *Set) Add(i uint16) {
	if s.bits != nil {
		s.held += s.bits.add(i)
		return
	}
	at, known := slices.BinarySearch(s.few, i)
	switch {
	case known:
	case len(s.few) < fewNumbers:
		s.few = slices.Insert(s.few, at, i)
	default:
		s.spread()
		s.held += s.bits.add(i)
	}
}

// add returns how many numbers it has put in: one, or none that was not in it.
func (b *sheet) add(i uint16) int {
	at, bit := i>>6, i&63
	word := b.words[at]
	if word == 0 {
		b.used[at>>6] |= 1 << (at & 63)
	}
	b.words[at] = word | 1<<bit
	return int(^word >> bit & 1)
}

// spread makes a bitmap of the list.
func (s *Set) spread() {
	s.bits, s.held = new(sheet), len(s.few)
	for _, i := range s.few {
		s.bits.add(i)
	}
	s.few = nil
}

// Has reports whether a number is in the set.
func (s *Set) Has(i uint16) bool {
	if s.bits != nil {
		return s.bits.words[i>>6]>>(i&63)&1 != 0
	}
	_, known := slices.BinarySearch(s.few, i)
	return known
}

// Merge adds all of another set.
func (s *Set) Merge(o *Set) {
	if o.bits != nil && s.bits == nil {
		s.spread()
	}
	for i := range o.Each {
		s.Add(i)
	}
}

// Words yields the words of the bitmap that are not zero, ascending, and their places.
func (s *Set) Words(yield func(int, uint64) bool) {
	if s.bits != nil {
		for i, used := range s.bits.used {
			for ; used != 0; used &= used - 1 {
				at := 64*i + bits.TrailingZeros64(used)
				if !yield(at, s.bits.words[at]) {
					return
				}
			}
		}
		return
	}
	for i := 0; i < len(s.few); {
		at, word := s.few[i]>>6, uint64(0)
		for ; i < len(s.few) && s.few[i]>>6 == at; i++ {
			word |= 1 << (s.few[i] & 63)
		}
		if !yield(int(at), word) {
			return
		}
	}
}

// Each yields every number, ascending.
func (s *Set) Each(yield func(uint16) bool) {
	for i, w := range s.Words {
		for ; w != 0; w &= w - 1 {
			if !yield(uint16(64*i + bits.TrailingZeros64(w))) {
				return
			}
		}
	}
}

// Len is how many there are.
func (s *Set) Len() int { return len(s.few) + s.held }

// Bytes is what the set takes beside its own words.
func (s *Set) Bytes() uint64 {
	if s.bits != nil {
		return uint64(len(s.bits.words)+len(s.bits.used)) * 8
	}
	return uint64(cap(s.few)) * 2
}

// Clear empties the set. It is from then on a bitmap, whatever it holds: for who fills
// one set again and again, and has it take no memory each time.
func (s *Set) Clear() {
	s.few, s.held = nil, 0
	if s.bits == nil {
		s.bits = new(sheet)
		return
	}
	for i, used := range s.bits.used {
		for ; used != 0; used &= used - 1 {
			s.bits.words[64*i+bits.TrailingZeros64(used)] = 0
		}
		s.bits.used[i] = 0
	}
}

// Clone is a copy in the form that it should have.
func (s *Set) Clone() Set {
	switch {
	case s.bits == nil:
		return Set{few: slices.Clone(s.few)}
	case s.held > fewNumbers:
		b := *s.bits
		return Set{bits: &b, held: s.held}
	}
	few := make([]uint16, 0, s.held)
	for i := range s.Each {
		few = append(few, i)
	}
	return Set{few: few}
}

// Prefetch reads what Add and Has of a number in a bitmap will read. What it returns
// means nothing, but must be used.
func (s *Set) Prefetch(i uint16) uint64 {
	if s.bits == nil {
		return 0
	}
	return s.bits.words[i>>6]
}
