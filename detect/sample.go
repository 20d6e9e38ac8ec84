package detect

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// Samples of targets: so many of the first, of the last, and of the rest.
const (
	endTargets  = 5
	someTargets = 10
)

// targets is a sample of the hosts that is the same on every replay: the first,
// the last, and those of the rest whose hash is smallest.
func (o *outline) targets(s *suspect) []netip.Addr {
	first := nearest{size: endTargets}
	last := nearest{size: endTargets}
	count := 0
	for h := range o.hosts.all {
		if !s.knows(h.key) {
			continue
		}
		count++
		order := uint64(h.age)<<32 | uint64(^h.key) // older first, then by address
		first.add(^order, h.key)
		last.add(order, h.key)
	}
	rest := nearest{size: min(someTargets, max(count-2*endTargets, 0))}
	for h := range o.hosts.all {
		if rest.size > 0 && s.knows(h.key) && !first.has(h.key) && !last.has(h.key) {
			rest.add(schema.Mix64(uint64(h.key)), h.key)
		}
	}
	slices.Reverse(last.hosts)
	sample := make([]netip.Addr, 0, 2*endTargets+someTargets)
	for i, h := range slices.Concat(first.hosts, rest.hosts, last.hosts) {
		if i >= len(first.hosts)+len(rest.hosts) && first.has(h.key) {
			continue // fewer hosts than two ends
		}
		sample = append(sample, s.addrOf(h.key))
	}
	return sample
}

// nearest keeps the few hosts with the lowest rank.
type nearest struct {
	size  int
	hosts []ranked
}

type ranked struct {
	rank uint64
	key  uint32
}

func (n *nearest) add(rank uint64, key uint32) {
	if len(n.hosts) == n.size && rank >= n.hosts[n.size-1].rank {
		return
	}
	at, _ := slices.BinarySearchFunc(n.hosts, rank, func(h ranked, rank uint64) int { return cmp.Compare(h.rank, rank) })
	n.hosts = slices.Insert(n.hosts, at, ranked{rank, key})
	n.hosts = n.hosts[:min(len(n.hosts), n.size)]
}

func (n *nearest) has(key uint32) bool {
	return slices.ContainsFunc(n.hosts, func(h ranked) bool { return h.key == key })
}

// oldest is the stamp of the contact that was left alone for longest.
func (d *Detector) oldest(of []contact) stamp {
	at := of[0].stamp()
	for _, c := range of {
		if c.stamp().age(d.now) > at.age(d.now) {
			at = c.stamp()
		}
	}
	return at
}
