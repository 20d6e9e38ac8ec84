package detect

import "slices"

// excused returns the guard that keeps a crossing silent, or guardNone: what somebody who
// looks at all that the source did would say of it.
func (j *judge) excused(acc *account, s *suspect, k *key, h int, count, want uint64) guard {
	switch {
	case j.isDown(acc, k, h, count, want):
		return guardOutage
	case j.fellBack(acc, s, k, h, count, want):
		return guardFallback
	case j.isCutOff(acc, s, k, h, count, want):
		return guardCutOff
	case j.isPeer(acc, s, k, count, want), j.isAmongPeers(acc, s, k, h, count, want):
		return guardPeerToPeer
	case j.worksElsewhere(acc, k, h):
		return guardElsewhere
	case j.isNamed(acc, k, count, want):
		return guardNamed
	case j.isWatch(acc, s, k, h, count, want):
		return guardPing
	}
	return guardNone
}

// isWide reports whether a rule is about many hosts.
func isWide(f rule) bool { return f == horizontal || f == block || f == mixed }

// isNear reports whether a contact lies within a horizon of the one that is asked about.
func (j *judge) isNear(c contact, k *key, h int) bool {
	return c.stamp().after(k.stamp(), j.now) || c.stamp().age(k.stamp()) < j.thresholds.spans[h]
}

// ordinary are the ports that applications ask on the Internet by themselves.
var ordinary = []uint16{53, 80, 123, 443, 853, 993, 3478, 5222, 5223, 5228, 8080, 8443, 8883}

// cutOffMost times its threshold a cut-off client's failures are no scan: it has only the
// addresses that it still knows.
const cutOffMost = 16

// namesEnough: of more IPv6 targets than are remembered by name, so many speak for the rest.
const namesEnough = 64

// isCutOff: of a source of ours nothing that it asks outside succeeds, and it asks there what
// ordinary clients ask. Its uplink is gone, or its IPv6 leads nowhere. Where nobody knows what is
// ours, what it asks must lie apart, as what is scanned from outside does not.
func (j *judge) isCutOff(acc *account, s *suspect, k *key, h int, count, want uint64) bool {
	if count >= cutOffMost*want || !isWide(k.rule) || k.rule == horizontal && !slices.Contains(ordinary, k.port()) {
		return false
	}
	if !s.internal && !(len(j.cfg.Internal) == 0 && j.isApart(acc, s, j.nearOf(k, h))) {
		return false
	}
	var known, unknown int
	first := k.stamp() // of the failures
	for _, c := range acc.failed.all(&j.slab) {
		if !j.isNear(c, k, h) || c.marks.class().track() != trackPorts {
			if !s.isV4() && s.knows(c.addr()) {
				known++ // names are remembered of the first ones
			}
			continue
		}
		if first.after(c.stamp(), j.now) {
			first = c.stamp()
		}
		switch {
		case !slices.Contains(ordinary, c.port()), s.knows(c.addr()) && j.isInternal(s.target(c)):
			return false
		case s.knows(c.addr()):
			known++
		default:
			unknown++
		}
	}
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 && c.stamp().after(first, j.now) && !(s.knows(c.addr()) && j.isInternal(s.target(c))) {
			return false
		}
	}
	return known >= min(unknown, namesEnough)
}

const (
	peerFactor = 4  // and no more: a bot whose peers are gone must still be told
	peerPorts  = 10 // on which the targets of one socket lie
)

// isPeer: one fixed UDP socket of ours asks many hosts, each on the port that it chose; or
// strangers come to the port that it asks of others.
func (j *judge) isPeer(acc *account, s *suspect, k *key, count, want uint64) bool {
	if !s.internal || count >= peerFactor*want || !isWide(k.rule) {
		return false
	}
	if k.rule == horizontal && j.isVisited(s, k) {
		return true
	}
	if k.marks.class() != classUDP || !s.hasFixedSocket() {
		return false
	}
	ports := map[uint16]bool{}
	j.each(acc, func(c contact) {
		if c.marks.class() == classUDP && len(ports) < peerPorts {
			ports[c.port()] = true
		}
	})
	return len(ports) >= peerPorts
}
