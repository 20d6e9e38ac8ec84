package detect_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// shuffled is lone SYNs to n random pairs of hosts and ports, each once, in the uniform
// order that masscan and zmap walk their targets in.
func shuffled(seed uint64, hosts, ports, n int, each time.Duration) []schema.Flow {
	r := rand.New(rand.NewPCG(seed, uint64(hosts)))
	pairs := make([]int32, hosts*ports)
	for i := range pairs {
		pairs[i] = int32(i)
	}
	flows := make([]schema.Flow, 0, n)
	for i := range n {
		at := i + r.IntN(len(pairs)-i)
		pairs[i], pairs[at] = pairs[at], pairs[i]
		p := int(pairs[i])
		flows = append(flows, syn(scanner, target(p/ports), uint16(1+p%ports), time.Duration(i)*each))
	}
	return flows
}

func TestAScanInRandomOrderIsOneBlockWithItsNumbers(t *testing.T) {
	for _, c := range []struct{ hosts, ports, probes int }{
		{1024, 1000, 30_000}, {256, 1000, 60_000}, {1000, 1000, 30_000}, {4000, 1000, 60_000},
		{254, 65_535, 36_000}, {65_536, 100, 60_000},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.hosts, c.ports), func(t *testing.T) {
			if testing.Short() {
				t.Skip("plays up to 60,000 probes")
			}
			flows := shuffled(1, c.hosts, c.ports, c.probes, time.Millisecond)
			hosts, ports := map[any]bool{}, map[any]bool{}
			for i := range flows {
				hosts[flows[i].Dst.Addr], ports[flows[i].Dst.Port] = true, true
			}
			d := newDetector(t, nil)
			opened := 0
			var closed []schema.Alert
			for i := range flows {
				for _, a := range d.Observe(flows[i:i+1], int64(i)) {
					t.Log(i, a.State, a.Kind, a.Rule, a.Reason, a.Hosts, a.Ports, a.Pairs)
					if a.State == schema.Open && opened == 0 {
						opened = i + 1
					}
				}
			}
			closed = append(closed, d.Finish("end")...)
			if len(closed) != 1 || opened == 0 || opened > 5000 {
				t.Fatalf("%d alerts, the first opened at probe %d", len(closed), opened)
			}
			a := closed[0]
			t.Log(a.Kind, a.Hosts, a.Ports, a.Pairs, len(hosts), len(ports), len(flows))
			near(t, "hosts", a.Hosts.Count, uint64(len(hosts)), 0.025)
			near(t, "ports", a.Ports.Count, uint64(len(ports)), 0.025)
			near(t, "pairs", a.Pairs.Count, uint64(len(flows)), 0.025)
		})
	}
}

// probing is a scan of n targets as exporters report it: silent, refusing, half-open and
// answering targets, some of which are asked again or fail at one time and answer at
// another; packets of any size from one, three or many source ports.
func probing(r *rand.Rand, n int) (flows []schema.Flow) {
	shapes := 3
	if n < 300 { // too few for a block
		shapes = 2
	}
	shape, ports, each := r.IntN(shapes), 1+r.IntN(min(3, n/30+2)), time.Duration(1+r.IntN(int(4*time.Minute)/n))
	late := time.Duration(r.Int64N(int64(time.Hour)))
	for i := range n {
		f := syn(scanner, target(i), 22, late+time.Duration(i)*each+time.Duration(r.Int64N(int64(each))))
		switch shape {
		case 1:
			f.Dst.Addr, f.Dst.Port = target(7), uint16(1+i)
		case 2:
			f.Dst.Addr, f.Dst.Port = target(i/30), uint16(1+i%30)
		}
		f.Exporter.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + r.IntN(3))})
		if f.Src.Port = 40_000; ports == 2 {
			f.Src.Port += uint16(r.IntN(3))
		} else if ports == 3 {
			f.Src.Port += uint16(r.IntN(20_000))
		}
		f.Src.Packets = uint64(1 + r.IntN(3))
		f.Src.Bytes = f.Src.Packets * uint64(40+4*r.IntN(6))
		again := f
		outcome := r.IntN(8)
		if n < 60 { // at a threshold it matters what comes first, a failure or an answer
			outcome %= 3
		}
		if outcome == 4 && (n > 800 || r.IntN(2) == 0) { // and it does to a sample
			flows = append(flows, session(f.Src.Addr, f.Dst.Addr, f.Dst.Port, f.Start.Sub(noon)))
			continue
		}
		for range r.IntN(2) * r.IntN(4) { // retries of the stack, and a second exporter
			again.Start = f.Start.Add(time.Duration(r.Int64N(int64(20 * time.Second))))
			again.Src.Bytes += 4
			flows = append(flows, again)
		}
		switch outcome {
		case 0, 1:
			f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 1, 40, schema.RST|schema.ACK
		case 2:
			f.Src.TCPFlags |= schema.RST
			f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 1, 44, schema.SYN|schema.ACK
		case 3:
			f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = 3, 124, schema.SYN|schema.ACK|schema.RST
			f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 1, 44, schema.SYN|schema.ACK
		case 4:
			flows = append(flows, f)
			f = session(f.Src.Addr, f.Dst.Addr, f.Dst.Port, f.Start.Sub(noon)+time.Duration(r.Int64N(int64(time.Minute)))-30*time.Second)
		}
		flows = append(flows, f)
	}
	for i := range flows {
		flows[i].End, flows[i].Received = flows[i].Start, flows[i].Start.Add(10*time.Minute)
	}
	slices.SortStableFunc(flows, byStart)
	return flows
}

