package detect

import "github.com/scanhound/scanhound/schema"

// A byte budget holds whatever arrives. From pressure on, a new source must have
// touched several distinct targets before it gets a place; when the budget is
// reached, the weakest of a few sources makes room. A source with an open alert
// stays, and so, while anything weaker is left, does one with growing evidence.

// suspectSize is what a suspect takes beside its sketches, roughly.
const suspectSize = 1000 // bytes

// used is what the state takes; sketches are counted as they are made.
func (d *Detector) used() uint64 {
	return d.table.bytes() + d.records.bytes() + d.slab.bytes() + d.sketched +
		uint64(len(d.suspects)-len(d.freeSuspects))*suspectSize
}

// wanted is how many distinct targets a new source must have touched to be let in.
func (d *Detector) wanted() uint8 {
	switch share := d.share(); {
	case share < 0.85:
		return 1
	case share < 0.95:
		return 2
	case share < 0.98:
		return 4
	}
	return 8
}

func (d *Detector) share() float64 { return float64(d.used()) / float64(d.cfg.Memory) }

// placing is whether a contact found its place.
type placing uint8

const (
	placed  placing = iota
	waiting         // its source is new and must show more first
	noRoom          // its source is new, and all places are taken by better ones
)

// admit finds a place for a new source.
func (d *Detector) admit(key uint64, c contact) (*slot, placing) {
	if want := d.wanted(); want > 1 {
		if !d.door.pass(key, c.target()^uint64(c.marks>>classShift)<<48, want) {
			return nil, waiting
		}
		for tries := 0; d.share() >= 1 && tries < 4; tries++ {
			if !d.evict() {
				break
			}
		}
		if d.share() >= 1.02 {
			return nil, noRoom
		}
	}
	return d.table.add(key), placed
}

// look is how many sources the choice of a victim compares.
const look = 64

// evict removes the source with the fewest failed contacts, the oldest of those,
// among the next few.
func (d *Detector) evict() bool {
	var victim slot
	found := false
	for seen, passed := 0, 0; seen < look && passed < 16*look; passed++ {
		s := d.table.next()
		if s == nil {
			break
		}
		if s.key == 0 {
			continue
		}
		seen++
		if !d.alerted(s) && (!found || d.weaker(s, &victim)) {
			victim, found = *s, true
		}
	}
	if !found {
		return false
	}
	d.drop(d.table.find(victim.key))
	d.table.removeKey(victim.key)
	d.stats.Evicted++
	return true
}

func (d *Detector) alerted(s *slot) bool {
	if s.bits&slotRecord == 0 {
		return false
	}
	sus := d.suspectOf(d.records.at(uint32(s.word)))
	return sus != nil && sus.alerted()
}

func (d *Detector) weaker(a, b *slot) bool {
	if x, y := d.weight(a), d.weight(b); x != y {
		return x < y
	}
	return a.seen < b.seen
}

// pastWeight is how many failed targets a scan that has closed is worth: of a
// large one the sets have nothing any more.
const pastWeight = 100

// weight orders sources for eviction: what has more failed targets stays longer.
func (d *Detector) weight(s *slot) uint64 {
	if s.bits&slotRecord != 0 {
		rec := d.records.at(uint32(s.word))
		n := 1 + rec.failed.estimate()
		if sus := d.suspectOf(rec); sus != nil {
			n += pastWeight * uint64(len(sus.past))
		}
		return n
	}
	if s.one.isProbe() {
		return 1
	}
	return 0
}

// drop gives back what a source holds beside its slot.
func (d *Detector) drop(s *slot) {
	if s.bits&slotRecord == 0 {
		return
	}
	rec := d.records.at(uint32(s.word))
	d.remember(rec, s.key, s.seen, nothing)
	rec.failed.drop(&d.slab)
	rec.other.drop(&d.slab)
	d.forgetSuspect(rec)
	d.records.put(uint32(s.word))
}

// sweeps is how often a window each slot is visited.
const sweeps = 8

// sweep visits so many slots that each is visited several times a window, and
// drops what is older. It reads slots one after the other and leaves alone what
// has nothing to drop.
func (d *Detector) sweep(elapsed schema.Time) {
	n := min(int(float64(d.table.places)*float64(elapsed)/float64(d.cfg.Window)*sweeps)+1, d.table.places)
	for range n {
		s := d.table.next()
		if s == nil {
			return
		}
		if s.key != 0 && d.expired(s) {
			d.drop(s)
			d.table.dropLast()
			d.stats.Expired++
		}
	}
}

// expired reports whether the window has nothing left of a source, after
// dropping what is older from one that has something. The window of what an open
// alert will close with ends with its last contact, so with the source's latest.
func (d *Detector) expired(s *slot) bool {
	if d.second-s.seen > d.windowSeconds {
		return !d.alerted(s)
	}
	quiet := d.unseen(s)
	if s.bits&slotRecord == 0 || !d.outlived(s, quiet, 0) {
		return false
	}
	if d.alerted(s) {
		quiet = 0
	}
	rec := d.records.at(uint32(s.word))
	d.purge(s, rec, quiet)
	if sus := d.suspectOf(rec); sus != nil && rec.failed.n < suspicious && len(sus.scans)+len(sus.past) == 0 {
		d.forgetSuspect(rec)
	}
	return rec.failed.n+rec.other.n == 0 && rec.suspect == 0
}
