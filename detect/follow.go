package detect

import "github.com/scanhound/scanhound/schema"

// sketchFootprints begins the footprints of every track with all that the sets hold.
func (l *ledger) sketchFootprints(acc *account, s *suspect, counted func(contact) bool) {
	var of [trackCount][]contact
	l.each(acc, func(c contact) {
		if track := c.marks.class().track(); counted(c) {
			of[track] = append(of[track], c)
		}
	})
	for track, contacts := range of {
		if len(contacts) > 0 {
			l.byTime(contacts)
			f := l.newFootprint(s, contacts)
			f.partial = acc.failed.level > 0 || acc.other.level > 0
			k := s.sketch[track]
			k.footprint = f
			for _, c := range contacts {
				if c.marks.isStrong() { // its stamp says when, to the unit
					k.fail(c, l.units.timeOf(c.stamp(), l.clock.now).Add(l.units.length))
				}
			}
			l.sketched += f.bytes() + k.failures.bytes()
		}
	}
}

// follow gives a scan of a source whose set is, or will be, a sample a footprint
// that is kept: that of the track where the scan is about all of it, else one of
// its own with what the set still holds of it.
func (l *ledger) follow(sc *scan) {
	s := sc.suspect
	if !s.hasSketch() {
		return
	}
	if k := s.sketch[sc.track]; sc.scope.all && sc.life == nil && k != nil && k.footprint != nil {
		sc.footprint = k.footprint
		return
	}
	m, before := l.gather(sc), sc.footprint.bytes()
	l.byTime(m.contacts)
	if sc.footprint == nil {
		sc.footprint = l.newFootprint(s, m.contacts)
	} else {
		for _, c := range m.contacts {
			sc.footprint.add(c)
		}
	}
	sc.footprint.include(l.oldest(m.contacts))
	sc.footprint.partial = sc.footprint.partial || m.weight > 1
	l.sketched += sc.footprint.bytes() - before
}

// footprintOf is what an alert shows: drawn from the sets while these are complete.
// A scan of a part that began late shows what is kept of the track when the sample
// has nothing that is not of the scan.
func (l *ledger) footprintOf(sc *scan, m *measured) *footprint {
	k := sc.suspect.sketch[sc.track]
	switch {
	case sc.footprint == nil:
		return l.drawFootprint(sc.suspect, m.contacts)
	case sc.footprint.partial && m.outside == 0 && k != nil && k.footprint != nil:
		return k.footprint
	}
	return sc.footprint
}

// oldest is when the first of contacts in the order of time was touched.
func (l *ledger) oldest(contacts []contact) schema.Time {
	if len(contacts) == 0 {
		return l.clock.now
	}
	return l.units.timeOf(contacts[0].stamp(), l.clock.now)
}

// include notes that the footprint holds something of t.
func (f *footprint) include(t schema.Time) { f.since = min(f.since, t) }

// trace adds a contact of the track to its footprint.
func (s *sketches) trace(c contact, t schema.Time) {
	s.footprint.add(c)
	s.footprint.visit(c.addr())
	s.footprint.include(t)
}

// trace adds a contact that the scan covers to its footprint, if it has one.
func (sc *scan) trace(c contact) {
	if sc.footprint == nil || c.marks&markReported != 0 || !sc.scope.isTarget(c) {
		return
	}
	sc.footprint.add(c)
	sc.footprint.visit(c.addr())
	sc.footprint.include(sc.first)
}

// footprints is what those of a suspect take.
func (s *suspect) footprints() (n uint64) {
	for _, k := range s.sketch {
		if k != nil {
			n += k.footprint.bytes()
		}
	}
	for _, sc := range s.scans {
		if !sc.scope.all { // else it is the track's
			n += sc.footprint.bytes()
		}
	}
	return n
}
