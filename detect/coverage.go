package detect

import (
	"math"
	"math/bits"
	"net/netip"

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
func (d *docket) coverage(sc *scan, m *measured, f *footprint) schema.Coverage {
	c := coverage{nets: d.scratch.nets[:0]}
	if f.v4 && f.coarse == nil && !f.partial {
		for i := range f.fine {
			d.coverMap(&c, &f.fine[i])
		}
	} else {
		d.coverSample(&c, sc.suspect, m.hosts)
		if !m.scale.Hosts.Exact || c.hosts() < m.scale.Hosts.Count {
			c.estimate(f, m.scale.Hosts.Count)
		}
	}
	d.scratch.nets = c.nets
	return c.toSchema()
}

// coverage adds up hosts by network.
type coverage struct {
	schema.Coverage
	nets []schema.NetworkCount // each once
}

// count adds hosts of a network that is among nets.
func (c *coverage) count(hosts uint64, internal bool) {
	if internal {
		c.Internal += hosts
	} else {
		c.External += hosts
	}
}

func (c *coverage) hosts() uint64 { return c.Internal + c.External }

// coverMap adds the /24s of the map of a /16: four words each.
func (d *docket) coverMap(c *coverage, m *addressMap) {
	const words = 256 / 64
	last := -1
	divided := false
	for at, w := range m.numbers.Words {
		net := v4Addr(m.base<<16 | uint32(at/words)<<8)
		if at/words != last {
			last = at / words
			prefix := netip.PrefixFrom(net, netBits4)
			c.nets = append(c.nets, schema.NetworkCount{Prefix: prefix})
			divided = d.divides(prefix)
		}
		hosts := uint64(bits.OnesCount64(w))
		c.nets[len(c.nets)-1].Hosts += hosts
		if !divided {
			c.count(hosts, d.isInternal(net))
			continue
		}
		for ; w != 0; w &= w - 1 {
			c.count(1, d.isInternal(v4Addr(m.base<<16|uint32(64*at+bits.TrailingZeros64(w)))))
		}
	}
}

// coverSample adds the networks of hosts.
func (d *docket) coverSample(c *coverage, s *suspect, hosts []uint32) {
	if s.isV4() {
		nets := &d.scratch.met
		nets.reset()
		for _, h := range hosts {
			nets.add(h >> (32 - netBits4))
			c.count(1, d.isInternal(v4Addr(h)))
		}
		for e := range nets.all {
			prefix := netip.PrefixFrom(v4Addr(e.key<<(32-netBits4)), netBits4)
			c.nets = append(c.nets, schema.NetworkCount{Prefix: prefix, Hosts: uint64(e.n)})
		}
		return
	}
	at := map[netip.Prefix]int{}
	for _, h := range hosts {
		a := s.addrOf(h)
		net, _ := a.Prefix(netBits6) // an address is never too short
		if _, known := at[net]; !known {
			at[net] = len(c.nets)
			c.nets = append(c.nets, schema.NetworkCount{Prefix: net})
		}
		c.nets[at[net]].Hosts++
		c.count(1, d.isInternal(a))
	}
}

// estimate makes of the hosts of a sample those of the whole. Of IPv6 only the
// first addresses are remembered: what is said of them is the least there is.
func (c *coverage) estimate(f *footprint, hosts uint64) {
	c.Estimated = true
	seen := c.hosts()
	if !f.v4 || seen == 0 {
		return
	}
	c.Networks = c.unseen(hosts)
	if f.coarse != nil && f.coarse.length == 8 && !f.partial {
		c.Networks = uint64(f.coarse.numbers.Len()) // of /24s: all of them
	}
	scale := max(float64(hosts)/float64(seen), 1)
	for i := range c.nets {
		n := &c.nets[i].Hosts
		*n = min(uint64(math.Round(float64(*n)*scale)), 256)
	}
	c.Internal = uint64(math.Round(float64(c.Internal) * scale))
	c.External = max(hosts, c.Internal) - c.Internal
}

// unseen is how many networks there are, by those of which the sample has one
// host and two: the lower bound of Chao (1984), bias-corrected.
func (c *coverage) unseen(hosts uint64) uint64 {
	var one, two float64
	for _, n := range c.nets {
		switch n.Hosts {
		case 1:
			one++
		case 2:
			two++
		}
	}
	n := float64(len(c.nets)) + one*(one-1)/(2*(two+1))
	return min(uint64(math.Round(n)), hosts)
}

func (c *coverage) toSchema() schema.Coverage {
	var top [topNets + 1]schema.NetworkCount
	held := 0
	for _, n := range c.nets {
		at := held
		for ; at > 0 && hasMore(&n, &top[at-1]); at-- {
			top[at] = top[at-1]
		}
		top[at] = n
		held = min(held+1, topNets)
	}
	c.Top = append(make([]schema.NetworkCount, 0, held), top[:held]...)
	c.Networks = max(c.Networks, uint64(len(c.nets)))
	return c.Coverage
}

// hasMore orders networks by their hosts, most first, then by address.
func hasMore(a, b *schema.NetworkCount) bool {
	return a.Hosts > b.Hosts || a.Hosts == b.Hosts && a.Prefix.Addr().Less(b.Prefix.Addr())
}
