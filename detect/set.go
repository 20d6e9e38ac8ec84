package detect

import (
	"math"

	"github.com/scanhound/scanhound/schema"
)

// set is a set of contacts: all of them up to maxContacts; beyond, those whose hash
// begins with level zero bits, a uniform sample of the distinct targets in which each
// stands for 1<<level.
//
// The first few lie in the set itself, and the next in a block of the slab. Up to
// denseSize they lie side by side; a larger block is a hash table with linear probing, at
// most seven eighths full.
type set struct {
	words [inline]uint64 // while there is no block
	ref   [4]marks       // those of these words, or the handle of the block in its bytes
	n     uint16
	size  uint8 // of the block: 3 one line, 4 two, from 5 on log2 of the places; 0: no block
	level uint8
}

const (
	inline      = 2 // most sources with an account have touched no more
	denseSize   = twoLines
	maxContacts = 1 << largest * 7 / 8
)

// handle is that of the block.
func (s *set) handle() uint32 {
	return uint32(s.ref[0]) | uint32(s.ref[1])<<8 | uint32(s.ref[2])<<16 | uint32(s.ref[3])<<24
}

func (s *set) setHandle(h uint32) {
	s.ref = [4]marks{marks(h), marks(h >> 8), marks(h >> 16), marks(h >> 24)}
}

// places are where the contacts lie.
func (s *set) places(b *slab) ([]uint64, []marks) {
	if s.size == 0 {
		return s.words[:], s.ref[:inline]
	}
	return b.block(s.handle(), s.size)
}

// weight is how many distinct contacts one of the set stands for.
func (s *set) weight() uint64 { return 1 << s.level }

// estimate is the number of distinct contacts as far as the sample tells.
func (s *set) estimate() uint64 { return uint64(s.n) << s.level }

// count is estimate with its error, that of a sample of n.
func (s *set) count() schema.Count {
	c := schema.Count{Count: s.estimate(), Exact: s.level == 0}
	if !c.Exact {
		c.Stderr = math.Ceil(float64(c.Count) / math.Sqrt(float64(max(s.n, 1))))
	}
	return c
}

// sampled reports whether a contact with this hash belongs into the set.
func (s *set) sampled(hash uint64) bool { return hash>>(64-s.level) == 0 }

// find returns the place of the contact that is the same target as c, or -1.
func (s *set) find(b *slab, c contact, hash uint64) int {
	if s.n == 0 {
		return -1
	}
	words, marks := s.places(b)
	if s.size <= denseSize {
		for i, w := range words[:s.n] {
			if (w^c.word)>>16 == 0 && (marks[i]^c.marks)>>classShift == 0 {
				return i
			}
		}
		return -1
	}
	mask := uint64(len(words) - 1)
	for i := hash & mask; marks[i] != 0; i = (i + 1) & mask {
		if (words[i]^c.word)>>16 == 0 && (marks[i]^c.marks)>>classShift == 0 {
			return int(i)
		}
	}
	return -1
}

// at returns the contact at a place.
func (s *set) at(b *slab, place int) contact {
	words, marks := s.places(b)
	return contact{words[place], marks[place]}
}

// change replaces the contact at a place by the same target.
func (s *set) change(b *slab, place int, c contact) {
	words, marks := s.places(b)
	words[place], marks[place] = c.word, c.marks
}

// all yields every contact with its place.
func (s *set) all(b *slab) func(yield func(int, contact) bool) {
	return func(yield func(int, contact) bool) {
		if s.n == 0 {
			return
		}
		words, marks := s.places(b)
		if s.size <= denseSize {
			words = words[:s.n]
		}
		for i, w := range words {
			if marks[i] != 0 && !yield(i, contact{w, marks[i]}) {
				return
			}
		}
	}
}

