package detect

import (
	"cmp"
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
// rest that the alert's id picks at random, and the last.
func (m *measured) targets(sc *scan) []netip.Addr {
	first := m.hosts[:min(len(m.hosts), endTargets)]
	last := m.hosts[max(len(m.hosts)-endTargets, len(first)):]
	if f := sc.footprint; f != nil { // the set, a sample, knows the ends no more
		first, last = f.first, f.last
	}
	seed := xxh3.HashString(sc.id)
	rest := nearest{size: someTargets}
	for i, h := range m.hosts {
		if !slices.Contains(first, h) && !slices.Contains(last, h) {
			rest.add(schema.Mix64(uint64(h)^seed), i)
		}
	}
	sample := make([]netip.Addr, 0, 2*endTargets+someTargets)
	name := func(hosts []uint32) {
		for _, h := range hosts {
			if a := sc.suspect.addrOf(h); a.IsValid() {
				sample = append(sample, a)
			}
		}
	}
	name(first)
	for _, at := range rest.inOrder() {
		name(m.hosts[at : at+1])
	}
	name(last)
	return sample
}

// hostsOf are the hosts of contacts, in their order, as far as their address is known.
func (d *Detector) hostsOf(s *suspect, contacts []contact) []uint32 {
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
	size  int
	ranks []ranked
}

type ranked struct {
	rank uint64
	at   int
}

func (n *nearest) add(rank uint64, at int) {
	if len(n.ranks) == n.size && rank >= n.ranks[n.size-1].rank {
		return
	}
	place, _ := slices.BinarySearchFunc(n.ranks, rank, func(r ranked, rank uint64) int { return cmp.Compare(r.rank, rank) })
	n.ranks = slices.Insert(n.ranks, place, ranked{rank, at})
	n.ranks = n.ranks[:min(len(n.ranks), n.size)]
}

// inOrder is where they stand, first to last.
func (n *nearest) inOrder() []int {
	at := make([]int, 0, len(n.ranks))
	for _, r := range n.ranks {
		at = append(at, r.at)
	}
	slices.Sort(at)
	return at
}
