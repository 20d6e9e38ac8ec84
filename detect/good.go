package detect

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// goods remembers, beyond the window, which targets answered which source: what
// was good within a week and fails now is a laptop that wakes up elsewhere, or a
// server that is being replaced, and no scan.
//
// It is a fixed table (2 MiB beside the budget, made when first needed) in which a
// pair takes the place of another; what is forgotten costs a guard, never an alert.
type goods struct {
	slots []goodSlot
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

// place returns the slot of a source and its target, by the hash of the contact, and
// the tag that the two bear there.
func (g *goods) place(source, hash uint64) (*goodSlot, uint32) {
	h := schema.Mix64(source ^ hash)
	return &g.slots[h%goodSlots], uint32(h >> 32)
}

// remember keeps in mind the answered contacts of a source that the window loses:
// those that are not kept. Call it before they are dropped; seen is the source's
// latest flow.
func (d *Detector) remember(rec *record, source uint64, seen uint32, kept func(contact) bool) {
	if rec.other.estimate() < goodContacts {
		return
	}
	var answered uint64
	for _, c := range rec.other.all(&d.slab) {
		if c.marks&markAnswered != 0 {
			answered += rec.other.weight()
		}
	}
	if answered < goodContacts {
		return
	}
	if d.goods.slots == nil {
		d.goods.slots = make([]goodSlot, goodSlots)
	}
	for _, c := range rec.other.all(&d.slab) {
		if c.marks&markAnswered == 0 || kept(c) {
			continue
		}
		last := d.units.timeOf(c.stamp(), schema.Time(seen)*1e9)
		s, tag := d.goods.place(source, c.hash())
		if hour := uint32(last.Seconds() / 3600); s.tag != tag || s.hour < hour {
			*s = goodSlot{tag, hour}
		}
	}
}

// merge joins what another state has at a place: who was touched later stays.
func (g *goods) merge(o goodSlot, place uint32) {
	if g.slots == nil {
		g.slots = make([]goodSlot, goodSlots)
	}
	if s := &g.slots[place]; o.hour > s.hour || o.hour == s.hour && o.tag > s.tag {
		*s = o
	}
}

// wasGood reports whether the target with this hash answered the source within a
// week, and left the window since. That it fails now is held against the target.
func (d *Detector) wasGood(source, hash uint64) bool {
	if d.goods.slots == nil {
		return false
	}
	s, tag := d.goods.place(source, hash)
	if s.tag != tag || time.Duration(d.second/3600-s.hour)*time.Hour >= goodFor {
		return false
	}
	d.targets.fail(hash, source, d.second)
	return true
}

// forgot: c failed, and answered before; the window has forgotten that, but it was
// not dropped yet, and so is not remembered.
func (d *Detector) forgot(rec *record, c contact, hash uint64) bool {
	at := rec.other.find(&d.slab, c, hash)
	if at < 0 {
		return false
	}
	known := rec.other.at(&d.slab, at)
	return known.marks&markAnswered != 0 && !d.remembers(known)
}

// spareGood asks again whether c was good, after its record was purged.
func (d *Detector) spareGood(g *sighting, source uint64, c contact, hash uint64) contact {
	if !c.marks.isProbe() || !d.wasGood(source, hash) {
		return c
	}
	if g.source == g.f.Src.Addr {
		d.stats.Silenced[guardGood]++
	}
	g.o = touched
	c.marks = c.marks&^outcomeMarks | markTouched
	return c
}

// nothing is what is kept of a source that goes.
func nothing(contact) bool { return false }
