package detect

import (
	"time"

	"github.com/scanhound/scanhound/detect/internal/lossy"
	"github.com/scanhound/scanhound/schema"
)

// knownGood remembers, beyond the window, which targets answered which source: what
// was good within a week and fails now is a laptop that wakes up elsewhere, or a
// server that is being replaced, and no scan.
//
// It takes 2 MiB beside the budget.
type knownGood struct {
	lossy.Table[goodSlot]
}

// goodSlot: a pair that was never good is taken for another with 2^-32.
type goodSlot struct {
	tag  uint32
	hour uint32 // since 1970, when the source touched the target last; 0: free
}

const (
	goodSlots    = 1 << 18
	goodFor      = 7 * 24 * time.Hour
	goodContacts = 8 // a source with fewer is no client whose habits are worth a place
)

// of returns the slot of a source and its target, by the hash of the contact, and the
// tag that the two bear there; nil while nothing is known.
func (g *knownGood) of(source, hash uint64) (*goodSlot, uint32) {
	h := schema.Mix64(source ^ hash)
	return g.Slot(h), uint32(h >> 32)
}

// remember keeps in mind the answered contacts of a source that the window loses:
// those that are not kept. Call it before they are dropped; seen is the source's
// latest flow.
func (l *ledger) remember(acc *account, source uint64, seen uint32, kept func(contact) bool) {
	if acc.other.estimate() < goodContacts {
		return
	}
	var answered uint64
	for _, c := range acc.other.all(&l.slab) {
		if c.marks&markGood != 0 {
			answered += acc.other.weight()
		}
	}
	if answered < goodContacts {
		return
	}
	l.knownGood.Make(goodSlots)
	for _, c := range acc.other.all(&l.slab) {
		if c.marks&markGood == 0 || kept(c) {
			continue
		}
		last := l.units.timeOf(c.stamp(), schema.Time(seen)*1e9)
		s, tag := l.knownGood.of(source, c.hash())
		if hour := uint32(last.Seconds() / 3600); s.tag != tag || s.hour < hour {
			*s = goodSlot{tag, hour}
		}
	}
}

// merge joins what another state has at a place: who was touched later stays.
func (s *goodSlot) merge(o goodSlot) {
	if o.hour > s.hour || o.hour == s.hour && o.tag > s.tag {
		*s = o
	}
}

// wasGood reports whether the target with this hash answered the source within a
// week, and left the window since. That it fails now is held against the target.
func (n *network) wasGood(source, hash uint64) bool {
	if !n.wasKnownGood(source, hash) {
		return false
	}
	n.outages.fail(hash, source, n.second)
	return true
}

func (n *network) wasKnownGood(source, hash uint64) bool {
	s, tag := n.knownGood.of(source, hash)
	return s != nil && s.tag == tag && time.Duration(n.second/3600-s.hour)*time.Hour < goodFor
}

// forgot: c failed, and answered before; the window has forgotten that, but it was
// not dropped yet, and so is not remembered.
func (l *ledger) forgot(acc *account, c contact, hash uint64) bool {
	at := acc.other.find(&l.slab, c, hash)
	if at < 0 {
		return false
	}
	known := acc.other.at(&l.slab, at)
	return known.marks&markGood != 0 && !l.remembers(known)
}

// recheckGood asks again whether c was good, after its record was purged.
func (l *ledger) recheckGood(g *sighting, source uint64, c contact, hash uint64) contact {
	if !c.marks.isProbe() || !l.wasGood(source, hash) {
		return c
	}
	if g.source == g.f.Src.Addr {
		l.stats.Silenced[guardGoodBefore]++
	}
	g.o = touched
	c.marks &^= outcomeMarks
	return c
}

// nothing is what is kept of a source that goes.
func nothing(contact) bool { return false }