// add puts c, which must not be in the set, into it, if the sample wants it. A
// full set first drops what is older than the window, then halves the sample.
func (s *set) add(b *slab, c contact, hash uint64, now stamp, window uint32) {
	if s.n == maxContacts {
		s.keep(b, func(c contact) bool { return c.stamp().age(now) <= window })
		for s.n > maxContacts*3/4 {
			s.level++
			s.keep(b, func(c contact) bool { return s.sampled(c.hash()) })
		}
	}
	if !s.sampled(hash) {
		return
	}
	if int(s.n) >= room(s.size) {
		s.resize(b, larger(s.size))
	}
	s.insert(b, c, hash)
}

// merge puts c, which must not be in the set, into it as the sample of a union: one
// as large as fits, whatever came first.
func (s *set) merge(b *slab, c contact, hash uint64) {
	for s.n == maxContacts && s.sampled(hash) {
		s.deepen(b, s.level+1)
	}
	if !s.sampled(hash) {
		return
	}
	if int(s.n) >= room(s.size) {
		s.resize(b, larger(s.size))
	}
	s.insert(b, c, hash)
}

// deepen makes the sample one of a level, if it is of more.
func (s *set) deepen(b *slab, level uint8) {
	if level > s.level {
		s.level = level
		s.keep(b, func(c contact) bool { return s.sampled(c.hash()) })
		s.level = level
	}
}

// room is how many contacts a block of a size takes: 7 in one line, 14 in two.
func room(size uint8) int {
	if size == 0 {
		return inline
	}
	return 1 << size * 7 / 8
}

// larger is the next size.
func larger(size uint8) uint8 { return max(size+1, smallest) }

// fitting is the smallest size for n contacts.
func fitting(n int) (size uint8) {
	for room(size) < n {
		size = larger(size)
	}
	return size
}

func (s *set) insert(b *slab, c contact, hash uint64) {
	words, marks := s.places(b)
	i := uint64(s.n)
	if s.size > denseSize {
		mask := uint64(len(words) - 1)
		for i = hash & mask; marks[i] != 0; i = (i + 1) & mask {
		}
	}
	words[i], marks[i] = c.word, c.marks
	s.n++
}

// resize moves the contacts to places of another size.
func (s *set) resize(b *slab, size uint8) {
	old := *s
	*s = newSet(b, size, old.level)
	for _, c := range old.all(b) {
		s.insert(b, c, c.hash())
	}
	old.drop(b)
}

// newSet returns an empty one with places of a size.
func newSet(b *slab, size, level uint8) set {
	s := set{size: size, level: level}
	if size != 0 {
		s.setHandle(b.get(size))
	}
	return s
}

// drop gives the block back.
func (s *set) drop(b *slab) {
	if s.size != 0 {
		b.put(s.handle(), s.size)
	}
	*s = set{level: s.level}
}

// remove takes the contact at a place out of the set.
func (s *set) remove(b *slab, place int) {
	words, marks := s.places(b)
	s.n--
	if s.size <= denseSize {
		last := int(s.n)
		words[place], marks[place] = words[last], marks[last]
		words[last], marks[last] = 0, 0
		return
	}
	mask := uint64(len(words) - 1)
	hole := uint64(place)
	marks[hole] = 0
	for i := (hole + 1) & mask; marks[i] != 0; i = (i + 1) & mask {
		// Who probed past the hole to get here moves into it.
		home := contact{words[i], marks[i]}.hash() & mask
		if (i-home)&mask >= (i-hole)&mask {
			words[hole], marks[hole] = words[i], marks[i]
			marks[i] = 0
			hole = i
		}
	}
}

// keep drops the contacts that are not wanted, and shrinks the block.
func (s *set) keep(b *slab, wanted func(contact) bool) {
	if s.n == 0 {
		return
	}
	kept := b.scratch[:0]
	for _, c := range s.all(b) {
		if wanted(c) {
			kept = append(kept, c)
		}
	}
	b.scratch = kept
	if len(kept) == int(s.n) {
		return
	}
	s.drop(b)
	if len(kept) == 0 {
		s.level = 0
		return
	}
	*s = newSet(b, fitting(len(kept)), s.level)
	for _, c := range kept {
		s.insert(b, c, c.hash())
	}
}