// inAnyOrder is flows as they come in from exporters that are up to so late.
func inAnyOrder(r *rand.Rand, flows []schema.Flow, late time.Duration) []schema.Flow {
	type arriving struct {
		at schema.Time
		f  schema.Flow
	}
	all := make([]arriving, len(flows))
	for i, f := range flows {
		all[i] = arriving{f.Start.Add(time.Duration(r.Int64N(int64(late)))), f}
	}
	slices.SortStableFunc(all, func(a, b arriving) int { return cmp.Compare(a.at, b.at) })
	shuffled := make([]schema.Flow, len(flows))
	for i := range all {
		shuffled[i] = all[i].f
	}
	return shuffled
}

// final is what an alert says in the end that the order of arrival must not decide. It may
// decide which rule crossed first, and so the id; and whether a session came in after what
// had failed, and so the severity.
type final struct {
	Source                  netip.Addr
	Kind                    schema.Kind
	First, Last             time.Time
	Confidence, Orientation string
	Scale                   schema.Scale
	TopPorts                []schema.PortCount
	SourcePorts             []uint16
	Outcomes, Flags         map[string]uint64
	Peak                    uint32
	Exporters               []netip.Addr
}

func finalsOf(alerts []schema.Alert) (all []final) {
	for _, a := range finals(alerts) {
		if strings.HasPrefix(a.Reason, "merged into ") {
			continue // it was a part, and is told by the whole
		}
		if a.Outcomes["answered"]+a.Outcomes["touched"]+a.Outcomes["reached"] > 0 {
			// One that came in before the scan opened is known to the unit, if it was the last.
			a.LastSeen = a.LastSeen.Truncate(4 * time.Second)
		}
		slices.SortFunc(a.Exporters, netip.Addr.Compare)
		all = append(all, final{
			a.Source, a.Kind, a.FirstSeen, a.LastSeen, a.Confidence, a.Orientation, a.Scale, a.TopPorts, a.SourcePorts, a.Outcomes,
			a.Flags, a.Peak, a.Exporters,
		})
	}
	slices.SortFunc(all, func(a, b final) int {
		return cmp.Or(a.Source.Compare(b.Source), cmp.Compare(a.Kind, b.Kind), a.First.Compare(b.First))
	})
	return all
}

// six failed targets are a scan.
func six(c *detect.Config) {
	all := []uint32{6, 6, 6, 6}
	c.Vertical, c.HorizontalExternal, c.HorizontalInternal, c.BusyFactor = all, all, all, 1
}

func TestFlowsInAnyOrderWithinTheLatenessGiveTheSameFinalNumbersFlagsAndOutcomes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, n := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(6, 5000).Draw(t, "targets")
		r := rand.New(rand.NewPCG(seed, 10))
		flows, rules := probing(r, n), ours
		if n < 60 {
			rules = six
		}
		want := finalsOf(alertsOf(t, newDetector(t, rules), flows))
		if len(want) != 1 {
			t.Fatalf("seed %d, %d targets: %d alerts", seed, n, len(want))
		}
		late := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 3 * time.Minute}).Draw(t, "late")
		got := finalsOf(alertsOf(t, newDetector(t, rules), inAnyOrder(r, flows, late)))
		if diff := gocmp.Diff(want, got, equateAlerts); diff != "" {
			t.Fatalf("seed %d, %d targets, up to %v late (-in order +shuffled)\n%s", seed, n, late, diff)
		}
	})
}
