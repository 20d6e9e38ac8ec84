package detect

import (
	"slices"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/detect/internal/wire"
)

// kept is what a scan that has closed takes along, so that it goes on with its numbers
// if the scanner comes back: by then the window, and the next scan of the source, may
// have left nothing of them.
type kept struct {
	sketch   *sketches // of the track, as they were; nil while the sets held all
	contacts []contact // else, in the order of time
	at       stamp     // the clock at the close
}

// keep takes what a scan that closes will need. It comes before the track forgets; where
// another scan of the track is open, it does not.
func (l *ledger) keep(sc *scan) kept {
	k := sc.suspect.sketch[sc.track]
	switch {
	case k != nil && k.mode != sketchNone:
		if len(sc.suspect.open(sc.track)) > 1 {
			l.keepLife(sc)
			k = nil
		}
		return kept{sketch: k, at: l.now}
	case sc.life != nil || sc.printTells():
		return kept{at: l.now}
	}
	m := l.gather(sc)
	l.byTime(m.contacts)
	return kept{contacts: slices.Clone(m.contacts), at: l.now}
}

// like begins sketches whose hashes are those of others, so that the two can be one later.
func (s *sketches) like(o *sketches) { s.mode, s.oneHost, s.onePort = o.mode, o.oneHost, o.onePort }

// lastKept is what the last scan of a track kept that closed.
func (s *suspect) lastKept(t trackKind) *sketches {
	for _, p := range slices.Backward(s.closedScans) {
		if p.scan != nil && p.scan.track == t && p.kept.sketch != nil {
			return p.kept.sketch
		}
	}
	return nil
}

// takeBack gives back to a scan that goes on what it had kept, together with what its
// track has counted since.
func (l *ledger) takeBack(sc *scan, k *kept) {
	s := sc.suspect
	if k.sketch == nil {
		l.takeContactsBack(sc, k.contacts)
		return
	}
	w := sliding.Window{Now: paneOf(k.at), Panes: l.panes.Panes}
	k.sketch.expire(&w, k.at.age(l.now)>>paneShift)
	now, shared := s.sketch[sc.track], sc.footprint == k.sketch.footprint
	if now == nil || now.mode == sketchNone {
		now, s.sketch[sc.track] = k.sketch, k.sketch
	} else {
		if sc.life != nil && (sc.scope.all || l.gather(sc).outside == 0) {
			sc.life.merge(now.whole(), &lifeWindow)
		}
		now.mergePrints(k.sketch, false)
		now.merge(k.sketch, &l.panes)
	}
	if shared {
		sc.footprint = now.footprint
	}
	now.beyond = true
}

// takeContactsBack is takeBack for a scan that the sets had held.
func (l *ledger) takeContactsBack(sc *scan, contacts []contact) {
	if len(contacts) == 0 {
		return
	}
	if l.clock.now.Sub(sc.first) > l.cfg.Window-lifeAhead {
		sc.beginLife(contacts)
		sc.footprint = l.newFootprint(sc.suspect, contacts)
	}
	if k := sc.suspect.sketch[sc.track]; k != nil && k.mode != sketchNone {
		for _, c := range contacts { // the sets held them when it began
			if l.remembers(c) {
				k.add(c, c.hash(), &l.panes)
				k.trace(c, l.units.timeOf(c.stamp(), l.clock.now))
			}
		}
		k.beyond = true
	}
}

func (k *kept) bytes() uint64 {
	n := uint64(cap(k.contacts)) * 16
	if k.sketch != nil {
		n += k.sketch.bytes()
	}
	return n
}

func (k *kept) wire(w *wire.Wire, sc *scan) {
	has := k.sketch != nil
	w.Bits(&has)
	if has {
		if w.Reading() {
			k.sketch = new(sketches)
		}
		k.sketch.wire(w, sc.suspect.isV4())
		w.Check(k.sketch.mode != sketchNone, "sketches that were kept, of nothing")
		shared := sc.footprint == k.sketch.footprint
		if w.Bits(&shared); shared && w.Reading() {
			sc.footprint = k.sketch.footprint
		}
	}
	w.U16((*uint16)(&k.at))
	wire.List(w, &k.contacts, 9, 2*maxContacts, func(c *contact) {
		w.U64(&c.word)
		wireMarks(w, &c.marks)
	})
}
