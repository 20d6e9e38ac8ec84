package detect

import "slices"

// contacts unites the contacts of a record with those of another state of it.
func (j *joining) contacts(x *sourceState) {
	d, rec := j.d, j.rec
	if j.ahead < 0 {
		// What only the one behind has was told of meanwhile, or dropped from a sample.
		known := map[contact]bool{}
		for _, l := range [][]contact{x.failed.contacts, x.other.contacts} {
			for _, c := range l {
				known[c.targetOnly()] = true
			}
		}
		sampled := x.failed.level > 0
		for _, s := range []*set{&rec.failed, &rec.other} {
			s.keep(&d.slab, func(c contact) bool { return !sampled || known[c.targetOnly()] })
			for at, c := range s.all(&d.slab) {
				if !known[c.targetOnly()] {
					c.marks |= markTold
					s.change(&d.slab, at, c)
				}
			}
		}
	}
	rec.failed.deepen(&d.slab, x.failed.level)
	rec.other.deepen(&d.slab, x.other.level)
	for _, l := range [][]contact{x.failed.contacts, x.other.contacts} {
		for _, c := range l {
			j.add(c)
		}
	}
}

// targetOnly is the contact without what is known of it.
func (c contact) targetOnly() contact {
	return contact{c.word &^ 0xffff, c.marks >> classShift << classShift}
}

// setOf is where a contact belongs.
func (r *record) setOf(c contact) *set {
	if c.marks.isProbe() {
		return &r.failed
	}
	return &r.other
}

// add unites one contact of the other state with the sets.
func (j *joining) add(c contact) {
	d, rec, hash := j.d, j.rec, c.hash()
	for _, s := range []*set{&rec.failed, &rec.other} {
		at := s.find(&d.slab, c, hash)
		if at < 0 {
			continue
		}
		known := s.at(&d.slab, at)
		j.contact(&known, c)
		if rec.setOf(known) == s {
			s.change(&d.slab, at, known)
			return
		}
		s.remove(&d.slab, at)
		rec.setOf(known).merge(&d.slab, known, hash)
		return
	}
	if j.ahead > 0 {
		if rec.failed.level > 0 {
			return
		}
		c.marks |= markTold
	}
	into := rec.setOf(c)
	if into == &rec.failed && into.n == maxContacts {
		d.spill(rec)
	}
	into.merge(&d.slab, c, hash)
	if !j.told {
		j.tell(c, hash)
	}
}

// tell lets sketches count a contact of a state that had none. It is older than what
// they hold: the last hosts stay.
func (j *joining) tell(c contact, hash uint64) {
	if c.marks&markTold != 0 {
		return
	}
	var last []uint32
	k := j.sketch(c)
	known := k != nil && k.footprint != nil
	if known {
		last = slices.Clone(k.footprint.last)
	}
	j.d.tell(j.rec, c, hash)
	if k = j.sketch(c); k != nil && c.marks.isStrong() {
		k.fail(c, j.d.units.timeOf(c.stamp(), j.d.clock.now).Add(j.d.units.length)) // as spill does
	}
	if known {
		k.footprint.last = last
	}
}

// known is a contact as the sets have it, if they do.
func (j *joining) known(c contact) contact {
	for _, s := range []*set{&j.rec.failed, &j.rec.other} {
		if at := s.find(&j.d.slab, c, c.hash()); at >= 0 {
			return s.at(&j.d.slab, at)
		}
	}
	return c
}

// sketch is that of a contact's track.
func (j *joining) sketch(c contact) *sketches {
	if s := j.d.suspectOf(j.rec); s != nil {
		return s.sketch[c.marks.class().track()]
	}
	return nil
}

// contact adds what the other state knows of a target to c: all marks; of one that
// failed the earlier first touch, else the later last one. A target that was told of
// counts again from a later touch on, and who has closed more knows best of that.
func (j *joining) contact(c *contact, o contact) {
	x, y := *c, o
	if j.ahead < 0 || j.ahead == 0 && y.stamp().after(x.stamp(), j.now) {
		x, y = y, x // x is further on, or as far
	}
	c.marks = x.marks | y.marks
	switch span := y.stamp().age(x.stamp()); {
	case j.ahead != 0:
		*c = contact{x.word, x.marks | y.marks&^markTold}
	case span > j.d.units.window:
		*c = x // the other was forgotten
	case !x.marks.isProbe() || !y.marks.isProbe() || !c.marks.isProbe():
		c.setStamp(x.stamp())
	case x.marks&markTold == 0 && y.marks&markTold != 0 && span > j.d.retold:
		*c = contact{x.word, x.marks | y.marks&^markTold} // and it was touched again
	default:
		c.setStamp(y.stamp())
	}
}
