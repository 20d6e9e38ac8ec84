package detect

import (
	"cmp"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// merge joins a part that was read into the state.
func (d *Detector) merge(x *slice) {
	late := x.clock < d.clock.now
	d.clock.now = max(d.clock.now, x.clock)
	d.setTime()
	d.arrived(x)
	d.mergeRound(&x.round)
	if x.part == common {
		d.mergeCommon(&x.common)
		return
	}
	d.ledger.reserve(x)
	d.ledger.lostBeginnings(x)
	for i := range x.sources {
		of := &x.sources[i]
		if late && d.second-of.seen > d.windowSeconds && (of.suspect == nil || !of.suspect.alerted()) {
			continue // the window has nothing left of it
		}
		if s := d.ledger.table.find(of.key); s != nil {
			d.mergeSource(s, of)
		} else {
			d.restore(d.ledger.table.add(of.key), of)
		}
	}
	for i := range x.nets {
		if n := d.ledger.nets.get(x.nets[i].key); n != nil {
			n.merge(&x.nets[i].net64)
		}
	}
	d.network.mergeTables(x)
	d.ledger.mergeBeginnings(x)
}

// sparse is how many places a source may have in a table that is restored: one that
// has lost more of its sources begins smaller.
const sparse = 16

// reserve gives a segment the places that it had.
func (l *ledger) reserve(x *slice) {
	if x.places == 0 {
		return
	}
	places := 1 << (x.places - 1)
	for places > sparse*max(len(x.sources), firstSegment) {
		places /= 2
	}
	if seg := uint64(x.part); places > len(l.table.segments[seg].slots) && places >= firstSegment {
		l.table.resize(seg, places)
	}
}

// mergeRound takes over where the other stands, if it is further on.
func (d *Detector) mergeRound(r *roundState) {
	if cmp.Or(cmp.Compare(r.lastTick, d.rounds.lastTick), cmp.Compare(r.ticks, uint64(d.rounds.ticks))) > 0 {
		d.rounds.lastTick, d.rounds.nextTick = r.lastTick, nextTick(r.lastTick)
		d.rounds.ticks, d.ledger.table.hand = uint(r.ticks), r.hand
	}
	d.docket.opened = max(d.docket.opened, r.opened)
}

// mergeCommon joins what is known of exporters.
func (d *Detector) mergeCommon(c *commonState) {
	d.network.mergeViews(c.views)
	d.network.mergeScalings(c.scalings)
	if c.began != 0 && (d.clock.began == 0 || c.began < d.clock.began) {
		d.clock.began = c.began
	}
	for _, a := range c.exporters {
		if len(d.network.sendsFlags) < maxExportersKnown {
			d.network.sendsFlags[a] = true
		}
	}
}

// restore makes a new source of a state.
func (d *Detector) restore(s *slot, x *sourceState) {
	s.seen, s.oldest = x.seen, x.oldest
	if x.one.marks != 0 {
		s.word, s.one = x.one.word, x.one.marks
		return
	}
	index, acc := d.ledger.accounts.get()
	s.word, s.one, s.bits = uint64(index), 0, s.bits|slotAccount
	acc.since, acc.failed, acc.other = x.since, d.ledger.slab.fill(&x.failed), d.ledger.slab.fill(&x.other)
	if x.suspect != nil {
		d.adopt(acc, index, x.suspect, x.dues)
	}
}

// adopt gives an account a suspect that was read.
func (d *Detector) adopt(acc *account, index uint32, s *suspect, looks []schema.Time) {
	s.account, s.internal = index, d.isInternal(s.addr)
	d.ledger.enlist(acc, s)
	for i, sc := range s.scans {
		d.docket.reopen(sc, looks[i])
	}
	d.docket.adoptClosed(s)
	d.ledger.sketched += s.sketched()
}

// reopen puts a scan among the open ones.
func (d *docket) reopen(sc *scan, look schema.Time) {
	at, _ := slices.BinarySearchFunc(d.open, sc, func(o openScan, sc *scan) int { return compareOpen(o.scan, sc) })
	d.open = slices.Insert(d.open, at, openScan{sc, look})
	d.opened = max(d.opened, sc.nth+1)
}

// joining is two states of a source on their way to be one.
type joining struct {
	d             *Detector
	acc           *account
	now           stamp // of the later of the two latest flows
	limit         uint32
	ahead         int    // which is further on in the lives of its alerts: the one that is there (+1), the other (-1), neither
	theirsCounted bool   // the other has sketches, and in them its contacts
	since         uint32 // of one that had no record; 0: none
}

// mergeSource joins a source of the table with another state of it.
func (d *Detector) mergeSource(s *slot, x *sourceState) {
	newest := max(s.seen, x.seen)
	j := joining{d: d, now: d.units.stamp(schema.Time(newest) * 1e9), limit: d.units.window + d.units.window/sweeps}
	here := d.units.count(time.Duration(newest-s.seen) * time.Second)
	there := d.units.count(time.Duration(newest-x.seen) * time.Second)
	at, other := d.units.stamp(schema.Time(s.seen)*1e9), d.units.stamp(schema.Time(x.seen)*1e9)
	fits := func(c contact) bool { return c.stamp().age(at)+here <= j.limit }
	if s.bits&slotAccount == 0 {
		one := contact{s.word, s.one}
		if x.one.marks != 0 && one.same(x.one) {
			switch {
			case here > j.limit:
				one = x.one
			case there <= j.limit:
				j.contact(&one, x.one)
			}
			s.word, s.one, s.seen = one.word, one.marks, newest
			return
		}
		index, acc := d.ledger.accounts.get()
		j.begin(one, s.seen)
		acc.setOf(one).merge(&d.ledger.slab, one, one.hash())
		s.word, s.one, s.oldest, s.bits = uint64(index), 0, one.stamp(), s.bits|slotAccount
	}
	index := uint32(s.word)
	j.acc = d.ledger.accounts.at(index)
	if here > 0 {
		j.acc.failed.keep(&d.ledger.slab, fits)
		j.acc.other.keep(&d.ledger.slab, fits)
	}
	if x.one.marks != 0 {
		j.begin(x.one, x.seen)
		x.asRecord()
	}
	x.keep(func(c contact) bool { return c.stamp().age(other)+there <= j.limit })
	oldest := max(s.oldest.age(at)+here, x.oldest.age(other)+there)
	if here+there > 0 {
		oldest = min(oldest, j.limit) // what was older is gone
	}
	s.oldest, s.seen = j.now-stamp(oldest), newest
	j.account(index, x)
}

// begin notes when the only contact failed. Retries have moved that: a record that
// began earlier knows better.
func (j *joining) begin(one contact, seen uint32) {
	if one.marks.isProbe() && (j.since == 0 || seen < j.since) {
		j.since = seen
	}
}

// asRecord makes a record of one contact.
func (x *sourceState) asRecord() {
	one := []contact{x.one}
	x.oldest = x.one.stamp()
	if x.one.marks.isProbe() {
		x.failed.contacts = one
	} else {
		x.other.contacts = one
	}
	x.one = contact{}
}

func (x *sourceState) keep(wanted func(contact) bool) {
	unwanted := func(c contact) bool { return !wanted(c) }
	x.failed.contacts = slices.DeleteFunc(x.failed.contacts, unwanted)
	x.other.contacts = slices.DeleteFunc(x.other.contacts, unwanted)
}

// account unites what accounts hold.
func (j *joining) account(index uint32, x *sourceState) {
	d, acc, s := j.d, j.acc, j.d.ledger.suspectOf(j.acc)
	mine, theirs := s != nil && s.hasSketch(), x.suspect != nil && x.suspect.hasSketch()
	j.ahead, j.theirsCounted = ahead(s, x.suspect), theirs
	var held []contact // what sketches of the other do not know
	if theirs && !mine && j.ahead == 0 {
		d.ledger.each(acc, func(c contact) { held = append(held, c) })
	}
	switch {
	case j.ahead < 0:
		acc.since = x.since
	case j.ahead == 0 && (acc.since == 0 || x.since != 0 && x.since < acc.since):
		acc.since = x.since
	}
	switch {
	case s == nil && x.suspect != nil:
		d.adopt(acc, index, x.suspect, x.dues)
	case x.suspect != nil:
		j.suspect(s, x.suspect, x.dues)
	}
	j.contacts(x)
	if acc.since == 0 && acc.failed.n > 0 && ahead(s, nil)|ahead(nil, x.suspect) == 0 {
		acc.since = j.since
	}
	for _, c := range held {
		j.countInSketch(j.known(c), c.hash())
	}
}

// ahead says which suspect is further on in the lives of its alerts, as compare does.
func ahead(a, b *suspect) int {
	turns := func(s *suspect) uint32 {
		if s == nil {
			return 0
		}
		return s.turns
	}
	switch x, y := turns(a), turns(b); {
	case x > y:
		return 1
	case x < y:
		return -1
	}
	return 0
}
