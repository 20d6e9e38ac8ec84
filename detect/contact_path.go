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
	scaled   bool       // its exporter has scaled its packets
}

// count adds the flow's contact to its source, and to the source's /64. A guard may
// make it one that did not fail.
func (d *Detector) count(f *schema.Flow, at *lookup, t schema.Time, o outcome, offset int64) {
	if g := d.network.guardContact(f, at, t, o); g != guardNone {
		d.stats.Silenced[g]++
		if o.isProbe() {
			o = touched
		}
	}
	c, key := at.c, at.key
	c.marks |= marksOf(o)
	c.setStamp(d.units.stamp(t))
	if c.marks&markAnswered != 0 || c.marks&outcomeMarks == markReached {
		d.network.outages.serve(at.hash, d.second)
		d.network.noteResponder(f.Dst.Addr, c)
	} else if c.marks.isProbe() {
		d.network.outages.fail(at.hash, keyOf(f.Src.Addr), d.second)
	}
	if d.network.isStranger(f, c) {
		d.network.visits.come(at.hash, keyOf(f.Src.Addr), d.second)
	}
	var g sighting // filled by field: to copy what was just written waits for it
	g.f, g.t, g.o, g.offset = f, t, o, offset
	g.source, g.eligible, g.scaled = f.Src.Addr, true, d.network.learnScaling(f)
	switch d.add(d.ledger.table.again(at), key, c, at.hash, &g) {
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
	if c.marks&markAnswered != 0 && f.Exporter.Sampling <= 1 && len(d.network.scalings) > 0 {
		d.sessionOfSampled(key, c, &g)
	}
}

// add puts a contact into the state of the source with this key; s is its slot, nil if it has
// none yet.
func (d *Detector) add(s *slot, key uint64, c contact, hash uint64, g *sighting) placement {
	if d.ledger.awaits(key) {
		return placed // in the slice that is awaited
	}
	second := uint32(g.t.Seconds())
	if s == nil {
		s, how := d.ledger.admit(key, c)
		if how == placed {
			s.word, s.one, s.seen = c.word, c.marks, second
			d.ledger.beginnings.leave(key)
			d.ledger.begin(key, c, g)
		}
		return how
	}
	if s.bits&slotAccount == 0 && !d.ledger.promote(s, c, g) {
		d.ledger.begin(key, c, g)
		return placed
	}
	index := uint32(s.word)
	acc := d.ledger.accounts.at(index)
	if over := d.outlived(s); over > d.units.window/sweeps || over > 0 && c.marks.isProbe() && d.ledger.forgot(acc, c, hash) {
		d.ledger.purge(s, acc, d.unseen(s))
		c = d.ledger.recheckGood(g, key, c, hash)
	}
	s.seen = max(s.seen, second)
	if c.stamp().age(d.now) > s.oldest.age(d.now) {
		s.oldest = c.stamp()
	}
	n := d.ledger.update(acc, c, hash)
	if n.known && !n.fresh {
		d.ledger.repeated(g, c, n.c)
	}
	if n.fresh && acc.since == 0 {
		acc.since = second
	}
	if acc.suspect != 0 || int(acc.failed.n) >= min(suspicious, d.thresholds.smallest) || int(acc.other.n) >= fanOutFrom && n.fansOut() {
		d.examine(g, acc, index, &n)
	} else {
		d.ledger.begin(key, c, g)
	}
	return placed
}

// repeated counts a failed flow to a target that the source knows, and for which it
// therefore counts nothing. What a sampled set does not hold is not known.
func (l *ledger) repeated(g *sighting, c, known contact) {
	switch {
	case !c.marks.isProbe() || g.source != g.f.Src.Addr:
	case known.marks&(markAnswered|markReached) != 0:
		l.stats.Silenced[guardGoodBefore]++
	case known.marks.isProbe():
		l.stats.Silenced[guardSameTarget]++
	}
}

// examine keeps the evidence of a source that has some, tells its open scans,
// and judges what is new.
func (d *Detector) examine(g *sighting, acc *account, index uint32, n *change) {
	s := d.ledger.suspectOf(acc)
	if s == nil {
		s = d.ledger.suspect(acc, index, g.source)
		s.net, s.sampled = g.net, g.f.Exporter.Sampling > 1
		d.ledger.recall(acc, s, n.c, g)
		n.turned = false // that has counted it
	}
	track := n.c.marks.class().track()
	if g.counts() {
		s.evidence[track].add(g)
	}
	if n.turned {
		s.evidence[track].turned(g.offset)
	}
	if g.counts() || n.probed {
		s.name(g.f.Dst.Addr)
	}
	covered := (len(s.scans) > 0 || len(s.closedScans) > 0) && d.notifyScans(g, acc, s, n)
	if n.c.marks.isProbe() && track == trackPorts {
		s.credits.spend(n.c)
	}
	if k := s.sketch[track]; k != nil && g.o&probes != 0 && n.c.marks.isStrong() {
		k.fail(n.c, g.t)
	}
	if !g.eligible || covered {
		return
	}
	if n.fansOut() {
		if x, ok := d.judge.fannedOut(acc, s, n.c, g.t); ok {
			d.cross(acc, s, x, g.t)
		}
		return
	}
	if n.fresh && track == trackPorts {
		s.notBefore.fresh += acc.failed.weight()
	}
	if !n.fresh || int(acc.failed.n) < d.thresholds.smallest {
		return
	}
	for _, fam := range rulesOf[track] {
		if d.judge.hasCredit(acc, s, fam, n.c) {
			continue
		}
		if x, ok := d.judge.ask(acc, s, fam, n.c); ok {
			d.cross(acc, s, x, g.t)
			return
		}
		d.judge.grant(acc, s, fam, n.c)
	}
	if x, ok := d.judge.sensitive(acc, s, n.c); ok {
		d.cross(acc, s, x, g.t)
	}
}

// update remembers the contact c of an account.
func (l *ledger) update(acc *account, c contact, hash uint64) change {
	b := &l.slab
	if at := acc.failed.find(b, c, hash); at >= 0 {
		if l.remembers(acc.failed.at(b, at)) {
			return l.updateFailed(acc, at, c)
		}
		acc.failed.remove(b, at)
	}
	if at := acc.other.find(b, c, hash); at >= 0 {
		if known := acc.other.at(b, at); l.remembers(known) {
			talked, turned := known.marks&markAnswered != 0, known.isTurned()
			known.merge(c, l.now, l.recountAfter)
			if !known.marks.isProbe() {
				acc.other.change(b, at, known)
				return change{c: known, known: true, talked: talked, turned: !turned && known.isTurned()}
			}
			c = known
		}
		acc.other.remove(b, at)
	}
	if !c.marks.isProbe() {
		acc.other.add(b, c, hash, l.now, l.units.window)
		l.countInSketch(acc, c, hash)
		return change{c: c}
	}
	if acc.failed.n == maxContacts {
		l.spill(acc)
	}
	acc.failed.add(b, c, hash, l.now, l.units.window)
	l.countInSketch(acc, c, hash)
	return change{c: c, fresh: acc.failed.sampled(hash)}
}

// change is what a flow changed of its contact.
type change struct {
	c      contact
	fresh  bool // it counts as a failed target that did not count before
	probed bool // it had been probed before and has answered now
	known  bool // it had been contacted before
	talked bool // it had answered before
	turned bool // it has failed and held a session, and had not done both before
}

// cross handles a contact that made a rule fire: it belongs to an open scan, or opens one.
func (d *Detector) cross(acc *account, s *suspect, x crossing, at schema.Time) {
	t := x.contact.marks.class().track()
	open := s.open(t)
	for _, sc := range open {
		// After a pause, other hosts or ports are another scan.
		if sc.crossing.rule == x.rule && (sc.scope.has(x.contact) || d.clock.now.Sub(sc.heard) < settleAfter) {
			known := sc.scope.has(x.contact)
			d.ledger.join(sc, &x, at)
			if !known {
				d.docket.newKey(sc, &x)
			}
			return
		}
	}
	if len(open) > 0 {
		if x.rule == block || d.judge.shapeOf(acc, s, t).kind() == schema.Block {
			d.widen(open, &x, at)
			return
		}
		for _, sc := range open {
			if d.ledger.overlap(acc, &key{rule: x.rule, contact: x.contact}, sc) >= 0.5 {
				d.ledger.join(sc, &x, at)
				return
			}
		}
	}
	if d.resume(acc, s, &x, at) {
		return
	}
	sc := &scan{
		suspect: s, track: t, crossing: x, id: d.docket.id(s, t, x.rule),
		first: at, last: at, heard: d.clock.now, nth: d.docket.opened,
	}
	d.docket.opened++
	d.ledger.join(sc, &x, at)
	if x.fanOut {
		d.ledger.keepLife(sc) // of what did not fail a set may be a sample, and nothing counts beside it
	}
	s.scans = append(s.scans, sc)
	d.docket.open = append(d.docket.open, openScan{sc, at.Add(settleAfter)})
	d.stats.Opened++
	d.docket.say(sc, schema.Open, reasonCrossed(&x))
}
