package detect

import "slices"

// contacts unites the contacts of an account with those of another state of it.
func (j *joining) contacts(x *sourceState) {
	d, acc := j.d, j.acc
	if j.ahead < 0 {
		// What only the one behind has was reported meanwhile, or dropped from a sample.
		known := map[contact]bool{}
		for _, l := range [][]contact{x.failed.contacts, x.other.contacts} {
			for _, c := range l {
				known[c.targetOnly()] = true
			}
		}
		sampled := x.failed.level > 0
		for _, s := range []*set{&acc.failed, &acc.other} {
			s.keep(&d.ledger.slab, func(c contact) bool { return !sampled || known[c.targetOnly()] })
			for at, c := range s.all(&d.ledger.slab) {
				if !known[c.targetOnly()] {
					c.marks |= markReported
					s.change(&d.ledger.slab, at, c)
				}
			}
		}
	}
	acc.failed.deepen(&d.ledger.slab, x.failed.level)
	acc.other.deepen(&d.ledger.slab, x.other.level)
	for _, l := range [][]contact{x.failed.contacts, x.other.contacts} {
		for _, c := range l {
			j.add(c)
		}
	}
}

// add unites one contact of the other state with the sets.
func (j *joining) add(c contact) {
	d, acc, hash := j.d, j.acc, c.hash()
	if c.marks.isProbe() && !acc.failed.sampled(hash) && acc.other.find(&d.ledger.slab, c, hash) >= 0 {
		return // the sample had lost it when it answered: that it failed before was not known
	}
	for _, s := range []*set{&acc.failed, &acc.other} {
		at := s.find(&d.ledger.slab, c, hash)
		if at < 0 {
			continue
		}
		known := s.at(&d.ledger.slab, at)
		j.contact(&known, c)
		if acc.setOf(known) == s {
			s.change(&d.ledger.slab, at, known)
			return
		}
		s.remove(&d.ledger.slab, at)
		acc.setOf(known).merge(&d.ledger.slab, known, hash)
		return
	}
	if j.ahead > 0 {
		if acc.failed.level > 0 {
			return
		}
		c.marks |= markReported
	}
	into := acc.setOf(c)
	if into == &acc.failed && into.n == maxContacts {
		d.ledger.spill(acc)
	}
	into.merge(&d.ledger.slab, c, hash)
	if !j.theirsCounted {
		j.countInSketch(c, hash)
	}
}

// countInSketch lets sketches count a contact of a state that had none. It is older than what
// they hold: the last hosts stay.
func (j *joining) countInSketch(c contact, hash uint64) {
	if c.marks&markReported != 0 {
		return
	}
	var last []uint32
	k := j.sketch(c)
	known := k != nil && k.footprint != nil
	if known {
		last = slices.Clone(k.footprint.last)
	}
	j.d.ledger.countInSketch(j.acc, c, hash)
	if k = j.sketch(c); k != nil && c.marks.isStrong() {
		k.fail(c, j.d.units.timeOf(c.stamp(), j.d.clock.now).Add(j.d.units.length)) // as spill does
	}
	if known {
		k.footprint.last = last
	}
}

// known is a contact as the sets have it, if they do.
func (j *joining) known(c contact) contact {
	for _, s := range []*set{&j.acc.failed, &j.acc.other} {
		if at := s.find(&j.d.ledger.slab, c, c.hash()); at >= 0 {
			return s.at(&j.d.ledger.slab, at)
		}
	}
	return c
}

// sketch is that of a contact's track.
func (j *joining) sketch(c contact) *sketches {
	if s := j.d.ledger.suspectOf(j.acc); s != nil {
		return s.sketch[c.marks.class().track()]
	}
	return nil
}

// contact adds what the other state knows of a target to c: all marks; of one that
// failed the earlier first touch, else the later last one. A target that was reported
// counts again from a later touch on, and who has closed more knows best of that.
func (j *joining) contact(c *contact, o contact) {
	x, y := *c, o
	if j.ahead < 0 || j.ahead == 0 && y.stamp().after(x.stamp(), j.now) {
		x, y = y, x // x is further on, or as far
	}
	c.marks = x.marks | y.marks
	switch span := y.stamp().age(x.stamp()); {
	case j.ahead != 0:
		*c = contact{x.word, x.marks | y.marks&^markReported}
	case span > j.d.units.window:
		*c = x // the other was forgotten
	case !x.marks.isProbe() || !y.marks.isProbe() || !c.marks.isProbe():
		c.setStamp(x.stamp())
	case x.marks&markReported == 0 && y.marks&markReported != 0 && span > j.d.recountAfter:
		*c = contact{x.word, x.marks | y.marks&^markReported} // and it was touched again
	default:
		c.setStamp(y.stamp())
	}
}
