package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// merge joins a part that was read into the state.
func (d *Detector) merge(x *slice) {
	late := x.clock < d.clock.now
	d.clock.now = max(d.clock.now, x.clock)
	d.setTime()
	if x.part == common {
		d.mergeCommon(&x.common)
		return
	}
	d.reserve(x)
	for i := range x.sources {
		of := &x.sources[i]
		if late && d.second-of.seen > d.windowSeconds && (of.suspect == nil || !of.suspect.alerted()) {
			continue // the window has nothing left of it
		}
		if s := d.table.find(of.key); s != nil {
			d.mergeSource(s, of)
		} else {
			d.restore(d.table.add(of.key), of)
		}
	}
	for i := range x.nets {
		if n := d.nets.get(x.nets[i].key); n != nil {
			n.merge(&x.nets[i].net64)
		}
	}
	d.mergeTables(x)
}

// sparse is how many places a source may have in a table that is restored: one that
// has lost more of its sources begins smaller.
const sparse = 16

// reserve gives a segment the places that it had.
func (d *Detector) reserve(x *slice) {
	if x.places == 0 {
		return
	}
	places := 1 << (x.places - 1)
	for places > sparse*max(len(x.sources), firstSegment) {
		places /= 2
	}
	if seg := uint64(x.part); places > len(d.table.segments[seg].slots) && places >= firstSegment {
		d.table.resize(seg, places)
	}
}

func (d *Detector) mergeCommon(c *commonState) {
	if c.lastTick > d.lastTick || c.lastTick == d.lastTick && c.ticks > uint64(d.ticks) {
		d.lastTick, d.nextTick = c.lastTick, nextTick(c.lastTick)
		d.ticks, d.table.hand = uint(c.ticks), c.hand
	}
	d.opened = max(d.opened, c.opened)
	for _, a := range c.exporters {
		if len(d.flags) < maxExportersKnown {
			d.flags[a] = true
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
	index, rec := d.records.get()
	s.word, s.one, s.bits = uint64(index), 0, s.bits|slotRecord
	rec.since, rec.failed, rec.other = x.since, d.slab.fill(&x.failed), d.slab.fill(&x.other)
	if x.suspect != nil {
		d.adopt(rec, index, x.suspect, x.looks)
	}
}

// adopt gives a record a suspect that was read.
func (d *Detector) adopt(rec *record, index uint32, s *suspect, looks []schema.Time) {
	s.record, s.internal = index, d.isInternal(s.addr)
	d.enlist(rec, s)
	for i, sc := range s.scans {
		d.reopen(sc, looks[i])
	}
	d.adoptPast(s)
	d.sketched += s.sketched()
}

// reopen puts a scan among the open ones.
func (d *Detector) reopen(sc *scan, look schema.Time) {
	at, _ := slices.BinarySearchFunc(d.open, sc, func(o openScan, sc *scan) int { return compareOpen(o.scan, sc) })
	d.open = slices.Insert(d.open, at, openScan{sc, look})
	d.opened = max(d.opened, sc.nth+1)
}

// joining is two states of a source on their way to be one.
type joining struct {
	d     *Detector
	rec   *record
	now   stamp // of the later of the two latest flows
	limit uint32
	ahead int    // which has closed more alerts: the one that is there (+1), the other (-1), neither
	told  bool   // the other has sketches, and in them its contacts
	since uint32 // of one that had no record; 0: none
}

// mergeSource joins a source of the table with another state of it.
func (d *Detector) mergeSource(s *slot, x *sourceState) {
	newest := max(s.seen, x.seen)
	j := joining{d: d, now: d.units.stamp(schema.Time(newest) * 1e9), limit: d.units.window + d.units.window/sweeps}
	here := d.units.count(time.Duration(newest-s.seen) * time.Second)
	there := d.units.count(time.Duration(newest-x.seen) * time.Second)
	at, other := d.units.stamp(schema.Time(s.seen)*1e9), d.units.stamp(schema.Time(x.seen)*1e9)
	fits := func(c contact) bool { return c.stamp().age(at)+here <= j.limit }
	if s.bits&slotRecord == 0 {
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
		index, rec := d.records.get()
		j.begin(one, s.seen)
		rec.setOf(one).merge(&d.slab, one, one.hash())
		s.word, s.one, s.oldest, s.bits = uint64(index), 0, one.stamp(), s.bits|slotRecord
	}
	index := uint32(s.word)
	j.rec = d.records.at(index)
	if here > 0 {
		j.rec.failed.keep(&d.slab, fits)
		j.rec.other.keep(&d.slab, fits)
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
	j.record(index, x)
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

// record unites what records hold.
func (j *joining) record(index uint32, x *sourceState) {
	d, rec, s := j.d, j.rec, j.d.suspectOf(j.rec)
	mine, theirs := s != nil && s.hasSketch(), x.suspect != nil && x.suspect.hasSketch()
	j.ahead, j.told = ahead(s, x.suspect), theirs
	var held []contact // what sketches of the other do not know
	if theirs && !mine && j.ahead == 0 {
		d.each(rec, func(c contact) { held = append(held, c) })
	}
	switch {
	case j.ahead < 0:
		rec.since = x.since
	case j.ahead == 0 && (rec.since == 0 || x.since != 0 && x.since < rec.since):
		rec.since = x.since
	}
	switch {
	case s == nil && x.suspect != nil:
		d.adopt(rec, index, x.suspect, x.looks)
	case x.suspect != nil:
		j.suspect(s, x.suspect, x.looks)
	}
	j.contacts(x)
	if rec.since == 0 && rec.failed.n > 0 && ahead(s, nil)|ahead(nil, x.suspect) == 0 {
		rec.since = j.since
	}
	for _, c := range held {
		j.tell(j.known(c), c.hash())
	}
}

// ahead says which suspect has closed more alerts, as compare does.
func ahead(a, b *suspect) int {
	closed := func(s *suspect) uint32 {
		if s == nil {
			return 0
		}
		return s.closed
	}
	switch x, y := closed(a), closed(b); {
	case x > y:
		return 1
	case x < y:
		return -1
	}
	return 0
}
