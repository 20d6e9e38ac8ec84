package detect

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// A scanner that comes back within the window, to the hosts or the ports that it was at,
// is the same scanner: its alert goes on with the next revision and the totals of all
// that it did. Twelve bursts in a night are one alert.

// resume goes on with the closed scan that a crossing is about; false if there is none.
func (d *Detector) resume(acc *account, s *suspect, x *crossing, at schema.Time) bool {
	for i, p := range slices.Backward(s.closedScans) {
		if p.scan == nil || !d.ledger.within(p) || !p.isAbout(x) {
			continue
		}
		sc := p.scan
		d.ledger.sketched -= min(p.bytes(), d.ledger.sketched)
		s.closedScans = slices.Delete(s.closedScans, i, i+1)
		d.docket.reopened = slices.DeleteFunc(d.docket.reopened, func(o *closedScan) bool { return o == p })
		sc.revision, sc.sessions, sc.said.severity = p.alert.Revision, p.alert.Answered, p.alert.Severity
		sc.last, sc.heard, sc.nth = max(sc.last, at), d.clock.now, d.docket.opened
		s.evidence[sc.track].join(&p.evidence)
		d.ledger.takeBack(sc, &p.kept)
		d.ledger.unreport(acc, sc, p.last)
		d.ledger.sketched += sc.life.bytes() + sc.footprint.bytes() + p.kept.bytes()
		if !sc.scope.has(x.contact) || sc.scope.all {
			d.ledger.join(sc, x, at)
		}
		d.ledger.catchUp(sc)
		s.scans = append(s.scans, sc)
		d.docket.open = append(d.docket.open, openScan{sc, at.Add(settleAfter)})
		d.docket.opened++
		s.turns++
		d.stats.Reopened++
		d.docket.say(sc, schema.Update, reasonBack+": "+reasonCrossed(x))
		return true
	}
	return false
}

// reasonBack begins the reason of a revision with which a closed alert goes on.
const reasonBack = "came back"

// isAbout reports whether a crossing is about the same hosts or ports as the scan.
func (p *closedScan) isAbout(x *crossing) bool {
	c := x.contact
	if c.marks.class().track() != p.scan.track {
		return false
	}
	switch {
	case p.scope.all && p.scan.footprint != nil:
		return p.scan.footprint.knows(c)
	case p.scope.all:
		_, host := p.probed.anyHost(c.addr())
		return host
	case x.rule == vertical || x.rule == protocols:
		return slices.Contains(p.scope.hosts, c.addr())
	case x.rule == horizontal || x.rule == sweep:
		return slices.Contains(p.scope.ports, c.portKey())
	}
	return false
}

// anyHost reports whether the host is among those that were probed.
func (p *probedHosts) anyHost(host uint32) (schema.Time, bool) { return p.probedAt(host, 0) }

// knows reports whether the host, or the port, of a contact was touched.
func (f *footprint) knows(c contact) bool {
	if is, sure := f.holds(c.addr()); f.v4 && (is || !sure) {
		return true
	}
	for i := range f.ports {
		if f.ports[i].class == c.marks.class() && f.ports[i].numbers.Has(c.port()) {
			return true
		}
	}
	return false
}

// unreport makes the contacts that a scan had until a time count for it again, now that
// it goes on. What is of other times other alerts have reported.
func (l *ledger) unreport(acc *account, sc *scan, to schema.Time) {
	first, last := l.units.stamp(sc.first), l.units.stamp(to)
	for _, set := range []*set{&acc.failed, &acc.other} {
		for at, c := range set.all(&l.slab) {
			if c.marks&markReported != 0 && sc.covers(c) && !first.after(c.stamp(), l.now) && !c.stamp().after(last, l.now) {
				c.marks &^= markReported
				set.change(&l.slab, at, c)
			}
		}
	}
}

// catchUp lets a scan that counts by itself count what was touched while it was closed.
func (l *ledger) catchUp(sc *scan) {
	if sc.life == nil && sc.footprint == nil {
		return
	}
	m := l.gather(sc)
	l.byTime(m.contacts)
	for _, c := range m.contacts {
		sc.live(c)
		sc.trace(c)
	}
}

// join adds what a scan's flows added up to before it closed.
func (e *evidence) join(o *evidence) {
	if o.flows == 0 {
		return
	}
	if e.flows == 0 {
		*e = *o
		e.exporters = slices.Clone(o.exporters)
		return
	}
	e.flows += o.flows
	e.packets += o.packets
	e.bytes += o.bytes
	e.scaled += o.scaled
	e.first, e.firstOffset = min(e.first, o.first), min(e.firstOffset, o.firstOffset)
	e.last, e.lastOffset = max(e.last, o.last), max(e.lastOffset, o.lastOffset)
	for i := range e.outcomes {
		e.outcomes[i] += o.outcomes[i]
	}
	for i := range e.oriented {
		e.oriented[i] += o.oriented[i]
	}
	e.flags.join(&o.flags)
	e.pace.peak = max(e.pace.peak, o.pace.peak)
	e.ports.join(&o.ports)
	for _, by := range o.exporters {
		e.reported(by)
	}
	e.sampling = max(e.sampling, o.sampling)
}

// join adds the flows of another count; what finds no place is other.
func (n *flagCounts) join(o *flagCounts) {
	for i, flows := range o.flows {
		at := len(n.flags)
		if i < len(o.flags) {
			at = n.placeOf(o.flags[i])
		}
		if flows > 0 {
			if at < len(n.flags) {
				n.flags[at] = o.flags[i]
			}
			n.flows[at] += flows
		}
	}
}

// join adds the counts of the ports that both know.
func (s *sourcePorts) join(o *sourcePorts) {
	s.flows += o.flows
	for _, theirs := range o.top {
		if theirs.count == 0 {
			continue
		}
		at := slices.IndexFunc(s.top[:], func(mine sourcePort) bool { return mine.count > 0 && mine.port == theirs.port })
		if at < 0 {
			at = slices.IndexFunc(s.top[:], func(mine sourcePort) bool { return mine.count == 0 })
		}
		if at >= 0 {
			s.top[at] = sourcePort{theirs.port, s.top[at].count + theirs.count}
		}
	}
}
