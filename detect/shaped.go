package detect

import (
	"net/netip"
)

// A block, and what is mixed, is about all of a track, and has a shape: how many hosts
// and ports the pairs lie on. While a source's set holds all, the shape is read off it.
// Beyond, the set is a sample of pairs, and every sample of a scan in random order looks
// thin, as masscan and zmap scan. There the sketches count hosts, ports and pairs.

// hasShape reports whether the failed contacts have the shape that a rule asks for.
func (j *judge) hasShape(acc *account, s *suspect, k *key, h int) bool {
	switch k.rule {
	case block:
		return j.isBlock(acc, s, h, k.stamp())
	case mixed:
		return j.isTogether(acc, s, k, h)
	}
	return true
}

// notBefore is when the rules of all of a track are worth asking again. What lies
// before could not have fired, whatever came meanwhile.
type notBefore struct {
	fresh   uint64 // failed targets that counted anew, since this was forgotten
	block   uint64 // so many of them
	mixed   uint64 // so many of them
	counted uint64 // flows of the track, once sketches count
}

// mayFire reports whether a rule may fire by now.
func (n *notBefore) mayFire(f rule, acc *account, s *suspect, of contact) bool {
	counted := acc.failed.level > 0
	switch f {
	case block:
		return counted && s.evidence[trackPorts].flows >= n.counted || !counted && n.fresh >= n.block
	case mixed:
		return of.marks.class() == classTCP && of.marks.isStrong() && n.fresh >= n.mixed && acc.failed.estimate() >= uint64(mixedPairs[hour])
	}
	return true
}

// lacking notes how many more pairs rule M wants at the least: each contact adds one to
// each horizon.
func (n *notBefore) lacking(acc *account, of *tally) {
	least := uint64(0)
	for h, want := range mixedPairs {
		if have := of.strong[h] * acc.failed.weight(); want > 0 && have < uint64(want) && (least == 0 || uint64(want)-have < least) {
			least = uint64(want) - have
		}
	}
	n.mixed = max(n.mixed, n.fresh+least)
}

// isBlock asks for many by many within horizon h.
func (j *judge) isBlock(acc *account, s *suspect, h int, at stamp) bool {
	last := h == len(horizons)-1
	if acc.failed.level > 0 {
		seen := j.countedShape(s, h)
		if !seen.isBlock() && last {
			// A flow is at most one pair. What the window forgets could make a block sooner.
			s.notBefore.counted = s.evidence[trackPorts].flows + min(uint64(seen.untilBlock()), seen.pairs/16+1)
		}
		return seen.isBlock()
	}
	seen := j.failedShape(acc, trackPorts, j.around(h, at))
	if !seen.isBlock() && last {
		s.notBefore.block = s.notBefore.fresh + uint64(seen.untilBlock())
	}
	return seen.isBlock()
}

// around tells which contacts lie within horizon h before a stamp, or after it.
func (j *judge) around(h int, at stamp) func(contact) bool {
	return func(c contact) bool { return c.stamp().after(at, j.now) || c.stamp().age(at) < j.thresholds.spans[h] }
}

// countedShape is what the sketches count within horizon h, to the pane.
func (j *judge) countedShape(s *suspect, h int) shape {
	k := s.sketch[trackPorts]
	if k == nil {
		return shape{}
	}
	panes := min(uint16(j.thresholds.spans[h]>>paneShift)+1, j.panes.Panes)
	var n shape
	n.pairs, _ = k.counted().Count(&j.panes, panes)
	n.hosts, _ = k.hosts.Count(&j.panes, panes)
	n.ports, _ = k.ports.Count(&j.panes, panes)
	n.pairs = max(n.pairs-min(k.reportedPairs, n.pairs), n.hosts, n.ports)
	return n
}

