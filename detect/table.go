package detect

import (
	"net/netip"
	"time"
)

// table holds the sources. What is done to all of them in turn (expiry, the
// choice of whom to evict) follows the list, never the map, so that it is the
// same on every replay.
type table struct {
	byAddr map[netip.Addr]*source
	list   []*source
	hand   int // next source to look at
	max    int

	evicted, refused, expired uint64
}

func newTable(maxSources int) table {
	return table{byAddr: map[netip.Addr]*source{}, max: maxSources}
}

// get returns the source of addr, or nil if there is no room for it.
func (t *table) get(addr netip.Addr) (s *source, isNew bool) {
	if s := t.byAddr[addr]; s != nil {
		return s, false
	}
	if len(t.list) >= t.max && !t.evict() {
		t.refused++
		return nil, false
	}
	s = &source{addr: addr, place: len(t.list)}
	t.list = append(t.list, s)
	t.byAddr[addr] = s
	return s, true
}

// look is how many sources the choice of a victim compares.
const look = 64

// evict removes the source with the fewest failed contacts, the oldest of
// those, among the next few. A source with an open alert stays.
func (t *table) evict() bool {
	var victim *source
	for range min(look, len(t.list)) {
		if s := t.next(); !s.alerted() && (victim == nil || weaker(s, victim)) {
			victim = s
		}
	}
	if victim == nil {
		return false
	}
	t.remove(victim)
	t.evicted++
	return true
}

func weaker(a, b *source) bool {
	if wa, wb := a.weight(), b.weight(); wa != wb {
		return wa < wb
	}
	return a.seen < b.seen
}

func (t *table) next() *source {
	if t.hand >= len(t.list) {
		t.hand = 0
	}
	s := t.list[t.hand]
	t.hand++
	return s
}

func (t *table) remove(s *source) {
	last := t.list[len(t.list)-1]
	t.list[s.place], last.place = last, s.place
	t.list[len(t.list)-1] = nil
	t.list = t.list[:len(t.list)-1]
	delete(t.byAddr, s.addr)
}

// sweep expires the share of the sources that elapsed is of a sixteenth of the
// window: each is visited often enough to hold at most that much dead weight.
func (t *table) sweep(elapsed, window time.Duration, oldest uint32) {
	n := min(int(float64(len(t.list))*float64(elapsed)/float64(window/16))+1, len(t.list))
	for range n {
		if len(t.list) == 0 {
			return
		}
		if s := t.next(); s.expire(oldest) {
			t.remove(s)
			t.expired++
			t.hand--
		}
	}
}
