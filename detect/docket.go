package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// docket is the alerts that are open, when each is due, and what Observe returns.
type docket struct {
	*moment
	*policy
	*network
	*ledger
	*judge
	open     []openScan     // in the order in which they opened
	reopened []*closedScan  // after their close, in the order of that
	opened   uint64         // scans so far, and closed ones that were reopened
	alerts   []schema.Alert // to be returned
}

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

	keyEvery = time.Minute // a key that joins a scan is told so soon
	saidKeys = 8           // of the first so many; then it is the growth that counts
)

// contacted tells the open scans of a source that c was contacted, and whether one of them
// covers it. No session is the beginning of a scan.
func (d *docket) contacted(acc *account, s *suspect, c contact, g *sighting, session *schema.Endpoint) (covered bool) {
	for _, sc := range s.scans {
		if !sc.covers(c) {
			continue
		}
		covered = true
		if sc.last = max(sc.last, g.t); g.counts() {
			sc.first = min(sc.first, g.t)
		}
		sc.heard = d.clock.now
		sc.said.settled = false
		sc.seen++
		if d.clock.now.Sub(sc.first) > d.cfg.Window-lifeAhead {
			d.outgrow(sc, c)
		}
		sc.trace(c)
		sc.live(c)
		asset := d.worsens(sc, s.target(c))
		if session != nil && len(sc.sessions) < maxKnown && !slices.Contains(sc.sessions, *session) {
			sc.sessions = append(sc.sessions, *session)
			d.say(sc, schema.Update, reasonSession(session))
			continue
		}
		if asset != nil {
			d.say(sc, schema.Update, "touched the asset "+asset.Name)
			continue
		}
		if sc.seen >= sc.said.jumpAt {
			m := d.measure(sc)
			pairs := m.scale.Pairs.Count
			if pairs >= jump*max(sc.said.pairs, 1) {
				d.tell(sc, &m, schema.Update, reasonGrown(sc.said.pairs, pairs))
				continue
			}
			sc.said.jumpAt = sc.seen + max(jump*sc.said.pairs-pairs, 1)
		}
	}
	return covered
}

// openScan is an open scan and when it is looked at next: what happens to it
// meanwhile only moves that later.
type openScan struct {
	*scan
	dueAt schema.Time
}

// dueEvery is how often a scan is looked at when nothing is due before.
const dueEvery = 5 * time.Minute

// due looks at every open scan whose time may have come.
func (d *docket) due(now schema.Time) {
	var closing []*scan
	for i := range d.open {
		sc := &d.open[i]
		if now < sc.dueAt {
			continue
		}
		if now.Sub(sc.first) > d.cfg.Window-lifeAhead {
			d.keepLife(sc.scan)
		}
		switch quiet := now.Sub(sc.heard); {
		case quiet >= sc.closeAfter():
			closing = append(closing, sc.scan)
		case quiet >= settleAfter && !sc.said.settled:
			d.settle(sc.scan)
		case sc.said.key && now.Sub(sc.said.at) >= keyEvery:
			d.say(sc.scan, schema.Update, "another key of it reached its threshold")
		case now.Sub(sc.said.at) >= updateEvery:
			d.refresh(sc.scan)
		}
		sc.dueAt = sc.nextDue(now)
	}
	for _, sc := range closing {
		d.close(sc, reasonQuiet(sc.closeAfter()))
	}
	d.dueReopened(now)
}

// nextDue is when something may be due after now, if the scan stays quiet.
func (sc *scan) nextDue(now schema.Time) schema.Time {
	next := now.Add(dueEvery)
	for _, at := range [...]schema.Time{sc.heard.Add(settleAfter), sc.heard.Add(sc.closeAfter())} {
		if at > now {
			next = min(next, at)
		}
	}
	return next
}

// closeAfter is how long a scan may pause: what went on for longer than the fast
// horizons see is slow too, though a fast one opened it.
func (sc *scan) closeAfter() time.Duration {
	if sc.slow || sc.last.Sub(sc.first) > horizons[fastHorizons-1] {
		return closeSlow
	}
	return closeFast
}

