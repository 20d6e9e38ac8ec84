package detect

// A byte budget holds whatever arrives. From pressure on, a new source must have
// touched several distinct targets before it gets a place; when the budget is
// reached, the weakest of a few sources makes room. A source with an open alert
// stays, and so, while anything weaker is left, does one with growing evidence.

// suspectSize is what a suspect takes beside its sketches, roughly.
const suspectSize = 1250 // bytes

// SetMemory gives the detector another budget. What it holds beyond a smaller one stays: only
// new sources find less room.
func (d *Detector) SetMemory(bytes uint64) { d.cfg.Memory = max(bytes, d.ledger.used(), minMemory) }

// used is what the state takes; sketches are counted as they are made.
func (l *ledger) used() uint64 {
	return l.table.bytes() + l.beginnings.bytes + l.accounts.bytes() + l.slab.bytes() + l.sketched +
		uint64(len(l.suspects)-len(l.freeSuspects))*suspectSize
}

// wanted is how many distinct targets a new source must have touched to be let in.
func (l *ledger) wanted() uint8 {
	switch share := l.share(); {
	case share < 0.85:
		return 1
	case share < 0.95:
		return 2
	case share < 0.98:
		return 4
	}
	return 8
}

func (l *ledger) share() float64 { return float64(l.used()) / float64(l.cfg.Memory) }

// placing is whether a contact found its place.
type placement uint8

const (
	placed  placement = iota
	waiting           // its source is new and must show more first
	noRoom            // its source is new, and all places are taken by better ones
)

// admit finds a place for a new source.
func (l *ledger) admit(key uint64, c contact) (*slot, placement) {
	if want := l.wanted(); want > 1 {
		if !l.door.pass(key, c.target()^uint64(c.marks.class())<<48, want) {
			return nil, waiting
		}
		for tries := 0; l.share() >= 1 && tries < 4; tries++ {
			if !l.evict() {
				break
			}
		}
		if l.share() >= 1.02 {
			return nil, noRoom
		}
	}
	return l.table.add(key), placed
}

// look is how many sources the choice of a victim compares.
const evictAmong = 64

// evict removes the source with the fewest failed contacts, the oldest of those,
// among the next few.
func (l *ledger) evict() bool {
	var victim slot
	found := false
	for seen, passed := 0, 0; seen < evictAmong && passed < 16*evictAmong; passed++ {
		s := l.table.next()
		if s == nil {
			break
		}
		if s.key == 0 {
			continue
		}
		seen++
		if !l.alerted(s) && (!found || l.weaker(s, &victim)) {
			victim, found = *s, true
		}
	}
	if !found {
		return false
	}
	l.drop(l.table.find(victim.key))
	l.table.removeKey(victim.key)
	l.stats.Evicted++
	return true
}

func (l *ledger) alerted(s *slot) bool {
	if s.bits&slotAccount == 0 {
		return false
	}
	sus := l.suspectOf(l.accounts.at(uint32(s.word)))
	return sus != nil && sus.alerted()
}

func (l *ledger) weaker(a, b *slot) bool {
	if x, y := l.weight(a), l.weight(b); x != y {
		return x < y
	}
	return a.seen < b.seen
}

// pastWeight is how many failed targets a scan that has closed is worth: of a
// large one the sets have nothing any more.
const closedWeight = 100

// weight orders sources for eviction: what has more failed targets stays longer.
func (l *ledger) weight(s *slot) uint64 {
	if s.bits&slotAccount != 0 {
		acc := l.accounts.at(uint32(s.word))
		n := 1 + acc.failed.estimate()
		if sus := l.suspectOf(acc); sus != nil {
			n += closedWeight * uint64(len(sus.closedScans))
		}
		return n
	}
	if s.one.isProbe() {
		return 1
	}
	return 0
}

// drop gives back what a source holds beside its slot.
func (l *ledger) drop(s *slot) {
	if s.bits&slotAccount == 0 {
		return
	}
	acc := l.accounts.at(uint32(s.word))
	l.remember(acc, s.key, s.seen, nothing)
	acc.failed.drop(&l.slab)
	acc.other.drop(&l.slab)
	l.forgetSuspect(acc)
	l.accounts.put(uint32(s.word))
}

// weigh adds up what the sketches and footprints take.
func (l *ledger) weigh() {
	l.sketched = 0
	for _, s := range l.suspects {
		if s != nil {
			l.sketched += s.sketched()
		}
	}
}

// weighEvery is how many ticks lie between two sums over all sketches. New ones
// are added as they come; that they grow and go is found out then.
const weighEvery = 60
