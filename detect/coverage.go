package detect

import (
	"cmp"
	"math"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// netBits are the networks that targets are told by: a /24, or of IPv6 a /64.
const (
	netBits4 = 24
	netBits6 = 64
	topNets  = 10
)

// coverage is where the scan's targets lie. It is exact while they lie within /16s
// that have a map of their own in the footprint f, and while the sets hold all;
// else it is told from the sample.
func (d *Detector) coverage(sc *scan, m *measured, f *footprint) schema.Coverage {
	c := newCoverage()
	if f.v4 && f.coarse == nil && !f.partial {
		for i := range f.fine {
			d.coverMap(c, &f.fine[i])
		}
		return c.tell()
	}
	for _, h := range m.hosts {
		a, length := sc.suspect.addrOf(h), netBits4
		if !a.Is4() {
			length = netBits6
		}
		net, _ := a.Prefix(length) // an address is never too short
		c.add(net, 1, d.isInternal(a))
	}
	if !m.scale.Hosts.Exact || c.hosts() < m.scale.Hosts.Count {
		c.estimate(f, m.scale.Hosts.Count)
	}
	return c.tell()
}

// coverage adds up hosts by network.
type coverage struct {
	schema.Coverage
	nets map[netip.Prefix]uint64
}

func newCoverage() *coverage {
	return &coverage{nets: map[netip.Prefix]uint64{}}
}

func (c *coverage) add(net netip.Prefix, hosts uint64, internal bool) {
	c.nets[net] += hosts
	if internal {
		c.Internal += hosts
	} else {
		c.External += hosts
	}
}

func (c *coverage) hosts() uint64 { return c.Internal + c.External }

// coverMap adds the /24s of the map of a /16: four words each.
func (d *Detector) coverMap(c *coverage, m *addressMap) {
	const words = 256 / 64
	set := m.bitmap()
	for i := 0; i < len(set); i += words {
		net := netip.PrefixFrom(v4Addr(m.base<<16|uint32(64*i)), netBits4)
		if d.divides(net) {
			for a, left := net.Addr(), 256; left > 0; a, left = a.Next(), left-1 {
				if n := short(a) & 0xffff; set[n>>6]>>(n&63)&1 != 0 {
					c.add(net, 1, d.isInternal(a))
				}
			}
			continue
		}
		hosts := 0
		for _, w := range set[i : i+words] {
			hosts += bits.OnesCount64(w)
		}
		if hosts > 0 {
			c.add(net, uint64(hosts), d.isInternal(net.Addr()))
		}
	}
}

// divides: some of the network is ours and some is not.
func (d *Detector) divides(net netip.Prefix) bool {
	return slices.ContainsFunc(d.cfg.Internal, func(p netip.Prefix) bool { return p.Bits() > net.Bits() && p.Overlaps(net) })
}

// estimate makes of the hosts of a sample those of the whole. Of IPv6 only the
// first addresses are remembered: what is told of them is the least there is.
func (c *coverage) estimate(f *footprint, hosts uint64) {
	c.Estimated = true
	seen := c.hosts()
	if !f.v4 || seen == 0 {
		return
	}
	c.Networks = c.unseen(hosts)
	if f.coarse != nil && f.coarse.length == 8 && !f.partial {
		c.Networks = uint64(f.coarse.held()) // of /24s: all of them
	}
	scale := max(float64(hosts)/float64(seen), 1)
	for net, n := range c.nets {
		c.nets[net] = min(uint64(math.Round(float64(n)*scale)), 256)
	}
	c.Internal = uint64(math.Round(float64(c.Internal) * scale))
	c.External = max(hosts, c.Internal) - c.Internal
}

// unseen is how many networks there are, by those of which the sample has one
// host and two: the lower bound of Chao (1984), bias-corrected.
func (c *coverage) unseen(hosts uint64) uint64 {
	var one, two float64
	for _, n := range c.nets {
		switch n {
		case 1:
			one++
		case 2:
			two++
		}
	}
	n := float64(len(c.nets)) + one*(one-1)/(2*(two+1))
	return min(uint64(math.Round(n)), hosts)
}

func (c *coverage) tell() schema.Coverage {
	c.Top = make([]schema.NetworkCount, 0, len(c.nets))
	for net, n := range c.nets {
		c.Top = append(c.Top, schema.NetworkCount{Prefix: net, Hosts: n})
	}
	c.Networks = max(c.Networks, uint64(len(c.nets)))
	slices.SortFunc(c.Top, func(a, b schema.NetworkCount) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), a.Prefix.Addr().Compare(b.Prefix.Addr()))
	})
	c.Top = c.Top[:min(len(c.Top), topNets)]
	return c.Coverage
}
