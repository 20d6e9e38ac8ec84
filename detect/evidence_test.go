package detect_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// finalOf is the last revision of the only alert of flows.
func finalOf(t *testing.T, flows []schema.Flow, internal ...string) schema.Alert {
	t.Helper()
	d := newDetector(t, func(c *detect.Config) {
		for _, p := range internal {
			c.Internal = append(c.Internal, netip.MustParsePrefix(p))
		}
	})
	closed := finals(alertsOf(t, d, flows))
	if len(closed) != 1 {
		t.Fatalf("%d alerts: %+v", len(closed), closed)
	}
	return closed[0]
}

func near(t *testing.T, what string, got, want uint64, share float64) {
	t.Helper()
	if off := float64(got)/float64(want) - 1; off > share || off < -share {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func TestCoverageSaysWhichNetworksAndWhoseHostsWereTouched(t *testing.T) {
	type nets = map[string]uint64
	for _, c := range []struct {
		name  string
		hosts []netip.Addr
		want  schema.Coverage
		top   nets
	}{
		{"few", addrs("10.1.0.200", 100, 1), schema.Coverage{Internal: 84, External: 16, Networks: 2}, nets{"10.1.0.0/24": 56, "10.1.1.0/24": 44}},
		{"many of two /16s", addrs("10.1.255.0", 700, 1), schema.Coverage{External: 700, Networks: 3}, nets{"10.1.255.0/24": 256, "10.2.0.0/24": 256, "10.2.1.0/24": 188}},
		{"many, exactly", addrs("10.1.0.128", 2176, 1), schema.Coverage{Internal: 160, External: 2016, Networks: 9}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := finalOf(t, scanOf(c.hosts, 22), "10.1.0.0/24", "10.1.1.0/28", "10.1.1.32/28", "10.3.0.0/24")
			if diff := cmp.Diff(c.want, a.Coverage, cmpopts.IgnoreFields(schema.Coverage{}, "Top")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			top := nets{}
			for _, n := range a.Coverage.Top {
				top[n.Prefix.String()] = n.Hosts
			}
			if diff := cmp.Diff(c.top, top); c.top != nil && diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestCoverageOfALargeScanOfManyNetworksIsEstimated(t *testing.T) {
	for _, c := range []struct {
		name     string
		hosts    []netip.Addr
		networks uint64
		share    float64 // by which networks may be off
	}{
		{"sparse in one /8", addrs("10.0.0.0", 20_000, 200), 15_625, 0},
		{"an address in each network of many /8s", addrs("11.0.0.0", 20_000, 1<<16|256), 20_000, 0.3},
		{"dense", slices.Concat(addrs("11.0.0.0", 5000, 1), addrs("12.0.0.0", 5000, 1), addrs("13.0.0.0", 10_000, 1)), 80, 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := finalOf(t, inNoOrder(scanOf(c.hosts, 22)), "10.0.0.0/9", "12.0.0.0/8")
			v := a.Coverage
			near(t, "networks", v.Networks, c.networks, c.share)
			inside := uint64(0)
			for _, h := range c.hosts {
				if b := h.As4(); b[0] == 10 && b[1] < 128 || b[0] == 12 {
					inside++
				}
			}
			if inside > 500 {
				near(t, "internal", v.Internal, inside, 0.2)
			}
			if !v.Estimated || v.Internal+v.External != a.Hosts.Count || len(v.Top) != 10 {
				t.Errorf("%s hosts, %+v", a.Hosts, v)
			}
		})
	}
}

func TestIPv6IsCoveredBySlash64sAsFarAsItsAddressesAreRemembered(t *testing.T) {
	src := netip.MustParseAddr("2001:db8:1::1")
	for _, hosts := range []int{100, 2000} {
		var flows []schema.Flow
		for i := range hosts {
			b := netip.MustParseAddr("2001:db8:2::").As16()
			b[7], b[14], b[15] = byte(i%4), byte(i>>8), byte(i)
			flows = append(flows, syn(src, netip.AddrFrom16(b), 22, time.Duration(i)*10*time.Millisecond))
		}
		v := finalOf(t, flows, "2001:db8:2::/63").Coverage
		if v.Networks != 4 || v.Top[0].Prefix.Bits() != 64 || v.Internal == 0 || v.External == 0 || !v.Estimated {
			t.Errorf("%d hosts: %+v", hosts, v)
		}
		// The first four came before it was a suspect: five are, where rule S asks.
		if hosts == 100 && (v.Internal != 48 || v.External != 48) {
			t.Errorf("%+v", v)
		}
	}
}

func TestFlowsAreCountedByTheInitiatorsFlags(t *testing.T) {
	flows := horizontalScan(60, 22, time.Second)
	want := map[string]uint64{"S": 60}
	for i, combination := range []uint16{0x00, 0x01, 0x04, 0x29, 0x06, 0xc2, 0x12, 0x08, 0x20} {
		for range i + 1 { // the last two find no place
			f := syn(scanner, target(200+len(flows)), 22, time.Minute)
			f.Src.TCPFlags = combination
			flows = append(flows, f)
		}
		if i < 7 {
			want[schema.FlagNames(combination)] = uint64(i + 1)
		}
	}
	want[schema.OtherFlags] = 8 + 9
	// The answers alone say nothing of the initiator's flags.
	answer := contactOf(scanner, target(1), schema.TCP, 22, time.Minute)
	answer.Src.Packets, answer.Dst.Packets, answer.Dst.TCPFlags = 0, 1, schema.RST|schema.ACK
	flows = append(flows, answer)
	if diff := cmp.Diff(want, finalOf(t, flows).Flags); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestThePeakIsTheFullestMinuteHoweverTheFlowsComeIn(t *testing.T) {
	var flows []schema.Flow
	for minute, n := range []int{10, 40, 90, 30, 20} {
		for range n {
			flows = append(flows, syn(scanner, target(len(flows)), 22, time.Duration(minute)*time.Minute+30*time.Second))
		}
	}
	for range 2 {
		if peak := finalOf(t, flows).Peak; peak != 90 {
			t.Errorf("%d flows in a minute at most, want 90", peak)
		}
		// An exporter that tells of flows up to two minutes late.
		slices.SortStableFunc(flows, func(a, b schema.Flow) int {
			late := func(f *schema.Flow) int64 { return int64(f.Start) + int64(f.Dst.Addr.As4()[3]%3)*60e9 }
			return int(late(&a)/1e9 - late(&b)/1e9)
		})
	}
}

func TestPacketsAreReportedAsExportedAndScaledByEachFlowsRate(t *testing.T) {
	flows := horizontalScan(100, 22, time.Second)
	for i := range flows {
		flows[i].Src.Packets, flows[i].Src.Bytes = 2, 88
		if i >= 50 {
			flows[i].Exporter.Sampling = 100
		}
	}
	if a := finalOf(t, flows[:50]); a.Packets != 100 || a.Scaled != 100 || a.Sampling != 0 {
		t.Errorf("%d packets, %d scaled, sampling %d", a.Packets, a.Scaled, a.Sampling)
	}
	if a := finalOf(t, flows[50:]); a.Packets != 100 || a.Scaled != 10_000 || a.Sampling != 100 {
		t.Errorf("%d packets, %d scaled, sampling %d", a.Packets, a.Scaled, a.Sampling)
	}
}

func TestTheSampleOfTargetsIsTheFirstTheLastAndSomeOfTheRest(t *testing.T) {
	for _, n := range []int{25, 300, 9000, 60_000} {
		var order []netip.Addr
		flows := inNoOrder(scanOf(addrs("10.1.0.0", n, 1), 22))
		for i := range flows {
			flows[i].Start = noon.Add(time.Duration(i) * 4 * time.Second) // as fine as it is remembered
			flows[i].End, flows[i].Received = flows[i].Start, flows[i].Start
			order = append(order, flows[i].Dst.Addr)
		}
		if n > 40_000 {
			flows, order = flows[:40_000], order[:40_000] // within the window
		}
		got := finalOf(t, flows).Targets
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(order[:5], got[:5], same); diff != "" {
			t.Errorf("%d: the first (-want +got)\n%s", n, diff)
		}
		if diff := cmp.Diff(order[len(order)-5:], got[len(got)-5:], same); diff != "" {
			t.Errorf("%d: the last (-want +got)\n%s", n, diff)
		}
		distinct := slices.Clone(got)
		slices.SortFunc(distinct, netip.Addr.Compare)
		if len(slices.Compact(distinct)) != 20 {
			t.Errorf("%d: %d targets are shown, want 20", n, len(got))
		}
	}
}

func TestALargeScanWithinTwoSlash16sIsCountedExactly(t *testing.T) {
	one := addrs("10.1.0.1", 1, 1)
	for name, c := range map[string]struct {
		flows               []schema.Flow
		hosts, ports, pairs uint64
	}{
		"ports": {scanOf(one, numbered(60_000)...), 1, 60_000, 60_000},
		"hosts": {scanOf(addrs("10.1.0.0", 100_000, 1), 22), 100_000, 1, 100_000},
	} {
		a := finalOf(t, inNoOrder(c.flows))
		exactly := func(n uint64) schema.Count { return schema.Count{Count: n, Exact: true} }
		if a.Hosts != exactly(c.hosts) || a.Ports != exactly(c.ports) || a.Pairs != exactly(c.pairs) {
			t.Errorf("%s: %s hosts, %s ports, %s pairs", name, a.Hosts, a.Ports, a.Pairs)
		}
		if a.TopPorts[0].Hosts != c.hosts {
			t.Errorf("%s: %+v", name, a.TopPorts[0])
		}
	}
}

func TestTwoScannersOfTheInternetSayHowManyHostsTheyTouchedTogether(t *testing.T) {
	var flows []schema.Flow
	for i := range 6000 { // hosts in as many /16s as there are of 10/8
		host := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n), byte(n >> 8), 1}) }
		at := time.Duration(i) * 100 * time.Millisecond
		flows = append(flows, syn(scanner, host(i), 23, at), syn(amid, host(i+3000), 23, at))
	}
	var sketches [][]byte
	for _, a := range alertsOf(t, newDetector(t, nil), flows) {
		switch {
		case a.State != schema.Close && a.HostsSketch != nil:
			t.Errorf("revision %d has a sketch before the close", a.Revision)
		case a.State == schema.Close:
			sketches = append(sketches, a.HostsSketch)
		}
	}
	n, err := schema.MergeHosts(sketches...)
	if err != nil || len(sketches) != 2 || n < 8500 || n > 9500 {
		t.Errorf("%d of 9,000 hosts from %d sketches, %v", n, len(sketches), err)
	}
}
