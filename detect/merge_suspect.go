package detect

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// suspect joins what is held of a source beside its record. o is used up.
func (j *joining) suspect(s, o *suspect, looks []schema.Time) {
	d := j.d
	before := s.sketched()
	w := paneWindow{now: paneOf(j.now), window: d.panes.window}
	var later [trackCount]bool // o is further on
	for t := range trackCount {
		later[t] = j.ahead < 0 || j.ahead == 0 && o.evidence[t].compare(&s.evidence[t]) > 0
	}
	scans := j.scans(s, o, looks, later)
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
	s.closed = max(s.closed, o.closed)
	s.credits, s.blockAt = credits{}, [trackCount]int{}
	j.open(s, scans)
	j.past(s, o)
	d.sketched += s.sketched() - before
}

// compare orders what is known of a track by how far it goes, and then in any way
// that does not depend on which is asked.
func (e *evidence) compare(o *evidence) int {
	further := cmp.Or(cmp.Compare(e.lastOffset, o.lastOffset), cmp.Compare(e.last, o.last), cmp.Compare(e.flows, o.flows))
	if further != 0 || e.flows == 0 {
		return further
	}
	var a, b wire
	a.evidence(e)
	b.evidence(o)
	return bytes.Compare(a.b, b.b)
}

// looked is a scan, whether its footprint is the track's, and when it is due.
type looked struct {
	*scan
	shared bool
	look   schema.Time
}

// scans unites the open scans of both, by id. What one state does not have that has
// closed more alerts was closed.
func (j *joining) scans(s, o *suspect, looks []schema.Time, later [trackCount]bool) (united []looked) {
	for _, sc := range s.scans {
		at, _ := slices.BinarySearchFunc(j.d.open, sc, func(o openScan, sc *scan) int { return compareOpen(o.scan, sc) })
		united = append(united, looked{sc, sc.sharesFootprint(), j.d.open[at].look})
	}
	if j.ahead < 0 {
		united = slices.DeleteFunc(united, func(l looked) bool {
			return !slices.ContainsFunc(o.scans, func(sc *scan) bool { return sc.id == l.id })
		})
	}
	for i, sc := range o.scans {
		theirs := looked{sc, sc.sharesFootprint(), looks[i]}
		at := slices.IndexFunc(united, func(l looked) bool { return l.id == sc.id })
		switch {
		case at >= 0:
			united[at] = united[at].merge(theirs, later[sc.track])
		case j.ahead <= 0:
			united = append(united, theirs)
		}
	}
	return united
}

// merge joins two states of one scan: the one with more revisions stays, and else the
// one that is further on, with the lists of both.
func (l looked) merge(o looked, later bool) looked {
	if further := o.compare(l); further > 0 || further == 0 && later {
		l, o = o, l
	}
	l.first, l.last, l.slow = min(l.first, o.first), max(l.last, o.last), l.slow || o.slow
	for _, e := range o.sessions {
		if len(l.sessions) < maxKnown && !slices.Contains(l.sessions, e) {
			l.sessions = append(l.sessions, e)
		}
	}
	if !l.scope.all && !o.scope.all {
		l.scope.hosts = unite(l.scope.hosts, o.scope.hosts)
		l.scope.ports = unite(l.scope.ports, o.scope.ports)
		l.scope.limit()
	}
	switch {
	case l.shared || o.footprint == nil || o.shared:
	case l.footprint == nil:
		l.footprint = o.footprint
	default:
		l.footprint.merge(o.footprint, false)
	}
	return l
}

func (l looked) compare(o looked) int {
	a, b := &l.said, &o.said
	settled := 0
	if a.settled != b.settled {
		if settled = -1; a.settled {
			settled = 1
		}
	}
	return cmp.Or(cmp.Compare(l.revision, o.revision), cmp.Compare(a.at, b.at), cmp.Compare(l.last, o.last), cmp.Compare(l.seen, o.seen),
		cmp.Compare(l.look, o.look), settled, cmp.Compare(a.look, b.look), cmp.Compare(a.again, b.again), cmp.Compare(l.nth, o.nth))
}

// unite appends what is not yet in a list.
func unite[T comparable](l, o []T) []T {
	for _, e := range o {
		if !slices.Contains(l, e) {
			l = append(l, e)
		}
	}
	return l
}

// open makes these the open scans of a suspect.
func (j *joining) open(s *suspect, scans []looked) {
	d := j.d
	d.open = slices.DeleteFunc(d.open, func(o openScan) bool { return o.suspect == s })
	s.scans = nil
	for _, l := range scans {
		l.suspect = s
		if k := s.sketch[l.track]; l.shared && k != nil {
			l.footprint = k.footprint
		}
		s.scans = append(s.scans, l.scan)
		d.reopen(l.scan, l.look)
	}
	slices.SortFunc(s.scans, compareOpen)
}
