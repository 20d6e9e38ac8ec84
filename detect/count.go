package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// sighting is a flow on its way into the state of a source.
type sighting struct {
	f        *schema.Flow
	t        schema.Time
	o        outcome
	offset   int64
	source   netip.Addr // whose state: the flow's source, or its /64
	net      bool       // it is the /64
	eligible bool       // rules may fire
}

// count adds the flow's contact to its source, and to the source's /64. A guard may
// make it one that did not fail.
func (d *Detector) count(f *schema.Flow, at *lookup, t schema.Time, o outcome, offset int64) {
	if g := d.spare(f, at, t, o); g != guardNone {
		d.stats.Silenced[g]++
		if o.isProbe() {
			o = touched
		}
	}
	c, key := at.c, at.key
	c.marks |= marksOf(o)
	c.setStamp(d.units.stamp(t))
	if c.marks&markAnswered != 0 {
		d.targets.serve(at.hash, d.second)
		d.noteAnswer(f.Dst.Addr, c)
	} else if c.marks.isProbe() {
		d.targets.fail(at.hash, key, d.second)
	}
	g := sighting{f: f, t: t, o: o, offset: offset, source: f.Src.Addr, eligible: true}
	switch d.place(key, c, at.hash, &g) {
	case placed:
		d.stats.Counted++
	case waiting:
		d.stats.Waiting++
	case noRoom:
		d.stats.NoRoom++
	}
	if key&keyV6 != 0 {
		d.countNet(key, c, at.hash, &g)
	}
}

// place adds a contact to the state of one source.
func (d *Detector) place(key uint64, c contact, hash uint64, g *sighting) placing {
	s := d.table.find(key)
	second := uint32(g.t.Seconds())
	if s == nil {
		s, how := d.admit(key, c)
		if how == placed {
			s.word, s.one, s.seen = c.word, c.marks, second
		}
		return how
	}
	if s.bits&slotRecord == 0 && !d.promote(s, c, g) {
		return placed
	}
	index := uint32(s.word)
	rec := d.records.at(index)
	quiet := d.unseen(s)
	if d.outlived(s, quiet, d.units.window/sweeps) || c.marks.isProbe() && d.outlived(s, quiet, 0) && d.forgot(rec, c, hash) {
		d.purge(s, rec, quiet)
		c = d.spareGood(g, key, c, hash)
	}
	s.seen = max(s.seen, second)
	if c.stamp().age(d.now) > s.oldest.age(d.now) {
		s.oldest = c.stamp()
	}
	n := d.observe(rec, c, hash)
	if n.known && !n.fresh {
		d.repeated(g, c, n.c)
	}
	if n.fresh && rec.since == 0 {
		rec.since = second
	}
	if rec.suspect != 0 || int(rec.failed.n) >= min(suspicious, d.rules.smallest) {
		d.examine(g, rec, index, &n)
	}
	return placed
}

// promote gives a source whose one contact lies in its slot a record, unless c
// is that contact again or all that is left of the window.
func (d *Detector) promote(s *slot, c contact, g *sighting) bool {
	one := contact{s.word, s.one}
	second := uint32(g.t.Seconds())
	switch {
	case one.stamp().age(d.units.stamp(schema.Time(s.seen)*1e9))+d.unseen(s) > d.units.window:
		s.word, s.one, s.seen = c.word, c.marks, second
		return false
	case one.same(c):
		d.repeated(g, c, one)
		one.merge(c, d.now, d.retold)
		s.word, s.one, s.seen = one.word, one.marks, max(s.seen, second)
		return false
	}
	index, rec := d.records.get()
	s.oldest = one.stamp()
	if n := d.observe(rec, one, one.hash()); n.fresh {
		rec.since = s.seen
	}
	s.word, s.one = uint64(index), 0
	s.bits |= slotRecord
	return true
}

// repeated counts a failed flow to a target that the source knows, and for which it
// therefore counts nothing. What a sampled set does not hold is not known.
func (d *Detector) repeated(g *sighting, c, known contact) {
	switch {
	case !c.marks.isProbe() || g.source != g.f.Src.Addr:
	case known.marks&markAnswered != 0:
		d.stats.Silenced[guardGood]++
	case known.marks.isProbe():
		d.stats.Silenced[guardRepeat]++
	}
}

// examine keeps the evidence of a source that has some, tells its open scans,
// and judges what is new.
func (d *Detector) examine(g *sighting, rec *record, index uint32, n *note) {
	s := d.suspectOf(rec)
	if s == nil {
		s = d.suspect(rec, index, g.source)
		s.net = g.net
		d.recall(rec, s, n.c, g)
	}
	track := n.c.marks.class().track()
	if g.o.isProbe() || g.o&touched != 0 || n.probed {
		s.evidence[track].add(g.f, g.t, g.o, g.offset)
		s.name(g.f.Dst.Addr)
	}
	covered := (len(s.scans) > 0 || len(s.past) > 0) && d.hear(g, rec, s, n)
	if n.c.marks.isProbe() && track == trackPorts {
		s.credits.spend(n.c)
	}
	if k := s.sketch[track]; k != nil && g.o&probes != 0 && n.c.marks.isStrong() {
		k.fail(n.c, g.t)
	}
	if !g.eligible || !n.fresh || int(rec.failed.n) < d.rules.smallest || covered {
		return
	}
	for _, fam := range families[track] {
		if d.hasCredit(rec, s, fam, n.c) {
			continue
		}
		if x, ok := d.judge(rec, s, fam, n.c); ok {
			d.cross(rec, s, x, g.t)
			return
		}
		d.grant(rec, s, fam, n.c)
	}
}
