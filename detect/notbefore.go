package detect

import (
	"slices"
	"time"
)

// Not before: a question that costs much is not asked again until its answer can be
// another. Each answer bounds from above what may happen meanwhile; a bound that is too
// low only makes somebody look in vain, one that is too high would lose an alert. There
// are five, each where its answer is:
//
//	what                 asks                    the bound                              looks again at once after
//	suspect.credits      a rule about ports      a contact adds one to a key's count    new settings, a join of states, slices
//	notBefore.block      isBlock, a shape        a contact adds one to the failed ones  a purge
//	scan.said.refreshAt  refresh, a measurement  a flow adds one pair                   a new key (join); said anew
//	scan.said.jumpAt     contacted, the same     a flow adds one pair                   a new key (join); said anew
//	openScan.dueAt       due: is it quiet?       a contact only moves quiet later       nothing: it is true, or looks in vain
//
// The code is not shared: credits count down, the others are compared, each in a line.
//
// Credits are the largest. To ask a rule takes a pass over all failed contacts of a
// source, and a slow scanner sends hundreds of probes before it crosses. So what a pass
// finds is kept: how many more contacts a key needs at the least before any window of
// any horizon could cross. Each contact, new or again, adds at most one to a window, so
// until the credit is spent nobody has to look.

// credits are those of one source, for the rules about ports. Keys share a place
// by their hash; a place counts all of them, which only makes it look sooner.
type credits struct {
	hosts, ports [creditPlaces]uint8
	pairs        uint8
}

// creditPlaces: a sweep's hosts, spread over them, stay below the vertical thresholds.
const creditPlaces = 64

// maxCredit is the most that a place can hold.
const maxCredit = 1<<8 - 1

// of returns the credit of the key that a rule looks at.
func (c *credits) of(f rule, of contact) *uint8 {
	switch f {
	case vertical:
		return &c.hosts[hostPlace(of)]
	case horizontal:
		return &c.ports[portPlace(of)]
	}
	return &c.pairs
}

func hostPlace(c contact) uint64 { return hashHost(c.addr()) % creditPlaces }
func portPlace(c contact) uint64 { return c.portKey().hash() % creditPlaces }

// spend takes one contact from every key that it belongs to.
func (c *credits) spend(of contact) {
	for _, left := range [...]*uint8{&c.hosts[hostPlace(of)], &c.ports[portPlace(of)], &c.pairs} {
		if *left > 0 {
			*left--
		}
	}
}

// lend gives every place of a source with so few failed contacts its first credit.
func (c *credits) lend(r *thresholds, failed uint32, internal bool) {
	for i := range c.hosts {
		c.hosts[i] = credit(r.fewest(vertical, internal), failed)
		c.ports[i] = credit(r.fewest(horizontal, internal), failed)
	}
	c.pairs = credit(r.fewest(block, internal), failed)
}

// credit is how many more it takes from have to want.
func credit(want, have uint32) uint8 {
	if have >= want {
		return 0
	}
	return uint8(min(want-have, maxCredit))
}

// inTime is how late a contact may come and have credit: exporters tell of a flow when it
// ends, and of one that goes on every few minutes. What is later is judged at once.
const inTime = 15 * time.Minute

// hasCredit reports whether a rule cannot fire yet. A sampled set, and a sampled exporter,
// whose thresholds are others, get no credit, nor does what comes late.
func (j *judge) hasCredit(acc *account, s *suspect, f rule, of contact) bool {
	if !s.notBefore.mayFire(f, acc, s, of) {
		return true
	}
	return f <= block && acc.failed.level == 0 && !s.sampled && *s.credits.of(f, of) > 0 &&
		of.stamp().age(j.now) <= j.thresholds.late
}

// grant measures anew what the key of a contact that did not cross has left. What comes in
// time from now on shares no window with what is older than its span and the time that it may
// be late: so at each horizon only what is younger counts.
func (j *judge) grant(acc *account, s *suspect, f rule, of contact) {
	if f > block {
		return
	}
	var reach, have [len(horizons)]uint32
	for h, span := range j.thresholds.spans {
		reach[h] = span + j.thresholds.late
	}
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks.class().track() != trackPorts || !samePlace(f, c, of) {
			continue
		}
		age := c.stamp().age(j.now)
		for h := len(reach) - 1; h >= 0 && age < reach[h]; h-- {
			have[h]++
		}
	}
	left := uint8(maxCredit)
	for h := range have {
		left = min(left, credit(j.thresholds.least(f, h, s.internal), have[h]))
	}
	*s.credits.of(f, of) = left
}

func samePlace(f rule, a, b contact) bool {
	switch f {
	case vertical:
		return hostPlace(a) == hostPlace(b)
	case horizontal:
		return portPlace(a) == portPlace(b)
	}
	return true
}

// least is the lowest threshold of a rule at a horizon, whatever the key.
func (r *thresholds) least(f rule, h int, internal bool) uint32 {
	want := r.list(f, internal)[h]
	if early := r.soonest(f, internal); early > 0 && h == hour {
		want = min(want, early)
	}
	return want
}

// fewest is the lowest threshold of a rule.
func (r *thresholds) fewest(f rule, internal bool) uint32 {
	return min(slices.Min(r.list(f, internal)), r.least(f, hour, internal))
}
