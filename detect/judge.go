package detect

import (
	"slices"
)

// crossing is a rule that a contact made fire.
type crossing struct {
	family    family
	contact   contact // the one that crossed
	horizon   int
	count     uint64
	threshold uint64
}

// key is what a rule counts: a host, a port, or all of a source.
type key struct {
	family family
	contact
}

func (k *key) has(c *contact) bool {
	switch k.family {
	case vertical:
		return c.proto == k.proto && c.addr == k.addr
	case horizontal, sweep:
		return c.port == k.port && c.proto == k.proto
	case protocols:
		return c.addr == k.addr
	}
	return true
}

// tally is how many failed contacts of a key lie within each horizon.
type tally struct {
	strong, all [len(horizons)]uint64 // in contacts of the sample
	late        bool                  // some of the key are later than the contact asked about
}

// judge says whether the contact c makes a rule of the family fire.
func (r *rules) judge(t *track, f family, c contact, internal bool) (crossing, bool) {
	k := key{f, c}
	n := r.tally(&t.failed, &k)
	if n.late {
		n = r.tallyLate(&t.failed, &k)
	}
	for h := range horizons {
		want := r.threshold(f, h, &c, internal)
		count, want, ok := crosses(&n, h, want, f, &t.failed)
		if !ok || !r.failing(t, &k, h, count) || f == block && !r.isBlock(t, h, c.stamp) {
			continue
		}
		return crossing{family: f, contact: c, horizon: h, count: count, threshold: want}, true
	}
	return crossing{}, false
}

// crosses returns the count that reaches a threshold, and which: the rule's own
// want, or where most of the evidence is faint the one for that.
func crosses(n *tally, h int, want uint64, f family, failed *contacts) (count, threshold uint64, ok bool) {
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
func (r *rules) tally(failed *contacts, k *key) (n tally) {
	at := k.stamp.seconds()
	for i := range failed.list {
		c := &failed.list[i]
		if !k.has(c) || c.stamp.isTold() {
			continue
		}
		if c.stamp.seconds() > at {
			return tally{late: true}
		}
		age := at - c.stamp.seconds()
		for h := len(horizons) - 1; h >= 0 && age < r.spans[h]; h-- {
			n.all[h]++
			if c.bits.isStrong() {
				n.strong[h]++
			}
		}
	}
	return n
}

// tallyLate is tally for a contact that came after later ones: the fullest
// window of each horizon that contains it counts, so that the order in which
// flows arrive does not decide.
func (r *rules) tallyLate(failed *contacts, k *key) (n tally) {
	var of []*contact
	for i := range failed.list {
		if c := &failed.list[i]; k.has(c) && !c.stamp.isTold() {
			of = append(of, c)
		}
	}
	slices.SortFunc(of, byTime)
	at := k.stamp.seconds()
	for h, span := range r.spans {
		var all, strong uint64
		first := 0
		for _, c := range of {
			all++
			if c.bits.isStrong() {
				strong++
			}
			end := c.stamp.seconds()
			for ; end-of[first].stamp.seconds() >= span; first++ {
				all--
				if of[first].bits.isStrong() {
					strong--
				}
			}
			if end >= at && end-at < span {
				n.all[h], n.strong[h] = max(n.all[h], all), max(n.strong[h], strong)
			}
		}
	}
	return n
}

// failing: of the key's targets, enough failed. ICMP requests count answered or not.
func (r *rules) failing(t *track, k *key, h int, count uint64) bool {
	if k.family == sweep {
		return true
	}
	oldest := int64(k.stamp.seconds()) - int64(r.spans[h])
	var good uint64
	for i := range t.other.list {
		if c := &t.other.list[i]; c.bits&answered != 0 && int64(c.stamp.seconds()) > oldest && k.has(c) {
			good++
		}
	}
	good *= t.other.weight()
	return float64(count) >= r.cfg.FailureRatio*float64(count+good)
}

// isBlock looks at the shape of the failed contacts within horizon h. It is not
// cheap, so what it says also tells how many more contacts it can be spared.
func (r *rules) isBlock(t *track, h int, at stamp) bool {
	if len(t.failed.list) < t.blockAt {
		return false
	}
	s := t.failedShape(int64(at.seconds()) - int64(r.spans[h]))
	if s.isBlock() {
		return true
	}
	if h == len(horizons)-1 {
		t.blockAt = len(t.failed.list) + s.untilBlock()
	}
	return false
}

// failedShape is the shape of what failed after oldest and was not yet told of.
func (t *track) failedShape(oldest int64) shape {
	o := newOutline()
	for i := range t.failed.list {
		if c := &t.failed.list[i]; !c.stamp.isTold() && int64(c.stamp.seconds()) > oldest {
			o.add(c)
		}
	}
	return o.shape()
}
