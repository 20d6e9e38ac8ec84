package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/schema"
)

// An alert's numbers are of its whole life, from first_seen to last_seen; what lies
// within the window stands beside them. Until the window loses something of a scan both
// are the same. Before that happens, and when a scan closes whose set is a sample, the
// scan gets sketches of its own, in which nothing is ever forgotten.

// lifeAhead is how long before the window can lose anything a scan begins to count by
// itself: open scans are looked at every few minutes.
const lifeAhead = time.Hour

// lifeWindow sees every pane: in the sketches of a life all is of one.
var lifeWindow = sliding.Window{Panes: sliding.AllPanes}

// isTarget reports whether a contact is among the targets that an alert counts: of all
// of a track not those that are sessions.
func (s *scope) isTarget(c contact) bool {
	return c.marks&markAnswered == 0 || !s.all
}

// keepLife makes a scan count by itself what it has touched so far and touches later:
// with a footprint while that tells all, else with sketches.
func (l *ledger) keepLife(sc *scan) {
	if sc.life != nil || sc.printTells() && !sc.sharesFootprint() {
		return
	}
	m := l.gather(sc)
	l.byTime(m.contacts)
	if sc.footprint == nil {
		sc.footprint = l.newFootprint(sc.suspect, m.contacts)
		sc.footprint.partial = m.weight > 1
		l.sketched += sc.footprint.bytes()
		if sc.printTells() && !sc.sharesFootprint() {
			return
		}
	}
	if k := sc.suspect.sketch[sc.track]; k != nil && (sc.scope.all || m.outside == 0) && k.mode != sketchNone {
		sc.life = k.whole()
	} else {
		sc.beginLife(m.contacts)
	}
	l.sketched += sc.life.bytes()
}

// beginLife makes a scan count by itself, beginning with contacts.
func (sc *scan) beginLife(contacts []contact) {
	sc.life = new(sketches)
	for _, c := range contacts {
		sc.live(c)
	}
}

// outgrow begins to count by itself what its footprint has told alone so far, when c is
// the contact after which it does not.
func (l *ledger) outgrow(sc *scan, c contact) {
	if f := sc.footprint; sc.life == nil && sc.printTells() && f.endsAt(c) {
		sc.beginLife(f.pairs())
		l.sketched += sc.life.bytes()
	}
}

// endsAt reports whether a footprint that has every pair has not when c is added.
func (f *footprint) endsAt(c contact) bool {
	oneHost, onePort := !f.many && len(f.first) > 0, f.heldPorts() <= 1
	sameHost := oneHost && c.addr() == f.first[0]
	samePort := slices.ContainsFunc(f.ports, func(p portMap) bool { return p.class == c.marks.class() && p.numbers.Has(c.port()) })
	switch {
	case sameHost:
		return false
	case !f.v4, !onePort, !samePort && c.marks.class().track() != trackEchoes:
		return true
	}
	return f.fineOf(c.addr()) < 0 && len(f.fine) == maxFine
}

// pairs are all that a footprint has which tells of one host, or of one port.
func (f *footprint) pairs() (all []contact) {
	for _, p := range f.ports {
		marks := marks(p.class+1)<<classShift | markStrong
		for port := range p.numbers.Each {
			if !f.many {
				all = append(all, contact{uint64(f.first[0])<<32 | uint64(port)<<16, marks})
				continue
			}
			for _, m := range f.fine {
				for host := range m.numbers.Each {
					all = append(all, contact{uint64(m.base<<16|uint32(host))<<32 | uint64(port)<<16, marks})
				}
			}
		}
	}
	return all
}

// printTells reports whether the footprint has every pair.
func (sc *scan) printTells() bool {
	if sc.footprint == nil {
		return false
	}
	_, _, pairs := sc.footprint.counts(sc.footprint.since)
	return pairs.Exact
}

// whole is a copy of what sketches count that forgets nothing.
func (s *sketches) whole() *sketches {
	return &sketches{
		pairs: s.pairs.Clone(), hosts: s.hosts.Clone(), ports: s.ports.Clone(),
		oneHost: s.oneHost, onePort: s.onePort, mode: s.mode,
	}
}

// live counts a contact that the scan covers.
func (sc *scan) live(c contact) {
	if sc.life == nil || !sc.scope.isTarget(c) {
		return
	}
	if sc.life.mode == sketchNone {
		sc.life.begin(1, 1, c)
	}
	sc.life.addIn(c, c.hash(), 0, &lifeWindow)
}

// wholeLife replaces the numbers of the window by those of the life.
func (m *measured) wholeLife(sc *scan) {
	n := &m.scale
	n.InWindow = schema.InWindow{Hosts: n.Hosts, Ports: n.Ports, Pairs: n.Pairs}
	if sc.footprint == nil {
		return
	}
	hosts, ports, pairs := sc.footprint.counts(sc.footprint.since)
	or := func(exact schema.Count, of func(*sketches) *sliding.Distinct, window schema.Count) schema.Count {
		if exact.Exact {
			return exact
		}
		if sc.life != nil {
			if c := countOf(of(sc.life), &lifeWindow); c.Count >= window.Count {
				return c
			}
		}
		return window
	}
	n.Hosts = or(hosts, func(s *sketches) *sliding.Distinct { return &s.hosts }, n.Hosts)
	n.Pairs = or(pairs, (*sketches).counted, n.Pairs)
	if sc.track == trackPorts {
		n.Ports = or(ports, func(s *sketches) *sliding.Distinct { return &s.ports }, n.Ports)
	}
	n.Pairs.Count = max(n.Pairs.Count, n.Hosts.Count, n.Ports.Count)
	m.shape.pairs, m.shape.hosts, m.shape.ports = n.Pairs.Count, n.Hosts.Count, n.Ports.Count
}
