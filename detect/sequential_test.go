package detect_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// ours makes every source internal.
func ours(c *detect.Config) {
	c.Internal, c.Sequential, c.SensitivePorts = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, 9, nil
}

func TestTheSequentialTestOpensAnInternalScanBeforeTheTableDoes(t *testing.T) {
	flowsOf := func(n int, f func(i int, at time.Duration) schema.Flow) (flows []schema.Flow) {
		for i := range n {
			flows = append(flows, f(i, time.Duration(i)*20*time.Second))
		}
		return flows
	}
	// mixed begins with good contacts, then has failed ones.
	mixed := func(good, bad int) []schema.Flow {
		return flowsOf(good+bad, func(i int, at time.Duration) schema.Flow {
			if i < good {
				return session(scanner, target(i), 8080, at)
			}
			return syn(scanner, target(i), 8080, at)
		})
	}
	never := func(c *detect.Config) { ours(c); c.Sequential = 0 }
	late := func(c *detect.Config) { ours(c); c.Sequential = 12 }
	external := func(c *detect.Config) { c.Internal = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	for _, c := range []struct {
		name   string
		flows  []schema.Flow
		change func(*detect.Config)
		opens  int // after so many flows; 0: never
		rule   string
	}{
		{"hosts on one port", horizontalScan(14, 22, time.Minute), ours, 9, "early-horizontal"},
		{"ports of one host", verticalScan(14, time.Minute), ours, 9, "early-vertical"},
		{"eight", horizontalScan(8, 22, time.Minute), ours, 0, ""},
		{"nine at seven minutes each", horizontalScan(9, 22, 7*time.Minute), ours, 9, "early-horizontal"},
		{"never nine within an hour", horizontalScan(24, 22, 8*time.Minute), ours, 0, ""},
		{"an external source", horizontalScan(24, 22, time.Second), external, 0, ""},
		{"switched off", horizontalScan(14, 22, time.Second), never, 0, ""},
		{"the table is sooner where its threshold is", horizontalScan(30, 22, 100*time.Second), func(c *detect.Config) { ours(c); c.Sequential = 100 }, 25, "horizontal"},
		{"another number", horizontalScan(14, 22, time.Minute), late, 12, "early-horizontal"},
		{"UDP takes twice as many", flowsOf(29, func(i int, at time.Duration) schema.Flow { return udp(scanner, target(i), 161, at) }), ours, 18, "early-horizontal"},
		{"on a busy port the table comes first", horizontalScan(240, 443, time.Minute/2), ours, 100, "horizontal"},
		{"a busy port is one host's port like any other", flowsOf(14, func(i int, at time.Duration) schema.Flow { return syn(scanner, target(1), uint16(440+i), at) }), ours, 9, "early-vertical"},
		{"four good connections buy one more", mixed(4, 14), ours, 14, "early-horizontal"},
		{"but four in ten are no scan", mixed(10, 14), ours, 0, ""},
		{"a good one between any two", flowsOf(100, func(i int, at time.Duration) schema.Flow {
			if i%2 == 0 {
				return session(scanner, target(i), 8080, at)
			}
			return syn(scanner, target(i), 8080, at)
		}), ours, 0, ""},
		{"lone ACKs", flowsOf(90, func(i int, at time.Duration) schema.Flow {
			f := syn(scanner, target(i), 8080, at)
			f.Src.TCPFlags = schema.ACK
			return f
		}), ours, 0, ""},
		{"eight probes and six lone ACKs", flowsOf(14, func(i int, at time.Duration) schema.Flow {
			f := syn(scanner, target(i), 8080, at)
			if i >= 8 {
				f.Src.TCPFlags = schema.ACK
			}
			return f
		}), ours, 0, ""},
		{"small flows of an exporter without flags", flowsOf(14, func(i int, at time.Duration) schema.Flow {
			f := syn(scanner, target(i), 8080, at)
			f.Src.TCPFlags = 0
			return f
		}), ours, 0, ""},
		{"a sampled exporter, whose own rule wants nine in ten", sampled(mixed(4, 13)), ours, 0, ""},
		{"hosts of as many ports", flowsOf(14, func(i int, at time.Duration) schema.Flow { return syn(scanner, target(i), uint16(8080+i), at) }), ours, 0, ""},
	} {
		d := newDetector(t, c.change)
		opens, rule := 0, ""
		for i := range c.flows {
			for _, a := range d.Observe(c.flows[i:i+1], 0) {
				if a.State == schema.Open && opens == 0 {
					opens, rule = i+1, a.Rule
					if c.name == "hosts on one port" && (a.Reason != "sequential test: 9 net failures within 1h" || a.Threshold != 9 || a.Window.String() != "1h" || a.Kind != schema.Horizontal) {
						t.Errorf("%+v", a)
					}
				}
			}
		}
		if opens != c.opens || rule != c.rule {
			t.Errorf("%s: opened after %d flows by %q, want %d by %q", c.name, opens, rule, c.opens, c.rule)
		}
	}
}

func TestTheSequentialTestDoesNotDependOnTheOrderInWhichFlowsArrive(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 4))
		flows := horizontalScan(9, 22, 7*time.Minute)
		for i := range 3 {
			flows = append(flows, session(scanner, target(100+i), 22, 10*time.Minute))
		}
		for i := range 4 { // of another hour than most
			flows = append(flows, syn(scanner, target(200+i), 22, time.Duration(i-59)*time.Minute))
		}
		r.Shuffle(len(flows), func(i, j int) { flows[i], flows[j] = flows[j], flows[i] })
		i := slices.IndexFunc(flows, func(f schema.Flow) bool { return f.Dst.Addr == target(1) })
		flows[i], flows[len(flows)-1] = flows[len(flows)-1], flows[i] // one from the middle asks
		for i := range flows {
			flows[i].Received = noon.Add(2 * time.Hour)
		}
		if closed := finals(alertsOf(t, newDetector(t, ours), flows)); len(closed) != 0 {
			t.Errorf("seed %d: three answers after the second of nine failures: %s", seed, closed[0].Reason)
		}
		d := newDetector(t, func(c *detect.Config) { ours(c); c.Sequential = 7 })
		if closed := finals(alertsOf(t, d, flows)); len(closed) != 1 {
			t.Errorf("seed %d: seven failures after three answers: %d alerts", seed, len(closed))
		}
	}
}

func TestTheSequentialTestKnowsAnOutage(t *testing.T) {
	var flows []schema.Flow
	for i := range 12 {
		flows = append(flows, session(target(5000), target(i), 8443, time.Duration(i)*time.Second))
	}
	for i := range 12 * 30 {
		flows = append(flows, syn(target(6000+i%30), target(i/30), 8443, time.Hour+time.Duration(i)*time.Second/2))
	}
	d := newDetector(t, ours)
	if alerts := alertsOf(t, d, flows); len(alerts) != 0 || keptSilent(d)["outage"] == 0 {
		t.Errorf("%d alerts, kept silent: %v", len(alerts), keptSilent(d))
	}
}

func TestASourceIsJudgedAnewWhenItTurnsOutToBeOurs(t *testing.T) {
	d := newDetector(t, func(c *detect.Config) { c.Sequential = 9 })
	flows := horizontalScan(13, 22, time.Minute)
	if alerts := d.Observe(flows[:12], 0); len(alerts) != 0 {
		t.Fatalf("as an external source: %s", alerts[0].Reason)
	}
	d.SetInternal([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	if alerts := d.Observe(flows[12:], 0); len(alerts) != 1 {
		t.Errorf("%d alerts at its next probe", len(alerts))
	}
}
