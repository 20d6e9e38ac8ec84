package detect

import "slices"

// judge asks the rules of a source. It has no state: what it remembers of a question
// stands with the source.
type judge struct {
	*moment
	*policy
	*network
	*ledger
}

// crossing is a rule that a contact made fire.
type crossing struct {
	rule       rule
	contact    contact // the one that crossed
	horizon    int
	count      uint64
	threshold  uint64
	sequential bool // by the sequential test
	sensitive  bool // by rule S
	fanOut     bool // by rule F
}

// key is what a rule counts: a host, a port, or all of a track.
type key struct {
	rule rule
	contact
	besides   []*scan // of mixed: what these are about is told by them
	sensitive bool    // of rule S: sensitive ports alone count
}

// keyOfRule is what a rule counts when it is asked about a contact of a source.
func keyOfRule(s *suspect, f rule, c contact) key {
	k := key{rule: f, contact: c}
	if f == mixed {
		k.besides = s.scans
	}
	return k
}

func (k *key) has(c contact) bool {
	a, b := k.marks.class(), c.marks.class()
	switch k.rule {
	case vertical:
		return a == b && c.addr() == k.addr()
	case horizontal, sweep:
		return a == b && c.port() == k.port()
	case protocols:
		return b == classOther && c.addr() == k.addr()
	case mixed:
		return b == classTCP && !slices.ContainsFunc(k.besides, func(sc *scan) bool { return sc.covers(c) })
	}
	return b.track() == trackPorts
}

// tally is how many failed contacts of a key lie within each horizon.
type tally struct {
	strong, all [len(horizons)]uint64 // in contacts of the sample
	late        bool                  // some of the key are later than the contact asked about
}

// ask says whether the contact c makes a rule fire.
func (j *judge) ask(acc *account, s *suspect, f rule, c contact) (crossing, bool) {
	k := keyOfRule(s, f, c)
	n := j.tally(&acc.failed, &k)
	if n.late {
		n = j.tallyLate(&acc.failed, &k)
	}
	if f == sweep {
		n = j.withAnswered(acc, s, &k, n)
	}
	for h := range horizons {
		want, ratio := j.demand(s, f, h, c)
		count, want, ok := crosses(&n, h, want, f, &acc.failed)
		if !ok || !j.failing(acc, &k, h, count, ratio) || !j.hasShape(acc, s, &k, h) {
			continue
		}
		if g := j.excused(acc, s, &k, h, count, want); g != guardNone {
			j.stats.Silenced[g]++
			continue
		}
		return crossing{rule: f, contact: c, horizon: h, count: count, threshold: want}, true
	}
	if f == mixed {
		s.notBefore.lacking(acc, &n)
		return crossing{}, false
	}
	x, ok := j.sequential(acc, s, &k, &n)
	if x.sequential && !ok {
		j.stats.Silenced[guardOutage]++
	}
	return x, ok
}

// demand is the count that crosses, and the share of failures that it takes.
func (j *judge) demand(s *suspect, f rule, h int, c contact) (want uint64, ratio float64) {
	want = j.thresholds.threshold(f, h, c, s.internal)
	e := &s.evidence[c.marks.class().track()]
	switch {
	case f == mixed:
		return want, max(mixedRatio, j.cfg.FailureRatio)
	case !s.sampled:
		return want, j.cfg.FailureRatio
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
func crosses(n *tally, h int, want uint64, f rule, failed *set) (count, threshold uint64, ok bool) {
	if failed.level > 0 && n.all[h] < minSample {
		return 0, want, false
	}
	if strong := n.strong[h] * failed.weight(); strong >= want && want > 0 {
		return strong, want, true
	}
	if f == mixed {
		return 0, want, false
	}
	want = max(want, f.faint())
	all := n.all[h] * failed.weight()
	return all, want, all >= want
}

// tally counts backwards from k's own time: flows mostly come in order.
func (j *judge) tally(failed *set, k *key) (n tally) {
	at := k.stamp()
	for _, c := range failed.all(&j.slab) {
		if c.marks&markReported != 0 || !k.has(c) {
			continue
		}
		if c.stamp().after(at, j.now) {
			return tally{late: true}
		}
		age := c.stamp().age(at)
		for h := len(horizons) - 1; h >= 0 && age < j.thresholds.spans[h]; h-- {
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
func (j *judge) tallyLate(failed *set, k *key) (n tally) {
	var of []contact
	for _, c := range failed.all(&j.slab) {
		if c.marks&markReported == 0 && k.has(c) {
			of = append(of, c)
		}
	}
	j.byTime(of)
	at := k.stamp()
	for h, span := range j.thresholds.spans {
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
			if !at.after(end, j.now) && at.age(end) < span {
				n.all[h], n.strong[h] = max(n.all[h], all), max(n.strong[h], strong)
			}
		}
	}
	return n
}

// reachedPerSession is how many targets that were reached, and told nothing, excuse as
// much as one session: a connect scan of a network of which half is there must cross, a
// monitor in its first round with 2 % down must not.
const reachedPerSession = 3

// failing: of the key's targets, enough failed. ICMP requests count answered or not.
func (j *judge) failing(acc *account, k *key, h int, count uint64, ratio float64) bool {
	if k.rule == sweep {
		return true
	}
	var answered, reached uint64
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&(markAnswered|markReached) == 0 || !k.has(c) {
			continue
		}
		switch {
		case !c.stamp().after(k.stamp(), j.now) && c.stamp().age(k.stamp()) >= j.thresholds.spans[h]:
		case c.marks&markAnswered != 0:
			answered++
		default:
			reached++
		}
	}
	good := float64(acc.other.weight()) * (float64(answered) + float64(reached)/reachedPerSession)
	return float64(count) >= ratio*(float64(count)+good)
}

// failedShape is the shape of what failed within a time and was not yet reported.
func (j *judge) failedShape(acc *account, track trackKind, within func(contact) bool) shape {
	j.scratch.outline.reset()
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks&markReported == 0 && c.marks.class().track() == track && within(c) {
			j.scratch.outline.add(c)
		}
	}
	return j.scratch.outline.shape()
}

func always(contact) bool { return true }
