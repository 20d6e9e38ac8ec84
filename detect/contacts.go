package detect

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// contact is one target of a source: the element that is counted, once however
// often it is touched. 24 bytes without a pointer.
type contact struct {
	addr  [16]byte
	stamp stamp
	port  uint16
	proto uint8
	bits  outcome
}

// stamp is the second at which a contact was last touched, and whether an alert
// that has since closed told of it.
type stamp uint32

const (
	told       stamp = 1 << 31
	stampEpoch       = 946684800 // 2000-01-01 UTC: 31 bits of seconds last until 2068
)

func stampOf(t schema.Time) stamp {
	return stamp(max(t.Seconds()-stampEpoch, 0)) &^ told
}

func (s stamp) seconds() uint32 { return uint32(s &^ told) }
func (s stamp) isTold() bool    { return s&told != 0 }

func (s stamp) time() schema.Time {
	return schema.Time(int64(s.seconds())+stampEpoch) * 1e9
}

// refresh notes that c was touched again at s, and reports whether that is news
// of a target that was told of: closer together than retold they are retries.
func (c *contact) refresh(s stamp) (news bool) {
	idle := int64(s.seconds()) - int64(c.stamp.seconds())
	if idle <= 0 {
		return false
	}
	news = c.stamp.isTold() && idle > retold
	c.stamp = s | c.stamp&told
	if news {
		c.stamp &^= told
	}
	return news
}

// retold is how long a target that an alert told of must have been left alone
// before touching it is the beginning of another scan.
const retold = 300 // seconds

// hash is the same in every process and run: what is sampled is part of the state.
func (c *contact) hash() uint64 {
	return schema.Mix64(hashAddr(&c.addr) ^ schema.Mix64(uint64(c.port)<<8|uint64(c.proto)))
}

func hashAddr(a *[16]byte) uint64 {
	return schema.Mix64(binary.BigEndian.Uint64(a[:8]) ^ schema.Mix64(binary.BigEndian.Uint64(a[8:])))
}

func (c *contact) same(d *contact) bool {
	return c.port == d.port && c.proto == d.proto && c.addr == d.addr
}

func (c *contact) target() netip.Addr { return netip.AddrFrom16(c.addr).Unmap() }

const (
	maxContacts = 1024 // of one set; beyond it the set becomes a sample
	fewContacts = 16   // up to here a scan of the list is as fast as an index
)

// contacts is a set of contacts, complete up to maxContacts. Beyond, it keeps
// those whose hash begins with level zero bits: a uniform sample of distinct
// targets in which each stands for 1<<level.
type contacts struct {
	list  []contact
	index []uint16 // open addressing: 1 + place in list, 0 is free
	level uint8
}

// weight is how many distinct contacts one of the list stands for.
func (s *contacts) weight() uint64 { return 1 << s.level }

// estimate is the number of distinct contacts as far as the sample tells.
func (s *contacts) estimate() uint64 { return uint64(len(s.list)) << s.level }

// sampled reports whether a contact with this hash belongs into the set.
func (s *contacts) sampled(hash uint64) bool { return hash>>(64-s.level) == 0 }

// find returns the contact in the set that is c, or nil.
func (s *contacts) find(c *contact, hash uint64) *contact {
	if s.index == nil {
		for i := range s.list {
			if s.list[i].same(c) {
				return &s.list[i]
			}
		}
		return nil
	}
	mask := uint64(len(s.index) - 1)
	for at := hash & mask; s.index[at] != 0; at = (at + 1) & mask {
		if found := &s.list[s.index[at]-1]; found.same(c) {
			return found
		}
	}
	return nil
}

// add puts c, which must not be in the set, into it, if the sample wants it. A
// full set first drops what is older than the window, then halves the sample.
func (s *contacts) add(c contact, hash uint64, oldest uint32) {
	if len(s.list) == maxContacts {
		s.expire(oldest)
		for len(s.list) > maxContacts*3/4 {
			s.halve()
		}
	}
	if !s.sampled(hash) {
		return
	}
	s.list = append(s.list, c)
	if n := len(s.list); n > fewContacts {
		if len(s.index) < 2*n {
			s.reindex()
		} else {
			s.place(n-1, hash)
		}
	}
}

// remove takes the contact at found out of the set.
func (s *contacts) remove(found *contact) {
	for i := range s.list {
		if &s.list[i] == found {
			s.list = slices.Delete(s.list, i, i+1)
			s.reindex()
			return
		}
	}
}

func (s *contacts) halve() {
	s.level++
	s.keep(func(c *contact) bool { return s.sampled(c.hash()) })
}

// expire drops what was last touched before oldest.
func (s *contacts) expire(oldest uint32) {
	s.keep(func(c *contact) bool { return c.stamp.seconds() >= oldest })
	if len(s.list) == 0 {
		*s = contacts{}
	}
}

func (s *contacts) keep(wanted func(*contact) bool) {
	before := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(c contact) bool { return !wanted(&c) })
	if len(s.list) < before {
		s.reindex()
	}
}

func (s *contacts) reindex() {
	if len(s.list) <= fewContacts {
		s.index = nil
		return
	}
	size := 64
	for size < 4*len(s.list) && size < 2*maxContacts {
		size *= 2
	}
	if size == len(s.index) {
		clear(s.index)
	} else {
		s.index = make([]uint16, size)
	}
	for i := range s.list {
		s.place(i, s.list[i].hash())
	}
}

func (s *contacts) place(i int, hash uint64) {
	mask := uint64(len(s.index) - 1)
	at := hash & mask
	for s.index[at] != 0 {
		at = (at + 1) & mask
	}
	s.index[at] = uint16(i + 1)
}

// byTime orders contacts by when they were last touched, then by target: an
// order that does not depend on how they arrived.
func byTime(a, b *contact) int {
	return cmp.Or(
		cmp.Compare(a.stamp.seconds(), b.stamp.seconds()),
		slices.Compare(a.addr[:], b.addr[:]),
		cmp.Compare(a.port, b.port),
		cmp.Compare(a.proto, b.proto),
	)
}
