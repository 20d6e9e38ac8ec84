package detect

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

// Some of the /24s are ours, some are not, and one is half ours.
func TestTheCoverageOfAMapIsThatOfCountingItsAddresses(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/20"), netip.MustParsePrefix("10.1.32.128/25")}
	d := docket{policy: &policy{cfg: Config{Internal: ours}}}
	rapid.Check(t, func(t *rapid.T) {
		f := footprint{v4: true}
		want := &coverage{}
		for _, n := range rapid.SliceOfDistinct(rapid.Uint32Range(0x0f00, 0x21ff), rapid.ID[uint32]).Draw(t, "hosts") {
			a := 10<<24 | 1<<16 | n
			f.addAddr(a)
			net, _ := v4Addr(a).Prefix(24)
			addNet(want, net, 1, ours[0].Contains(v4Addr(a)) || ours[1].Contains(v4Addr(a)))
		}
		got := &coverage{}
		for i := range f.fine {
			d.coverMap(got, &f.fine[i])
		}
		if got.Internal != want.Internal || got.External != want.External || len(got.nets) != len(want.nets) {
			t.Fatalf("%d internal, %d external, %d networks, want %d, %d, %d", got.Internal, got.External, len(got.nets), want.Internal, want.External, len(want.nets))
		}
		for _, n := range want.nets {
			if !slices.Contains(got.nets, n) {
				t.Fatalf("%s has not %d hosts: %v", n.Prefix, n.Hosts, got.nets)
			}
		}
	})
}

// addNet adds hosts of a network, which may be known.
func addNet(c *coverage, net netip.Prefix, hosts uint64, internal bool) {
	c.count(hosts, internal)
	for i := range c.nets {
		if c.nets[i].Prefix == net {
			c.nets[i].Hosts += hosts
			return
		}
	}
	c.nets = append(c.nets, schema.NetworkCount{Prefix: net, Hosts: hosts})
}

func net24(n byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, n, 0}), 24) }

func TestTheBusiestNetworksAreNamedAndAllAreCounted(t *testing.T) {
	c := &coverage{}
	for n := range byte(30) {
		addNet(c, net24(n), uint64(n%15)+1, n%2 == 0)
	}
	got := c.toSchema()
	if got.Networks != 30 || len(got.Top) != topNets || got.Internal+got.External != 240 {
		t.Fatalf("%+v", got)
	}
	for i, top := range got.Top[1:] {
		before := got.Top[i]
		if top.Hosts > before.Hosts || top.Hosts == before.Hosts && top.Prefix.Addr().Less(before.Prefix.Addr()) {
			t.Errorf("%v stands behind %v", top, before)
		}
	}
	if got.Top[0] != (schema.NetworkCount{Prefix: net24(14), Hosts: 15}) {
		t.Errorf("first is %v", got.Top[0])
	}
}

func TestASampleOfHostsIsScaledToAllOfThemAndANetworkIsNeverOverfull(t *testing.T) {
	c := &coverage{}
	addNet(c, net24(1), 30, true)
	addNet(c, net24(2), 10, false)
	c.estimate(&footprint{v4: true}, 400)
	if !c.Estimated || c.Internal != 300 || c.External != 100 || c.nets[0].Hosts != 256 || c.nets[1].Hosts != 100 {
		t.Errorf("%+v %v", c.Coverage, c.nets)
	}
}

func TestOfIPv6NoMoreIsClaimedThanWasSeen(t *testing.T) {
	c := &coverage{}
	addNet(c, netip.MustParsePrefix("2001:db8::/64"), 30, true)
	c.estimate(&footprint{}, 4000)
	if got := c.toSchema(); !got.Estimated || got.Internal != 30 || got.External != 0 || got.Networks != 1 {
		t.Errorf("%+v", got)
	}
}

// Chao's bound: many networks that were met once stand for many that were not met.
func TestNetworksThatWereMetOnceStandForThoseThatWereNot(t *testing.T) {
	for name, c := range map[string]struct {
		once, twice, often int
		hosts, want        uint64
	}{
		"all met often":                {0, 0, 20, 5000, 20},
		"one met once":                 {1, 5, 20, 5000, 26},
		"many met once":                {20, 4, 0, 5000, 62}, // 24 + 20*19/(2*5)
		"no more networks than hosts":  {100, 0, 0, 150, 150},
		"none of them was met by luck": {0, 9, 0, 5000, 9},
	} {
		cov, n := &coverage{}, 0
		for hosts, networks := range []int{1: c.once, 2: c.twice, 3: c.often} {
			for range networks {
				addNet(cov, net24(byte(n)), uint64(hosts), true)
				n++
			}
		}
		if got := cov.unseen(c.hosts); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
