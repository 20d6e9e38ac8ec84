package detect

import (
	"slices"
	"time"
)

// Who does not get a service where it asked first gets it elsewhere within seconds: on
// another port of the host, or on another host. Such a failure is no discovery.

const (
	fallbackWithin = 30 * time.Second // applications wait so long for a connection
	fallbackTries  = 3                // failures before one session on another host: a name has few addresses
	fallbackMost   = 4                // times its threshold, sessions on other hosts excuse nothing
)

// alternatives are the ports on which a client gets the same service, where it does not
// get it on the first. So few that a sweep over many ports is not excused.
var alternatives = map[portKey][]portKey{
	{443, classUDP}:  {{443, classTCP}},                                     // QUIC
	{80, classUDP}:   {{80, classTCP}, {443, classTCP}},                     // QUIC, at first
	{443, classTCP}:  {{80, classTCP}},                                      // browsers that try HTTPS first
	{853, classTCP}:  {{53, classUDP}, {53, classTCP}, {443, classTCP}},     // DNS over TLS
	{853, classUDP}:  {{53, classUDP}, {853, classTCP}, {443, classTCP}},    // DNS over QUIC
	{53, classUDP}:   {{53, classTCP}, {853, classTCP}, {443, classTCP}},    // DNS
	{993, classTCP}:  {{143, classTCP}},                                     // IMAP
	{995, classTCP}:  {{110, classTCP}},                                     // POP
	{465, classTCP}:  {{587, classTCP}, {25, classTCP}},                     // mail submission
	{587, classTCP}:  {{465, classTCP}, {25, classTCP}},                     // mail submission
	{636, classTCP}:  {{389, classTCP}},                                     // LDAP
	{5223, classTCP}: {{443, classTCP}, {2197, classTCP}},                   // Apple's notifications
	{5228, classTCP}: {{5229, classTCP}, {5230, classTCP}, {443, classTCP}}, // Google's
	{3478, classUDP}: {{3478, classTCP}, {443, classTCP}},                   // STUN, TURN
	{4500, classUDP}: {{443, classTCP}},                                     // VPNs that fall back to TLS
	{3389, classUDP}: {{3389, classTCP}},                                    // RDP's faster way
}

// hasAlternatives are the low bits of the ports among these: most ports are none, and asked
// about often.
var hasAlternatives = func() (has [1 << 10]bool) {
	for k := range alternatives {
		has[k.port%uint16(len(has))] = true
	}
	return has
}()

// fellBack: for so many of the key's targets the client had a session elsewhere within
// seconds that the rest reaches no threshold.
func (j *judge) fellBack(acc *account, s *suspect, k *key, h int, count, want uint64) bool {
	if !isWide(k.rule) {
		return false
	}
	var fell uint64
	var left []contact
	for _, c := range acc.failed.all(&j.slab) {
		switch {
		case c.marks&markReported != 0 || !k.has(c) || !j.isNear(c, k, h):
		case j.hasAlternative(acc, c):
			fell++
		default:
			left = append(left, c)
		}
	}
	weight := acc.failed.weight()
	if count-min(fell*weight, count) < want {
		return true
	}
	if !s.internal || count >= fallbackMost*want {
		return false
	}
	fell += j.succeededElsewhere(acc, s, left)
	return count-min(fell*weight, count) < want
}

// hasAlternative reports whether the host of a failure has given the client a session on
// another port. A contact knows when it was touched last, so one that goes on is taken
// for one that began in time; one that was over before is not.
func (j *judge) hasAlternative(acc *account, c contact) bool {
	if !hasAlternatives[c.port()%uint16(len(hasAlternatives))] {
		return false
	}
	for _, p := range alternatives[c.portKey()] {
		other := contact{uint64(c.addr())<<32 | uint64(p.port)<<16, marks(p.class+1) << classShift}
		at := acc.other.find(&j.slab, other, other.hash())
		if at < 0 {
			continue
		}
		if o := acc.other.at(&j.slab, at); o.marks&markAnswered != 0 && (o.stamp().after(c.stamp(), j.now) || o.stamp().age(c.stamp()) <= j.fallbackUnits()) {
			return true
		}
	}
	return false
}

// fallbackUnits is fallbackWithin in units of stamps, which round down.
func (j *judge) fallbackUnits() uint32 { return j.units.count(fallbackWithin) + 1 }

// succeededElsewhere is how many failures were each followed within seconds by a session
// of the same service with another host. A session excuses a few failures and no more:
// who sweeps a network finds hosts that answer.
func (j *judge) succeededElsewhere(acc *account, s *suspect, failures []contact) (fell uint64) {
	var sessions []contact
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 && c.marks.class() <= classUDP {
			sessions = append(sessions, c)
		}
	}
	j.byTime(sessions)
	j.byTime(failures)
	excused := make([]uint8, len(sessions))
	first := 0
	for _, c := range failures {
		for first < len(sessions) && c.stamp().after(sessions[first].stamp(), j.now) {
			first++
		}
		for i, o := range sessions[first:] {
			if c.stamp().age(o.stamp()) > j.fallbackUnits() {
				break
			}
			if excused[first+i] < fallbackTries && o.addr() != c.addr() && j.isSameService(s, c, o) {
				excused[first+i]++
				fell++
				break
			}
		}
	}
	return fell
}

// isSameService reports whether a client may get from the target of a session what it
// did not get from another host, outside: on the same port, if applications ask it on the
// Internet by themselves, or on an alternative. Nearly everybody has sessions with web
// servers, so they stand for the web alone.
func (j *judge) isSameService(s *suspect, failed, session contact) bool {
	of, by := failed.portKey(), session.portKey()
	switch {
	case !s.knows(failed.addr()) || j.isInternal(s.target(failed)):
		return false
	case of == by:
		return slices.Contains(ordinary, of.port) && !j.isSensitive(failed)
	case by == portKey{443, classTCP} && of.port != 443 && of.port != 80:
		return false
	}
	return slices.Contains(alternatives[of], by)
}
