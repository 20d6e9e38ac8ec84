package detect

import (
	"fmt"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// The sequential hypothesis test (Jung, Paxson, Berger and Balakrishnan, "Fast
// portscan detection using sequential hypothesis testing", 2004) as a sum that a
// failed contact raises by ln 4, an answered one lowers by ln 4, that never falls
// below 0 and alarms at 11.5: in whole steps, 9 net failures. It opens an alert
// earlier than the table does; that a source passes it excuses nothing.
//
// It is for internal sources: there a scanner has few addresses, answers are seen
// and a person can look. An external source that tries nine hosts an hour is the
// weather. It is off unless a setting says otherwise: of the false alarms that were
// found with real networks most came from it, and no scan needed it.

// hour is the horizon whose contacts it walks.
const hour = 1

// soonest is the lowest number of failed contacts of a key with which the
// sequential test can fire, whatever the key; 0: it cannot.
func (r *thresholds) soonest(f rule, internal bool) uint32 {
	if !internal || f != vertical && f != horizontal {
		return 0
	}
	return r.cfg.Sequential
}

// netFailures is how many of the key of c fire; on a busy port no fewer than the table
// wants, for most false alarms of this test were clients there.
func (r *thresholds) netFailures(f rule, c contact) uint64 {
	want := uint64(r.cfg.Sequential)
	if f == horizontal && slices.Contains(r.cfg.BusyPorts, c.port()) {
		return max(want*uint64(r.cfg.BusyFactor), r.threshold(f, hour, c, true))
	}
	if c.marks.class() == classUDP {
		want *= uint64(r.cfg.UDPFactor)
	}
	return want
}

// sequential says whether the contact of k makes the test fire. n is the tally of
// k, so that there is nothing to walk while too few failed. A crossing that is
// early and does not fire is one of a client whose targets are down.
func (j *judge) sequential(acc *account, s *suspect, k *key, n *tally) (crossing, bool) {
	if j.thresholds.soonest(k.rule, s.internal) == 0 || !k.marks.isStrong() || acc.failed.level > 0 {
		return crossing{}, false
	}
	want := j.thresholds.netFailures(k.rule, k.contact)
	e := &s.evidence[k.marks.class().track()]
	if n.strong[hour] < want || s.sampled || e.confidence() == "low" {
		return crossing{}, false
	}
	steps := j.steps(acc, k)
	x := crossing{rule: k.rule, contact: k.contact, horizon: hour, threshold: want}
	if x.count = j.walk(steps, k.stamp(), acc.other.weight(), want); x.count < want {
		return x, false
	}
	up := slices.DeleteFunc(steps, func(c contact) bool { return c.marks.isProbe() && j.outages.down(c.hash(), j.second) })
	x.sequential = true
	return x, j.walk(up, k.stamp(), acc.other.weight(), want) >= want
}

// steps are the contacts of k that count, failed and answered, within an hour of
// its own, in the order of time.
func (j *judge) steps(acc *account, k *key) (steps []contact) {
	at, span := k.stamp(), j.thresholds.spans[hour]
	near := func(s stamp) bool {
		if s.after(at, j.now) {
			return at.age(s) < span
		}
		return s.age(at) < span
	}
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks.isStrong() && c.marks&markReported == 0 && k.has(c) && near(c.stamp()) {
			steps = append(steps, c)
		}
	}
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 && k.has(c) && near(c.stamp()) {
			steps = append(steps, c)
		}
	}
	j.byTime(steps)
	return steps
}

// walk returns the first sum that reaches want, of an hour that ends at the time at
// or after it: flows may come late, and their order does not decide. An answered
// contact stands for good of them.
func (j *judge) walk(steps []contact, at stamp, good, want uint64) uint64 {
	first := 0
	for i, c := range steps {
		end := c.stamp()
		if at.after(end, j.now) || i+1 < len(steps) && steps[i+1].stamp() == end {
			continue
		}
		for ; steps[first].stamp().age(end) >= j.thresholds.spans[hour]; first++ {
		}
		var sum, failed, answered uint64
		for _, c := range steps[first : i+1] {
			if c.marks.isProbe() {
				sum++
				failed++
				continue
			}
			sum -= min(good, sum)
			answered += good
		}
		if sum >= want && float64(failed) >= j.cfg.FailureRatio*float64(failed+answered) {
			return sum
		}
	}
	return 0
}

// name is that of what fired.
func (x *crossing) name() string {
	switch {
	case x.sequential:
		return "early-" + x.rule.String()
	case x.sensitive:
		return "sensitive-" + x.rule.String()
	case x.fanOut:
		return "fan-out-" + x.rule.String()
	}
	return x.rule.String()
}

// reasonName is how a reason calls the threshold.
func (x *crossing) reasonName() string {
	if x.sensitive {
		return x.name()
	}
	return x.rule.String()
}

func reasonSequential(x *crossing) string {
	return fmt.Sprintf("sequential test: %d net failures within %s", x.count, schema.Duration(horizons[x.horizon]))
}
