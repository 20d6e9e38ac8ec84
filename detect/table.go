package detect

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// table finds a source by its address. It has segments, each an open-addressing
// array that grows by itself, so that growing never moves all sources at once,
// and no pointers beyond those of the segments.
type table struct {
	segments [1 << segmentBits]segment
	held     uint64
	places   int    // taken and free
	version  uint32 // raised when a source moves or goes
	hand     cursor // of the sweep and of eviction
}

const (
	segmentBits  = 8
	firstSegment = 16 // slots of a new segment
)

type segment struct {
	slots []slot
	used  int
}

// slot is one source: 24 bytes. Most sources have touched one target, which lies
// in the slot itself; the others have an account.
type slot struct {
	key  uint64 // see keyOf; 0 is free
	word uint64 // of the one contact, or the index of the account
	seen uint32 // second of the latest flow, Unix time

	oldest stamp // of the account: no contact is older
	one    marks // of the one contact; 0: word is an account
	bits   slotBits
}

type slotBits uint8

const (
	slotInternal slotBits = 1 << iota
	slotV6
	slotAccount

	slotAccountBit = 2
)

// keyOf is an address as a table key: an IPv4 address is itself, an IPv6 address
// 63 bits of its hash. It is never 0.
func keyOf(a netip.Addr) uint64 {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		return 1<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return keyV6 | schema.HashAddr(&b)
}

// keyV6 is set in the keys of IPv6 addresses and networks.
const keyV6 = 1 << 63

// home is where a key belongs: its segment, and its first place there.
func home(key uint64) (seg, place uint64) {
	return placeOf(schema.Mix64(key))
}

// placeOf is home, of the hash of a key.
func placeOf(hash uint64) (seg, place uint64) { return hash >> (64 - segmentBits), hash }

// find returns the slot of key, or nil. It is valid until a slot is added or removed.
func (t *table) find(key uint64) *slot { return t.findFrom(key, schema.Mix64(key)) }

// findFrom is find, for who knows the hash of the key.
func (t *table) findFrom(key, hash uint64) *slot {
	seg, place := placeOf(hash)
	s := &t.segments[seg]
	if len(s.slots) == 0 {
		return nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := place & mask; s.slots[i].key != 0; i = (i + 1) & mask {
		if s.slots[i].key == key {
			return &s.slots[i]
		}
	}
	return nil
}

// again returns what find does, for a lookup that may have found it already.
func (t *table) again(l *lookup) *slot {
	if l.slot != nil && l.version == t.version {
		return l.slot
	}
	return t.findFrom(l.key, l.home)
}

// add returns a new slot for key, which must not be in the table.
func (t *table) add(key uint64) *slot {
	seg, place := home(key)
	s := &t.segments[seg]
	if 4*(s.used+1) > 3*len(s.slots) {
		t.resize(seg, max(firstSegment, 2*len(s.slots)))
	}
	s.used++
	t.held++
	at := s.free(place)
	at.key = key
	return at
}

// free returns the first free slot from place on.
func (s *segment) free(place uint64) *slot {
	mask := uint64(len(s.slots) - 1)
	i := place & mask
	for s.slots[i].key != 0 {
		i = (i + 1) & mask
	}
	return &s.slots[i]
}

// resize gives a segment another number of places, a power of two.
func (t *table) resize(seg uint64, places int) {
	s := &t.segments[seg]
	old := s.slots
	t.version++
	t.places += places - len(old)
	s.slots = make([]slot, places)
	for i := range old {
		if old[i].key != 0 {
			_, place := home(old[i].key)
			*s.free(place) = old[i]
		}
	}
}

// remove takes the source at a place of a segment out. What probed past it moves up.
func (t *table) remove(seg, place int) {
	s := &t.segments[seg]
	mask := uint64(len(s.slots) - 1)
	hole := uint64(place)
	s.slots[hole] = slot{}
	t.version++
	s.used--
	t.held--
	for i := (hole + 1) & mask; s.slots[i].key != 0; i = (i + 1) & mask {
		_, at := home(s.slots[i].key)
		if (i-at)&mask >= (i-hole)&mask {
			s.slots[hole] = s.slots[i]
			s.slots[i] = slot{}
			hole = i
		}
	}
}

// removeKey takes a source out.
func (t *table) removeKey(key uint64) {
	seg, place := home(key)
	s := &t.segments[seg]
	mask := uint64(len(s.slots) - 1)
	for i := place & mask; s.slots[i].key != 0; i = (i + 1) & mask {
		if s.slots[i].key == key {
			t.remove(int(seg), int(i))
			return
		}
	}
}

// cursor is a place of the table in the order in which the sweep goes.
type cursor struct {
	seg, place int
}

// next moves on by one slot and returns it; it may be free.
func (t *table) next() *slot {
	c := &t.hand
	for c.place >= len(t.segments[c.seg].slots) {
		c.place = 0
		c.seg = (c.seg + 1) % len(t.segments)
		if c.seg == 0 && t.held == 0 {
			return nil
		}
	}
	s := &t.segments[c.seg].slots[c.place]
	c.place++
	return s
}

// dropOf removes the i-th source of the latest run, of which it returns what is left. Another
// may now be in its place. The last of the run is then the first of the next.
func (t *table) dropOf(run []slot, i int) []slot {
	t.remove(t.hand.seg, t.hand.place-len(run)+i)
	t.hand.place--
	return run[:len(run)-1]
}

// run returns at most n slots that lie after the cursor, in one piece, and moves on by them;
// none if the table is empty.
func (t *table) run(n int) []slot {
	s := t.next()
	if s == nil {
		return nil
	}
	c := &t.hand
	slots := t.segments[c.seg].slots[c.place-1:]
	slots = slots[:min(n, len(slots))]
	c.place += len(slots) - 1
	return slots
}

// shrink halves the places of the segment that the cursor has passed whole, if it uses few.
func (t *table) shrink() {
	c := &t.hand
	s := &t.segments[c.seg]
	if c.place < len(s.slots) || len(s.slots) <= firstSegment || shrinkBelow*s.used > len(s.slots) {
		return
	}
	t.resize(uint64(c.seg), len(s.slots)/2)
	c.place = len(s.slots)
}

// shrinkBelow places for each source are too many: half of them is far from growing again.
const shrinkBelow = 6

const slotSize = 24 // bytes

func (t *table) bytes() uint64 { return uint64(t.places) * slotSize }
