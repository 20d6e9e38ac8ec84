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
// weather.

// hour is the horizon whose contacts it walks.
const hour = 1

// soonest is the lowest number of failed contacts of a key with which the
// sequential test can fire, whatever the key; 0: it cannot.
func (r *rules) soonest(f family, internal bool) uint32 {
	if !internal || f != vertical && f != horizontal {
		return 0
	}
	return r.cfg.Early
}

// early is how many net failures of the key of c fire.
func (r *rules) early(f family, c contact) uint64 {
	want := uint64(r.cfg.Early)
	if f == horizontal && slices.Contains(r.cfg.BusyPorts, c.port()) {
		want *= uint64(r.cfg.BusyFactor)
	}
	if c.marks.class() == classUDP {
		want *= uint64(r.cfg.UDPFactor)
	}
	return want
}

// sequential says whether the contact of k makes the test fire. n is the tally of
// k, so that there is nothing to walk while too few failed. A crossing that is
// early and does not fire is one of a client whose targets are down.
func (d *Detector) sequential(rec *record, s *suspect, k *key, n *tally) (crossing, bool) {
	if d.rules.soonest(k.family, s.internal) == 0 || !k.marks.isStrong() || rec.failed.level > 0 {
		return crossing{}, false
	}
	want := d.rules.early(k.family, k.contact)
	e := &s.evidence[k.marks.class().track()]
	if n.strong[hour] < want || e.sampling > 1 || e.confidence() == "low" {
		return crossing{}, false
	}
	steps := d.steps(rec, k)
	x := crossing{family: k.family, contact: k.contact, horizon: hour, threshold: want}
	if x.count = d.walk(steps, k.stamp(), rec.other.weight(), want); x.count < want {
		return x, false
	}
	up := slices.DeleteFunc(steps, func(c contact) bool { return c.marks.isProbe() && d.targets.down(c.hash(), d.second) })
	x.early = true
	return x, d.walk(up, k.stamp(), rec.other.weight(), want) >= want
}

// steps are the contacts of k that count, failed and answered, within an hour of
// its own, in the order of time.
func (d *Detector) steps(rec *record, k *key) (steps []contact) {
	at, span := k.stamp(), d.rules.spans[hour]
	near := func(s stamp) bool {
		if s.after(at, d.now) {
			return at.age(s) < span
		}
		return s.age(at) < span
	}
	for _, c := range rec.failed.all(&d.slab) {
		if c.marks.isStrong() && c.marks&markTold == 0 && k.has(c) && near(c.stamp()) {
			steps = append(steps, c)
		}
	}
	for _, c := range rec.other.all(&d.slab) {
		if c.marks&markAnswered != 0 && k.has(c) && near(c.stamp()) {
			steps = append(steps, c)
		}
	}
	d.byTime(steps)
	return steps
}

// walk returns the first sum that reaches want, of an hour that ends at the time at
// or after it: flows may come late, and their order does not decide. An answered
// contact stands for good of them.
func (d *Detector) walk(steps []contact, at stamp, good, want uint64) uint64 {
	first := 0
	for i, c := range steps {
		end := c.stamp()
		if at.after(end, d.now) || i+1 < len(steps) && steps[i+1].stamp() == end {
			continue
		}
		for ; steps[first].stamp().age(end) >= d.rules.spans[hour]; first++ {
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
		if sum >= want && float64(failed) >= d.cfg.FailureRatio*float64(failed+answered) {
			return sum
		}
	}
	return 0
}

// rule is the name of what fired.
func (x *crossing) rule() string {
	if x.early {
		return "early-" + x.family.String()
	}
	return x.family.String()
}

func reasonEarly(x *crossing) string {
	return fmt.Sprintf("sequential test: %d net failures within %s", x.count, schema.Duration(horizons[x.horizon]))
}
