package detect

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Rule F: a fan-out without failure. Where everything answers, as a tarpit does or a LAN
// whose hosts all have the port, a connect scan never fails: it reaches, says nothing and
// goes on. What counts is the new target: whoever reached it before, within the window or
// within 7 days, is a monitor. So the rule needs a day of memory before it may fire.

const (
	fanOutPorts = 100 // of one host, within an hour
	fanOutHosts = 200 // of ours on one sensitive port, within an hour, by a source of ours
	fanOutFrom  = 16  // contacts that did not fail, from which a source is watched
	fanOutAfter = 24 * time.Hour
)

// fanOut counts the new targets of the keys that a source reached lately. A key takes the
// place of another: what is forgotten begins again.
type fanOut struct {
	hosts, ports [2]fanned
}

// fanned is how many new targets of a key were reached in an hour.
type fanned struct {
	key   uint32
	since uint32 // second
	n     uint32
}

// add counts a new target of a key at a second, and returns how many there are; before
// counts those of a key that is not known yet, the new one included.
func (f *fanned) add(key, second uint32, before func() uint32) uint64 {
	switch {
	case f.n == 0 || f.key != key:
		*f = fanned{key: key, since: second, n: before()}
		return uint64(f.n)
	case second > f.since+3600:
		// The second half of an hour that is over goes on with the next.
		f.n /= 2
		f.since = second - 1800
	}
	f.n++
	return uint64(f.n)
}

// fansOut reports whether a change is the first touch of a target that was reached and told
// nothing.
func (n *change) fansOut() bool {
	return !n.known && n.c.marks&outcomeMarks == markReached && n.c.marks.class() == classTCP
}

// fannedOut says whether a contact that was reached makes rule F fire.
func (j *judge) fannedOut(acc *account, s *suspect, c contact, t schema.Time) (crossing, bool) {
	if j.clock.now.Sub(j.clock.began) < fanOutAfter || j.network.wasKnownGood(s.key(), c.hash()) || s.sampled {
		return crossing{}, false
	}
	second := uint32(t.Seconds())
	before := func(f rule) func() uint32 {
		return func() uint32 { return min(j.reachedWithin(acc, &key{rule: f, contact: c}), fanOutFrom) }
	}
	x := crossing{rule: vertical, contact: c, horizon: hour, threshold: fanOutPorts, fanOut: true}
	if x.count = s.fanOut.hosts[hashHost(c.addr())&1].add(c.addr(), second, before(vertical)); x.count >= fanOutPorts {
		return x, true
	}
	if j.fansOutInside(s, c) {
		x.rule, x.threshold = horizontal, fanOutHosts
		x.count = s.fanOut.ports[c.portKey().hash()&1].add(uint32(c.port()), second, before(horizontal))
		return x, x.count >= fanOutHosts
	}
	return crossing{}, false
}

// fansOutInside reports whether a contact counts for the rule about our hosts on one port.
func (j *judge) fansOutInside(s *suspect, c contact) bool {
	return s.internal && j.isSensitive(c) && s.knows(c.addr()) && j.isInternal(s.target(c))
}

// reachedWithin is how many targets of a key were reached within an hour. Of those that
// came while the source was not watched it is not known whether they were new.
func (j *judge) reachedWithin(acc *account, k *key) (n uint32) {
	around := j.around(hour, k.stamp())
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&outcomeMarks == markReached && k.has(c) && around(c) {
			n++
		}
	}
	return n
}
