package detect

import (
	"net/netip"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/scanhound/scanhound/schema"
)

// A sample of targets: so many of the first, of the last, and of the rest.
const (
	endTargets  = 5
	someTargets = 10
)

// targets is a sample that is the same on every replay: the first, those of the
// rest that the alert's id picks at random, and the last. Behind it there is room for so
// many more addresses.
func (m *measured) targets(sc *scan, room int) []netip.Addr {
	first := m.hosts[:min(len(m.hosts), endTargets)]
	last := m.hosts[max(len(m.hosts)-endTargets, len(first)):]
	if f := sc.footprint; f != nil { // the set, a sample, knows the ends no more
		first, last = f.first, f.last
	}
	seed := xxh3.HashString(sc.id)
	var rest nearest
	for i, h := range m.hosts {
		if rank := schema.Mix64(uint64(h) ^ seed); rest.wants(rank) && !slices.Contains(first, h) && !slices.Contains(last, h) {
			rest.add(rank, i)
		}
	}
	var of [2*endTargets + someTargets]uint32
	hosts := append(of[:0], first...)
	for _, r := range rest.inOrder() {
		hosts = append(hosts, m.hosts[r.at])
	}
	hosts = append(hosts, last...)
	sample := make([]netip.Addr, 0, len(hosts)+room)
	for _, h := range hosts {
		if a := sc.suspect.addrOf(h); a.IsValid() {
			sample = append(sample, a)
		}
	}
	return sample
}

// hostsOf are the hosts of contacts, in their order, as far as their address is known.
func (d *docket) hostsOf(s *suspect, contacts []contact) []uint32 {
	d.scratch.met.reset()
	hosts := d.scratch.hosts[:0]
	for _, c := range contacts {
		if s.knows(c.addr()) && d.scratch.met.add(c.addr()) == 1 {
			hosts = append(hosts, c.addr())
		}
	}
	d.scratch.hosts = hosts
	return hosts
}

// nearest keeps the few things with the lowest rank, by where they stand.
type nearest struct {
	held  int
	ranks [someTargets]ranked
}

type ranked struct {
	rank uint64
	at   int
}

// wants reports whether a thing of a rank would be kept.
func (n *nearest) wants(rank uint64) bool {
	return n.held < len(n.ranks) || rank < n.ranks[n.held-1].rank
}

// add keeps a thing that is wanted.
func (n *nearest) add(rank uint64, at int) {
	if n.held < len(n.ranks) {
		n.held++
	}
	place := n.held - 1
	for ; place > 0 && rank < n.ranks[place-1].rank; place-- {
		n.ranks[place] = n.ranks[place-1]
	}
	n.ranks[place] = ranked{rank, at}
}

// inOrder is what is kept, by where it stands.
func (n *nearest) inOrder() []ranked {
	kept := n.ranks[:n.held]
	slices.SortFunc(kept, func(a, b ranked) int { return a.at - b.at })
	return kept
}
