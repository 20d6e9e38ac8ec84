package detect

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// The bytes of a suspect (in the words of slice.go):
//
//	suspect   addr closed:u list(pane of the last id:u) fresh mixed counted block:u (host:4 since:u n:u)*2 (port:4 since:u n:u)*2 (2)
//	          list(name:addr)
//	          flags:1 (0 net, 1-3 evidence, 4-6 sketches by track, 7 sampled)
//	          by track: [evidence] [sketches]; list(scan due:s) list(closed scan)

// maxScans is more than a source can have open: one for each rule and track.
const maxScans = 16

// wire writes or reads what is held beside an account. When scans are looked at
// next stands beside them, in dues. Credits are not written: they are bounds, so
// without them the rules are asked again, in vain.
func (s *suspect) wire(w *wire.Wire, dues *[]schema.Time) {
	w.Addr(&s.addr)
	w.Check(s.addr.IsValid(), "a source without an address")
	wire.Num(w, &s.turns)
	if w.Has(2) {
		s.wireIDPanes(w)
		s.notBefore.wire(w)
		s.fanOut.wire(w)
	}
	s.wireNames(w)
	var evidences, sketched [trackCount]bool
	for t := range trackCount {
		evidences[t] = s.evidence[t].flows > 0
		sketched[t] = s.sketch[t] != nil
	}
	w.Bits(&s.net, &evidences[0], &evidences[1], &evidences[2], &sketched[0], &sketched[1], &sketched[2], &s.sampled)
	for t := range trackCount {
		if evidences[t] {
			s.evidence[t].wire(w)
		}
		if sketched[t] {
			if w.Reading() {
				s.sketch[t] = new(sketches)
			}
			s.sketch[t].wire(w, s.isV4())
		}
	}
	n := len(s.scans)
	w.Count(&n, 40, maxScans)
	if w.Reading() {
		s.scans, *dues = make([]*scan, n), make([]schema.Time, n)
	}
	for i := range n {
		if w.Reading() {
			s.scans[i] = &scan{suspect: s}
		}
		s.scans[i].wire(w)
		wire.Signed(w, &(*dues)[i])
	}
	s.wireClosed(w)
}

// wire: when the rules about a whole track are asked again is a guess, not a bound: what is
// no block may hold one within an hour of it. So a detector that goes on must make the same.
func (n *notBefore) wire(w *wire.Wire) {
	wire.Num(w, &n.fresh)
	wire.Num(w, &n.mixed)
	wire.Num(w, &n.counted)
	wire.Num(w, &n.block)
}

// wire: what a source reached lately is in the sets, but not what of it was new.
func (f *fanOut) wire(w *wire.Wire) {
	for _, of := range [...]*[2]fanned{&f.hosts, &f.ports} {
		for i := range of {
			w.U32(&of[i].key)
			wire.Num(w, &of[i].since)
			wire.Num(w, &of[i].n)
		}
	}
}

// wireIDPanes: a later program may know more rules.
func (s *suspect) wireIDPanes(w *wire.Wire) {
	panes := s.idPanes[:]
	wire.List(w, &panes, 1, 16, func(pane *uint32) { wire.Num(w, pane) })
	copy(s.idPanes[:], panes)
}

// wireNames: names are written in the order of the addresses.
func (s *suspect) wireNames(w *wire.Wire) {
	names := make([]netip.Addr, 0, len(s.names))
	for _, a := range s.names {
		names = append(names, a)
	}
	slices.SortFunc(names, netip.Addr.Compare)
	wire.List(w, &names, 2, maxNames, func(a *netip.Addr) {
		w.Addr(a)
		w.Check(a.IsValid(), "a target without an address")
	})
	if !w.Reading() || len(names) == 0 || w.Err() != nil {
		return
	}
	s.names = map[uint32]netip.Addr{}
	for _, a := range names {
		s.names[short(a)] = a
	}
}

// suspect joins what is held of a source beside its record. o is used up.
func (j *joining) suspect(s, o *suspect, dues []schema.Time) {
	d := j.d
	before := s.sketched()
	w := sliding.Window{Now: paneOf(j.now), Panes: d.panes.Panes}
	var later [trackCount]bool // o is further on
	for t := range trackCount {
		later[t] = j.ahead < 0 || j.ahead == 0 && o.evidence[t].compare(&s.evidence[t]) > 0
	}
	scans := j.scans(s, o, dues, later)
	for t := range trackCount {
		mine, theirs := s.sketch[t], o.sketch[t]
		switch {
		case j.ahead < 0:
			s.sketch[t] = theirs
		case j.ahead > 0 || theirs == nil:
		case mine == nil:
			s.sketch[t] = theirs
		default:
			if mine.footprint != nil && theirs.footprint != nil {
				mine.mergePrints(theirs, later[t])
			}
			mine.merge(theirs, &w)
		}
		if later[t] {
			s.evidence[t] = o.evidence[t]
		}
	}
	for _, a := range o.names {
		s.name(a)
	}
	s.turns = max(s.turns, o.turns)
	for i, pane := range o.idPanes {
		s.idPanes[i] = max(s.idPanes[i], pane)
	}
	alike := j.ahead == 0 && o.evidence[trackPorts].compare(&s.evidence[trackPorts]) == 0
	if later[trackPorts] || alike && o.notBefore.fresh < s.notBefore.fresh { // the later one has purged
		s.notBefore = o.notBefore
	}
	for i := range s.fanOut.hosts {
		s.fanOut.hosts[i].merge(o.fanOut.hosts[i])
		s.fanOut.ports[i].merge(o.fanOut.ports[i])
	}
	s.credits = credits{}
	j.open(s, scans)
	j.closedScans(s, o)
	d.ledger.sketched += s.sketched() - before
}

// merge: of two keys, or two counts, that which is further on stays.
func (f *fanned) merge(o fanned) {
	if cmp.Or(cmp.Compare(o.since, f.since), cmp.Compare(o.n, f.n), cmp.Compare(o.key, f.key)) > 0 {
		*f = o
	}
}