// settle tells the totals of a scan that went quiet, if they are news. A slow scan
// goes quiet after each of its probes: where too few came to matter it is not measured.
func (d *docket) settle(sc *scan) {
	sc.said.settled = true
	exporter := len(sc.evidence().exporters) > sc.said.exporters
	if !exporter && float64(sc.seen) < float64(sc.said.seen)+(settling-1)*float64(sc.said.pairs) {
		return
	}
	if m := d.measure(sc); exporter || float64(m.scale.Pairs.Count) >= settling*float64(sc.said.pairs) || m.kind(sc) != sc.said.kind {
		d.tell(sc, &m, schema.Update, reasonSettled)
		sc.said.settled = true
	}
}

// refresh tells what changed since the last revision. Measuring is not cheap,
// so it waits for a change that can be seen without.
func (d *docket) refresh(sc *scan) {
	exporter := len(sc.evidence().exporters) > sc.said.exporters
	if !exporter && sc.seen < sc.said.refreshAt {
		return
	}
	sc.said.refreshAt = sc.refreshAfter()
	switch m := d.measure(sc); {
	case exporter:
		d.tell(sc, &m, schema.Update, "another exporter saw it")
	case m.kind(sc) != sc.said.kind:
		d.tell(sc, &m, schema.Update, "became "+string(m.kind(sc)))
	case m.scale.Pairs.Count >= growth*sc.said.pairs:
		d.tell(sc, &m, schema.Update, reasonGrown(sc.said.pairs, m.scale.Pairs.Count))
	}
}

// refreshAfter is how many flows there are when a scan may have changed enough to be
// measured: a flow is at most one new pair.
func (sc *scan) refreshAfter() uint64 { return sc.seen + sc.said.pairs/2 + 1 }

// close tells the totals of a scan and remembers which targets it had probed.
func (d *docket) close(sc *scan, reason string) {
	probed := d.probedBy(sc)
	was, k := *sc.evidence(), d.keep(sc)
	d.end(sc, reason)
	d.keepClosed(sc, probed, k, &was)
}

// end tells the totals and forgets the scan. What it was about will not be reported
// again unless it is touched again.
func (d *docket) end(sc *scan, reason string) {
	d.say(sc, schema.Close, reason)
	d.stats.Closed++
	s := sc.suspect
	s.scans = slices.DeleteFunc(s.scans, func(o *scan) bool { return o == sc })
	d.open = slices.DeleteFunc(d.open, func(o openScan) bool { return o.scan == sc })
	acc := d.accounts.at(s.account)
	told := d.markReported(acc, sc)
	acc.since = 0
	s.turns++
	k := s.sketch[sc.track]
	if sc.sharesFootprint() && len(s.open(sc.track)) > 0 {
		sc.footprint = nil // it goes on for the others
	}
	if len(s.open(sc.track)) == 0 {
		s.evidence[sc.track] = evidence{}
		if k != nil {
			s.sketch[sc.track] = new(sketches)
		}
	} else if k != nil {
		k.reportedPairs += told
	}
}

// markReported marks what only sc reported, and returns how much that is. Of a sample
// it is dropped: a set that still stood for so many would hide a smaller scan.
func (l *ledger) markReported(acc *account, sc *scan) (told uint64) {
	for _, set := range []*set{&acc.failed, &acc.other} {
		for at, c := range set.all(&l.slab) {
			if !sc.covers(c) || slices.ContainsFunc(sc.suspect.scans, func(o *scan) bool { return o.covers(c) }) {
				continue
			}
			if c.marks&(markReported|markAnswered) == 0 {
				told += set.weight()
			}
			c.marks |= markReported
			set.change(&l.slab, at, c)
		}
	}
	if acc.failed.level > 0 {
		acc.failed.keep(&l.slab, func(c contact) bool { return c.marks&markReported == 0 })
	}
	return told
}

// evidence is that of the scan's track.
func (sc *scan) evidence() *evidence { return &sc.suspect.evidence[sc.track] }