// shapeOf is the shape of all that failed and was not reported.
func (j *judge) shapeOf(acc *account, s *suspect, t trackKind) shape {
	seen := j.failedShape(acc, t, always)
	if acc.failed.level > 0 && t == trackPorts && s.sketch[t] != nil {
		counted := j.countedShape(s, len(horizons)-1)
		counted.mostHosts, counted.mostPorts = seen.mostHosts, seen.mostPorts // a sample has the shares
		return counted
	}
	return seen
}

// Somebody who scans meets several hosts in a network, and meets hosts or ports again. The
// peers of a peer-to-peer host lie one in a network, each on a port of its own.
const (
	hostsTogether = 2    // in a /24, on average
	peersAlike    = 0.97 // of the pairs are on hosts, and on ports, that no other pair is on
	nearlyAlike   = 0.92 // where these are estimates: four errors of their quotient less
)

// spread is on how many hosts, ports and networks (/24; of IPv6 /64) so many pairs lie.
type spread struct {
	pairs, hosts, ports, nets uint64
	estimated                 bool
}

func (s spread) isTogether() bool { return s.hosts >= hostsTogether*s.nets }

func (s spread) isPeers() bool {
	alike := peersAlike
	if s.estimated {
		alike = nearlyAlike
	}
	return float64(min(s.hosts, s.ports)) >= alike*float64(s.pairs)
}

// isTogether asks for lone SYNs to hosts that lie together, within horizon h.
func (j *judge) isTogether(acc *account, s *suspect, k *key, h int) bool {
	e := &s.evidence[trackPorts]
	if s.sampled || 10*e.outcomes[flaglessBit] > e.outcomes[failedBit] {
		return false
	}
	seen := j.spread(acc, s, k, h)
	if seen.isTogether() && !seen.isPeers() {
		return true
	}
	if h == len(horizons)-1 {
		s.notBefore.mixed = s.notBefore.fresh + acc.failed.estimate()/16
	}
	return false
}

// spread is that of the lone SYNs of a key within horizon h.
func (j *judge) spread(acc *account, s *suspect, k *key, h int) spread {
	if of := s.sketch[trackPorts]; acc.failed.level > 0 && len(k.besides) == 0 && of != nil && of.footprint != nil {
		if n := of.footprint.heldNetworks(); n > 0 {
			counted := j.countedShape(s, len(horizons)-1)
			return spread{counted.pairs, counted.hosts, counted.ports, n, true}
		}
	}
	around := j.around(h, k.stamp())
	j.scratch.outline.reset()
	j.scratch.met.reset()
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks&markReported == 0 && c.marks.isStrong() && k.has(c) && around(c) {
			j.scratch.outline.add(c)
			j.scratch.met.add(c.addr() >> (32 - netBits4))
		}
	}
	o := j.scratch.outline
	n := spread{o.pairs, uint64(len(o.hosts.used)), uint64(len(o.ports.used)), uint64(len(j.scratch.met.used)), false}
	if !s.isV4() {
		n.nets = n.hosts * s.namedNets() / max(uint64(len(s.names)), 1)
	}
	return n
}

// namedNets is in how many /64s the targets lie whose addresses are remembered.
func (s *suspect) namedNets() uint64 {
	of := map[netip.Addr]bool{}
	for _, a := range s.names {
		net, _ := a.Prefix(netBits6) // an address is never too short
		of[net.Addr()] = true
	}
	return uint64(len(of))
}

// heldNetworks is how many /24s were touched; 0 where the footprint does not tell.
func (f *footprint) heldNetworks() (n uint64) {
	if f.partial {
		return 0
	}
	if f.coarse != nil {
		if f.coarse.length != 8 {
			return 0
		}
		return uint64(f.coarse.numbers.Len())
	}
	const words = 256 / 64
	for i := range f.fine {
		last := -1
		for at := range f.fine[i].numbers.Words {
			if at/words != last {
				last = at / words
				n++
			}
		}
	}
	return n
}

// The places of outcomes in evidence.
const (
	failedBit   = 0
	flaglessBit = 4
	answeredBit = 6
)
