package detect

import "slices"

// crossing is a rule that a contact made fire.
type crossing struct {
	family    family
	contact   contact // the one that crossed
	horizon   int
	count     uint64
	threshold uint64
	early     bool // by the sequential test
}

// key is what a rule counts: a host, a port, or all of a track.
type key struct {
	family family
	contact
}

func (k *key) has(c contact) bool {
	a, b := k.marks.class(), c.marks.class()
	switch k.family {
	case vertical:
		return a == b && c.addr() == k.addr()
	case horizontal, sweep:
		return a == b && c.port() == k.port()
	case protocols:
		return b == classOther && c.addr() == k.addr()
	}
	return b.track() == trackPorts
}

// tally is how many failed contacts of a key lie within each horizon.
type tally struct {
	strong, all [len(horizons)]uint64 // in contacts of the sample
	late        bool                  // some of the key are later than the contact asked about
}

// judge says whether the contact c makes a rule of the family fire.
func (d *Detector) judge(rec *record, s *suspect, f family, c contact) (crossing, bool) {
	k := key{f, c}
	n := d.tally(&rec.failed, &k)
	if n.late {
		n = d.tallyLate(&rec.failed, &k)
	}
	for h := range horizons {
		want, ratio := d.demand(s, f, h, c)
		count, want, ok := crosses(&n, h, want, f, &rec.failed)
		if !ok || !d.failing(rec, &k, h, count, ratio) || f == block && !d.isBlock(rec, s, h, c.stamp()) {
			continue
		}
		if d.isDown(rec, &k, h, count, want) {
			d.stats.Silenced[guardOutage]++
			continue
		}
		return crossing{family: f, contact: c, horizon: h, count: count, threshold: want}, true
	}
	x, ok := d.sequential(rec, s, &k, &n)
	if x.early && !ok {
		d.stats.Silenced[guardOutage]++
	}
	return x, ok
}

// demand is the count that crosses, and the share of failures that it takes.
func (d *Detector) demand(s *suspect, f family, h int, c contact) (want uint64, ratio float64) {
	want = d.rules.threshold(f, h, c, s.internal)
	e := &s.evidence[c.marks.class().track()]
	switch {
	case e.sampling <= 1:
		return want, d.cfg.FailureRatio
	case e.flows < sampledFlows:
		return want, sampledRatio
	}
	return max(want/sampledDivisor, minSample), sampledRatio
}

// Of a sampled exporter few probes are seen: fewer targets are enough, when
// almost all that is seen of them are probes.
const (
	sampledDivisor = 10
	sampledRatio   = 0.9
	sampledFlows   = 10
)

// crosses returns the count that reaches a threshold, and which: the rule's own
// want, or where most of the evidence is faint the one for that.
func crosses(n *tally, h int, want uint64, f family, failed *set) (count, threshold uint64, ok bool) {
	if failed.level > 0 && n.all[h] < minSample {
		return 0, want, false
	}
	if strong := n.strong[h] * failed.weight(); strong >= want {
		return strong, want, true
	}
	want = max(want, f.faint())
	all := n.all[h] * failed.weight()
	return all, want, all >= want
}

// tally counts backwards from k's own time: flows mostly come in order.
func (d *Detector) tally(failed *set, k *key) (n tally) {
	at := k.stamp()
	for _, c := range failed.all(&d.slab) {
		if c.marks&markTold != 0 || !k.has(c) {
			continue
		}
		if c.stamp().after(at, d.now) {
			return tally{late: true}
		}
		age := c.stamp().age(at)
		for h := len(horizons) - 1; h >= 0 && age < d.rules.spans[h]; h-- {
			n.all[h]++
			if c.marks.isStrong() {
				n.strong[h]++
			}
		}
	}
	return n
}

// tallyLate is tally for a contact that came after later ones: the fullest
// window of each horizon that contains it counts, so that the order in which
// flows arrive does not decide.
func (d *Detector) tallyLate(failed *set, k *key) (n tally) {
	var of []contact
	for _, c := range failed.all(&d.slab) {
		if c.marks&markTold == 0 && k.has(c) {
			of = append(of, c)
		}
	}
	d.byTime(of)
	at := k.stamp()
	for h, span := range d.rules.spans {
		var all, strong uint64
		first := 0
		for _, c := range of {
			all++
			if c.marks.isStrong() {
				strong++
			}
			end := c.stamp()
			for ; of[first].stamp().age(end) >= span; first++ {
				all--
				if of[first].marks.isStrong() {
					strong--
				}
			}
			if !at.after(end, d.now) && at.age(end) < span {
				n.all[h], n.strong[h] = max(n.all[h], all), max(n.strong[h], strong)
			}
		}
	}
	return n
}

// byTime orders contacts by when they were last touched, then by target: an
// order that does not depend on how they arrived.
func (d *Detector) byTime(of []contact) {
	slices.SortFunc(of, func(a, b contact) int {
		if x, y := a.stamp().age(d.now), b.stamp().age(d.now); x != y {
			return int(y) - int(x)
		}
		if a.word != b.word {
			if a.word < b.word {
				return -1
			}
			return 1
		}
		return int(a.marks.class()) - int(b.marks.class())
	})
}

// failing: of the key's targets, enough failed. ICMP requests count answered or not.
func (d *Detector) failing(rec *record, k *key, h int, count uint64, ratio float64) bool {
	if k.family == sweep {
		return true
	}
	var good uint64
	for _, c := range rec.other.all(&d.slab) {
		if c.marks&markAnswered == 0 || !k.has(c) {
			continue
		}
		if c.stamp().after(k.stamp(), d.now) || c.stamp().age(k.stamp()) < d.rules.spans[h] {
			good++
		}
	}
	good *= rec.other.weight()
	return float64(count) >= ratio*float64(count+good)
}

// isBlock looks at the shape of the failed contacts within horizon h. It is not
// cheap, so what it says also tells how many more contacts it can be spared.
func (d *Detector) isBlock(rec *record, s *suspect, h int, at stamp) bool {
	shape := d.failedShape(rec, trackPorts, func(c contact) bool {
		return c.stamp().after(at, d.now) || c.stamp().age(at) < d.rules.spans[h]
	})
	if shape.isBlock() {
		return true
	}
	if h == len(horizons)-1 {
		s.blockAt[trackPorts] = int(rec.failed.n) + shape.untilBlock()
	}
	return false
}

// failedShape is the shape of what failed within a time and was not yet told of.
func (d *Detector) failedShape(rec *record, track trackKind, within func(contact) bool) shape {
	d.scratch.outline.reset()
	for _, c := range rec.failed.all(&d.slab) {
		if c.marks&markTold == 0 && c.marks.class().track() == track && within(c) {
			d.scratch.outline.add(c)
		}
	}
	return d.scratch.outline.shape()
}

func always(contact) bool { return true }
