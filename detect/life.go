package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// The life of an alert, in event time.
const (
	updateEvery = 15 * time.Minute // at most, but for a jump in size or a session
	settleAfter = 15 * time.Minute // quiet for so long: the totals are worth telling
	closeFast   = time.Hour
	closeSlow   = 24 * time.Hour

	jump     = 4    // told at once when the pairs are so many times what was said last
	growth   = 2    // told after updateEvery
	settling = 1.25 // told when it went quiet
	maxKnown = 16   // sessions that are listed
)

// touch tells the open scans of a source that c was contacted at t, and whether
// one of them covers it.
func (d *Detector) touch(rec *record, s *suspect, c contact, t schema.Time, session *schema.Endpoint) (covered bool) {
	for _, sc := range s.scans {
		if !sc.covers(c) {
			continue
		}
		covered = true
		sc.first, sc.last = min(sc.first, t), max(sc.last, t)
		sc.said.settled = false
		sc.seen++
		sc.trace(c)
		if session != nil && len(sc.sessions) < maxKnown && !slices.Contains(sc.sessions, *session) {
			sc.sessions = append(sc.sessions, *session)
			d.say(sc, schema.Update, reasonSession(session))
			continue
		}
		if sc.seen >= sc.said.again {
			pairs := sc.measure(d).scale.Pairs.Count
			if pairs >= jump*sc.said.pairs {
				d.say(sc, schema.Update, reasonGrown(sc.said.pairs, pairs))
				continue
			}
			sc.said.again = sc.seen + max(jump*sc.said.pairs-pairs, 1)
		}
	}
	return covered
}

// openScan is an open scan and when it is looked at next: what happens to it
// meanwhile only moves that later.
type openScan struct {
	*scan
	look schema.Time
}

// lookEvery is how often a scan is looked at when nothing is due before.
const lookEvery = 5 * time.Minute

// due looks at every open scan whose time may have come.
func (d *Detector) due(now schema.Time) {
	var closing []*scan
	for i := range d.open {
		sc := &d.open[i]
		if now < sc.look {
			continue
		}
		switch quiet := now.Sub(sc.last); {
		case quiet >= sc.closeAfter():
			closing = append(closing, sc.scan)
		case quiet >= settleAfter && !sc.said.settled:
			d.settle(sc.scan)
		case now.Sub(sc.said.at) >= updateEvery:
			d.refresh(sc.scan)
		}
		sc.look = sc.next(now)
	}
	for _, sc := range closing {
		d.close(sc, reasonQuiet(sc.closeAfter()))
	}
	d.duePast(now)
}

// closeAfter is how long a scan may pause: what went on for longer than the fast
// horizons see is slow too, though a fast one opened it.
// next is when something may be due after now, if the scan stays quiet.
func (sc *scan) next(now schema.Time) schema.Time {
	next := now.Add(lookEvery)
	for _, at := range [...]schema.Time{sc.last.Add(settleAfter), sc.last.Add(sc.closeAfter())} {
		if at > now {
			next = min(next, at)
		}
	}
	return next
}

func (sc *scan) closeAfter() time.Duration {
	if sc.slow || sc.last.Sub(sc.first) > horizons[fastHorizons-1] {
		return closeSlow
	}
	return closeFast
}

// settle tells the totals of a scan that went quiet, if they are news. A slow scan
// goes quiet after each of its probes: where too few came to matter it is not measured.
func (d *Detector) settle(sc *scan) {
	sc.said.settled = true
	exporter := len(sc.evidence().exporters) > sc.said.exporters
	if !exporter && float64(sc.seen) < float64(sc.said.seen)+(settling-1)*float64(sc.said.pairs) {
		return
	}
	if m := sc.measure(d); exporter || float64(m.scale.Pairs.Count) >= settling*float64(sc.said.pairs) || m.kind(sc) != sc.said.kind {
		d.say(sc, schema.Update, "totals, quiet for "+schema.Duration(settleAfter).String())
		sc.said.settled = true
	}
}

// refresh tells what changed since the last revision. Measuring is not cheap,
// so it waits for a change that can be seen without.
func (d *Detector) refresh(sc *scan) {
	exporter := len(sc.evidence().exporters) > sc.said.exporters
	if !exporter && sc.seen < sc.said.look {
		return
	}
	sc.said.look = sc.lookAfter()
	switch m := sc.measure(d); {
	case exporter:
		d.say(sc, schema.Update, "another exporter saw it")
	case m.kind(sc) != sc.said.kind:
		d.say(sc, schema.Update, "became "+string(m.kind(sc)))
	case m.scale.Pairs.Count >= growth*sc.said.pairs:
		d.say(sc, schema.Update, reasonGrown(sc.said.pairs, m.scale.Pairs.Count))
	}
}

// lookAfter is how many flows there are when a scan may have changed enough to be
// measured: a flow is at most one new pair.
func (sc *scan) lookAfter() uint64 { return sc.seen + sc.said.pairs/2 + 1 }

// close tells the totals of a scan and remembers which targets it had probed.
func (d *Detector) close(sc *scan, reason string) {
	probed := d.probedBy(sc)
	d.end(sc, reason)
	d.keepPast(sc, probed)
}

// end tells the totals and forgets the scan. What it was about will not be told
// of again unless it is touched again.
func (d *Detector) end(sc *scan, reason string) {
	d.say(sc, schema.Close, reason)
	d.stats.Closed++
	s := sc.suspect
	s.scans = slices.DeleteFunc(s.scans, func(o *scan) bool { return o == sc })
	d.open = slices.DeleteFunc(d.open, func(o openScan) bool { return o.scan == sc })
	rec := d.records.at(s.record)
	told := d.markTold(rec, sc)
	rec.since = 0
	s.closed++
	k := s.sketch[sc.track]
	if len(s.open(sc.track)) == 0 {
		s.evidence[sc.track] = evidence{}
		if k != nil {
			s.sketch[sc.track] = new(sketches)
		}
	} else if k != nil {
		k.told += told
	}
}

// markTold marks what only sc told of, and returns how much that is. Of a sample
// it is dropped: a set that still stood for so many would hide a smaller scan.
func (d *Detector) markTold(rec *record, sc *scan) (told uint64) {
	for _, set := range []*set{&rec.failed, &rec.other} {
		for at, c := range set.all(&d.slab) {
			if !sc.covers(c) || slices.ContainsFunc(sc.suspect.scans, func(o *scan) bool { return o.covers(c) }) {
				continue
			}
			if c.marks&(markTold|markAnswered) == 0 {
				told += set.weight()
			}
			c.marks |= markTold
			set.change(&d.slab, at, c)
		}
	}
	if rec.failed.level > 0 {
		rec.failed.keep(&d.slab, func(c contact) bool { return c.marks&markTold == 0 })
	}
	return told
}

// evidence is that of the scan's track.
func (sc *scan) evidence() *evidence { return &sc.suspect.evidence[sc.track] }
