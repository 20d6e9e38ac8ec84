package detect

import "net/netip"

// What is known of peers beside excused.go: a program that talks with many hosts of the
// Internet as one of them, and does not look for them. Peers lie apart, one in a network, and
// have ports of their own or the one that their program comes with. Many are gone whenever it
// asks; some answer, and that is what tells it from somebody who tries addresses.

const (
	peersShare = 15  // of so many that are asked, one at least has a session
	swarmPorts = 30  // on which the peers of a swarm lie
	swarmAlike = 0.9 // of the pairs are on hosts that no other pair is on
)

// isAmongPeers: of hosts that lie apart, on a port that a program may choose, enough answer; or they are
// the part of a swarm that kept the usual port; or it is one host that is met through
// its address translator.
func (j *judge) isAmongPeers(acc *account, s *suspect, k *key, h int, count, want uint64) bool {
	if s.sampled || k.marks.class() > classUDP || k.port() < lowestPeered || j.isSensitive(k.contact) || !j.leadsOut(s, k.contact) {
		return false
	}
	switch k.rule {
	case horizontal:
		return j.peersAnswer(acc, s, k, h) || count < peerFactor*want && j.isSwarm(acc, s, k, h)
	case vertical:
		return count < peerFactor*want && s.internal && j.isPunched(acc, s, k)
	}
	return false
}

// leadsOut: a source of ours asks somebody else. Where nobody knows what is ours, anybody may.
func (j *judge) leadsOut(s *suspect, c contact) bool {
	if len(j.cfg.Internal) == 0 {
		return true
	}
	return s.internal && s.knows(c.addr()) && !j.isInternal(s.target(c))
}

// peersAnswer: of all the key's hosts one in fifteen or more has a session, and those that failed
// within the horizon lie apart. Of addresses that somebody tries one in a hundred has the service.
func (j *judge) peersAnswer(acc *account, s *suspect, k *key, h int) bool {
	var answered, failed uint64
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 && k.has(c) {
			answered += acc.other.weight()
		}
	}
	for _, c := range acc.failed.all(&j.slab) {
		if k.has(c) {
			failed += acc.failed.weight()
		}
	}
	return answered*peersShare >= failed+answered && j.isApart(acc, s, j.nearOf(k, h))
}

// nearOf are the contacts of a key within a horizon.
func (j *judge) nearOf(k *key, h int) func(contact) bool {
	return func(c contact) bool { return k.has(c) && j.isNear(c, k, h) }
}

// isApart: the failed contacts of a kind lie in as good as one network each.
func (j *judge) isApart(acc *account, s *suspect, of func(contact) bool) bool {
	j.scratch.outline.reset()
	j.scratch.met.reset()
	names := map[netip.Addr]bool{}
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks&markReported != 0 || !of(c) {
			continue
		}
		if !s.isV4() {
			a := s.target(c)
			if !a.IsValid() {
				continue // of a few hundred it is remembered
			}
			net, _ := a.Prefix(netBits6) // an address is never too short
			names[net.Addr()] = true
		}
		j.scratch.outline.add(c)
		j.scratch.met.add(c.addr() >> (32 - netBits4))
	}
	n := uint64(len(j.scratch.met.used))
	if !s.isV4() {
		n = uint64(len(names))
	}
	return !spread{hosts: uint64(len(j.scratch.outline.hosts.used)), nets: n}.isTogether()
}

// isSwarm: the key's port is one of many on which the source asks hosts outside that lie apart,
// each on one port, and it is not what most of them are asked on.
func (j *judge) isSwarm(acc *account, s *suspect, k *key, h int) bool {
	hosts, ports := map[uint32]bool{}, map[uint16]bool{}
	pairs, on := 0, 0 // so many pairs, and of them on the key's port
	j.each(acc, func(c contact) {
		if c.marks.class() != k.marks.class() || c.port() < lowestPeered || !j.leadsOut(s, c) {
			return
		}
		pairs++
		if c.port() == k.port() {
			on++
		}
		hosts[c.addr()], ports[c.port()] = true, true
	})
	return len(ports) >= swarmPorts && 2*on <= pairs && float64(len(hosts)) >= swarmAlike*float64(pairs) &&
		j.isApart(acc, s, j.nearOf(k, h))
}

// isPunched: one UDP socket of ours sends to ports of one host outside that are no service's:
// its address translator has opened one of them for a peer, and nobody knows which. So do those
// who answer clients behind a translator, where their questions are not seen.
func (j *judge) isPunched(acc *account, s *suspect, k *key) bool {
	if k.marks.class() != classUDP || !s.hasFixedSocket() {
		return false
	}
	for _, c := range acc.failed.all(&j.slab) {
		if k.has(c) && c.port() < lowestPeered {
			return false
		}
	}
	return true
}

// hasFixedSocket reports whether a third of what fails leaves one port that clients may have.
func (s *suspect) hasFixedSocket() bool {
	for _, p := range s.evidence[trackPorts].commonPorts() {
		if p >= lowestPeered {
			return true
		}
	}
	return false
}
