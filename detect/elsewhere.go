package detect

import (
	"slices"
	"time"
)

// What somebody who looks at the other hosts and services that a source uses would say of the ports
// of one host that fail.

// twinShare of five of the ports that fail on a host must work on one other host.
const twinShare = 4

// worksElsewhere: what fails on a host works on its twin. Who polls the services of a fleet, or has a
// second server for the case that the first one fails, meets a host on which none of them
// answers, and has sessions on the same ports of another. Somebody who scans a host tries ports that he
// has no use for.
func (j *judge) worksElsewhere(acc *account, k *key, h int) bool {
	if k.rule != vertical || acc.failed.level > 0 {
		return false
	}
	of := map[uint16]bool{}
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks&markReported == 0 && k.has(c) && j.isNear(c, k, h) && (!k.sensitive || j.isSensitive(c)) {
			of[c.port()] = true
		}
	}
	works, most := map[uint32]int{}, 0 // ports, by host
	for _, c := range acc.other.all(&j.slab) {
		if of[c.port()] && c.addr() != k.addr() && c.marks.class() == k.marks.class() && j.isInUse(c) {
			works[c.addr()]++
			most = max(most, works[c.addr()])
		}
	}
	return most*int(acc.other.weight())*5 >= len(of)*twinShare
}

// isInUse: the source has a session with the target, or comes to it again and again.
func (j *judge) isInUse(c contact) bool { return c.marks&markAnswered != 0 || c.isKept() }

// namers are the services that name ports of their host for what comes next: FTP (RFC 959), the
// portmapper (RFC 1833), DCE's endpoint mapper, RTSP (RFC 2326).
var namers = []uint16{21, 111, 135, 554}

// namedBefore is how long before a port is asked its service has named it.
const namedBefore = time.Minute

// isNamed: the ports of a host that fail are such as its own service names, and with that
// the source has a session now. A filter in between does not let them through. Up to peerFactor times the
// threshold, and for no system port.
func (j *judge) isNamed(acc *account, k *key, count, want uint64) bool {
	if k.rule != vertical || k.marks.class() > classUDP || count >= peerFactor*want {
		return false
	}
	for _, c := range acc.failed.all(&j.slab) {
		if k.has(c) && c.port() < lowestPeered {
			return false
		}
	}
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 && c.marks.class() <= classUDP && c.addr() == k.addr() && slices.Contains(namers, c.port()) &&
			(c.stamp().after(k.stamp(), j.now) || c.stamp().age(k.stamp()) <= j.units.count(namedBefore)) {
			return true
		}
	}
	return false
}
