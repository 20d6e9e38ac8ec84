package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// verticalScan is ports of one host, every gap.
func verticalScan(ports int, gap time.Duration) (flows []schema.Flow) {
	for i := range ports {
		flows = append(flows, syn(scanner, target(1), uint16(1+i), time.Duration(i)*gap))
	}
	return flows
}

func horizontalScan(hosts int, port uint16, gap time.Duration) (flows []schema.Flow) {
	for i := range hosts {
		flows = append(flows, syn(scanner, target(1+i), port, time.Duration(i)*gap))
	}
	return flows
}

// blockScan visits hosts x ports in an order without pattern.
func blockScan(hosts, ports int, gap time.Duration) (flows []schema.Flow) {
	n := hosts * ports
	step := n*5/8 | 1
	for gcd(step, n) != 1 {
		step += 2
	}
	for i := range n {
		at := i * step % n
		flows = append(flows, syn(scanner, target(at/ports), uint16(1+at%ports), time.Duration(i)*gap))
	}
	return flows
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func TestAThresholdOfAFewTargetsFiresAtThatMany(t *testing.T) {
	for want := 2; want <= 8; want++ {
		d := newDetector(t, func(c *detect.Config) { c.Vertical = []uint32{uint32(want), 20, 30, 40} })
		for i, f := range verticalScan(10, time.Second) {
			alerts := d.Observe([]schema.Flow{f}, int64(i))
			if len(alerts) == 0 {
				continue
			}
			if i+1 != want || alerts[0].Pairs.Count != uint64(want) {
				t.Errorf("a threshold of %d ports fired at port %d with %v pairs", want, i+1, alerts[0].Pairs)
			}
			break
		}
		if d.Stats().Opened != 1 {
			t.Errorf("a threshold of %d ports opened %d alerts", want, d.Stats().Opened)
		}
	}
}

func TestALargeScanIsCountedWithinTheErrorOfItsSketch(t *testing.T) {
	for _, hosts := range []int{1025, 3000, 12007, 60000} {
		flows := horizontalScan(hosts, 23, 40*time.Millisecond)
		for i := range flows {
			flows[i].Dst.Addr = target(i * 257) // in more /16s than have a footprint of their own
		}
		alerts := alertsOf(t, newDetector(t, nil), flows)
		closed := finals(alerts)
		if len(closed) != 1 {
			t.Fatalf("%d hosts: %d alerts", hosts, len(closed))
		}
		a := closed[0]
		if off := float64(a.Hosts.Count)/float64(hosts) - 1; off > 0.025 || off < -0.025 {
			t.Errorf("%d hosts counted as %v", hosts, a.Hosts)
		}
		if a.Hosts.Exact || a.Hosts.Stderr == 0 || a.Ports.Count != 1 || a.Kind != schema.Horizontal {
			t.Errorf("%d hosts: %s hosts, %s ports, %s", hosts, a.Hosts, a.Ports, a.Kind)
		}
		if len(alerts) > 12 {
			t.Errorf("%d hosts: said %d times", hosts, len(alerts))
		}
	}
}

// Retries do not renew the stamp, and after 72.8 h it would look fresh again.
func TestTheOnlyTargetOfASourceIsForgottenWithTheWindowToo(t *testing.T) {
	var flows []schema.Flow
	for at := time.Duration(0); at <= 80*time.Hour; at += 40 * time.Hour {
		flows = append(flows, syn(scanner, target(1), 1, at))
	}
	for _, f := range verticalScan(15, time.Second)[1:] { // 14 ports beside the one that was tried before
		f.Start, f.Received = f.Start.Add(80*time.Hour), f.Received.Add(80*time.Hour)
		flows = append(flows, f)
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 1 || closed[0].Ports.Count != 15 || closed[0].FirstSeen.Before(noon.Add(80*time.Hour).Std()) {
		t.Errorf("%+v", closed)
	}
}

func TestTheWindowForgets(t *testing.T) {
	d := newDetector(t, nil)
	flows := horizontalScan(2000, 23, time.Second)
	flows = append(flows, syn(scanner, target(5000), 23, 80*time.Hour))
	alertsOf(t, d, flows)
	for i := range 3000 { // event time goes on without the scanner
		d.Observe([]schema.Flow{session(target(9), target(10), 443, 81*time.Hour+time.Duration(i)*time.Minute)}, 0)
	}
	if n := d.Stats().Sources; n != 1 {
		t.Errorf("%d sources are held after the window, want the one that is active", n)
	}
}

// What is older than the window may not have been dropped yet.
func TestATargetThatTheWindowForgotCountsAgain(t *testing.T) {
	flows := verticalScan(19, 190*time.Second) // 19 in an hour, where 20 would be a scan
	for at := time.Hour; at < 49*time.Hour; at += time.Minute {
		flows = append(flows, session(target(9), target(10), 443, at))
		if at == 40*time.Hour {
			flows = append(flows, session(scanner, target(9), 443, at)) // it stays alive
		}
	}
	for _, f := range verticalScan(19, time.Second) {
		f.Start, f.Received = f.Start.Add(49*time.Hour+time.Minute), f.Received.Add(49*time.Hour+time.Minute)
		flows = append(flows, f)
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 1 || closed[0].Ports.Count != 19 || closed[0].Window.String() != "5m" {
		t.Errorf("%d alerts: %+v", len(closed), closed)
	}
}

func TestTheTotalsOfAScanAreThoseOfItsEndHoweverMuchLaterThatIsNoticed(t *testing.T) {
	for _, hosts := range []int{300, 5000} {
		flows := horizontalScan(hosts, 23, 100*time.Millisecond)
		flows = append(flows, session(target(1), target(2), 443, 1000*time.Hour))
		closed := finals(alertsOf(t, newDetector(t, nil), flows))
		if len(closed) != 1 || closed[0].Kind != schema.Horizontal || closed[0].Reason != "quiet for 1h" {
			t.Fatalf("%+v", closed)
		}
		if n := float64(closed[0].Hosts.Count) / float64(hosts); n < 0.975 || n > 1.025 {
			t.Errorf("%d hosts closed with %v", hosts, closed[0].Hosts)
		}
	}
}

// Stamps wrap after 72.8 h of a window of 48 h: what is older must not come back.
func TestALeapOfEventTimeBringsNothingBack(t *testing.T) {
	for _, leap := range []time.Duration{49 * time.Hour, 65536 * 4 * time.Second, 73 * time.Hour, 2*65536*4*time.Second - time.Minute, 5000 * time.Hour} {
		for _, first := range []int{1, 14} {
			flows := verticalScan(first, time.Second)
			// The source stays alive nearly until its first contacts are too old.
			flows = append(flows, session(scanner, target(9), 443, 44*time.Hour), session(target(1), target(2), 443, leap-time.Minute))
			for i := range 14 {
				flows = append(flows, syn(scanner, target(1), uint16(5000+i), leap+time.Duration(i)*time.Second))
			}
			if alerts := alertsOf(t, newDetector(t, nil), flows); len(alerts) != 0 {
				t.Errorf("after %v: %s", leap, alerts[0].Reason)
			}
		}
	}
}

func TestAScanOfAWeekIsCountedOverItsLifeAndBesideItOverTheWindow(t *testing.T) {
	const hosts, gap = 20_000, 30 * time.Second // seven days
	d := newDetector(t, nil)
	var last schema.Alert
	for i := range hosts {
		for _, a := range d.Observe([]schema.Flow{syn(scanner, target(i), 23, time.Duration(i)*gap)}, 0) {
			last = a
		}
	}
	for _, a := range d.Finish("end") {
		last = a
	}
	want := float64(48*time.Hour) / float64(gap)
	if off := float64(last.InWindow.Hosts.Count)/want - 1; off > 0.03 || off < -0.03 || last.InWindow.Hosts.Exact {
		t.Errorf("%s hosts in the window at the end, want %v of the last 48 h", last.InWindow.Hosts, want)
	}
	if last.Hosts.Count != hosts || !last.Hosts.Exact || last.Footprint[0].Count != hosts {
		t.Errorf("%s hosts, and %d are shown of the %d since the alert opened", last.Hosts, last.Footprint[0].Count, hosts)
	}
}

func TestSeverityDependsOnWhoseTheEndsAre(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	inside := func(flows []schema.Flow) []schema.Flow {
		for i := range flows {
			flows[i].Src.Addr = netip.MustParseAddr("10.99.0.1")
		}
		return flows
	}
	outward := inside(horizontalScan(60, 8081, time.Second))
	for i := range outward {
		outward[i].Dst.Addr = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
	}
	for _, c := range []struct {
		name     string
		internal []netip.Prefix
		flows    []schema.Flow
		want     schema.Severity
	}{
		{"nothing is said to be ours", nil, horizontalScan(60, 22, time.Second), schema.Medium},
		{"from outside", ours, horizontalScan(60, 22, time.Second), schema.Low},
		{"inside", ours, inside(horizontalScan(60, 22, time.Second)), schema.High},
		{"from inside to outside", ours, outward, schema.Medium},
	} {
		closed := finals(alertsOf(t, newDetector(t, func(d *detect.Config) { d.Internal = c.internal }), c.flows))
		if len(closed) != 1 || closed[0].Severity != c.want {
			t.Errorf("%s: %+v", c.name, closed)
		}
	}
}

func TestSourcePortsThatAThirdOfTheFlowsShareAreNamed(t *testing.T) {
	// The VAST attacker's first run: 45.0, 35.2 and 19.9 % of its flows.
	share := []uint16{62559, 62560, 62559, 62560, 62559, 62561, 62559, 62560, 62561, 62559,
		62560, 62559, 62561, 62560, 62559, 62560, 62559, 62561, 62560, 62559}
	flows := verticalScan(2000, time.Second)
	for i := range flows {
		flows[i].Src.Port = share[i%len(share)]
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if diff := cmp.Diff([]uint16{62559, 62560}, closed[0].SourcePorts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	fresh := finals(alertsOf(t, newDetector(t, nil), verticalScan(2000, time.Second)))
	if len(fresh[0].SourcePorts) != 0 {
		t.Errorf("fresh ports are common: %v", fresh[0].SourcePorts)
	}
}

func TestWhatBeginsAfterALargeScanWasSampledIsCountedToo(t *testing.T) {
	flows := horizontalScan(5000, 23, 10*time.Millisecond)
	for i := range 3000 {
		flows = append(flows, ping(scanner, target(i), 2*time.Minute+time.Duration(i)*10*time.Millisecond))
	}
	for _, a := range finals(alertsOf(t, newDetector(t, nil), flows)) {
		want := map[schema.Kind]float64{schema.Horizontal: 5000, schema.Sweep: 3000}[a.Kind]
		if n := float64(a.Hosts.Count) / want; n < 0.97 || n > 1.03 || a.Hosts.Exact != (a.Kind == schema.Horizontal) {
			t.Errorf("%s of %v hosts counted as %v", a.Kind, want, a.Hosts)
		}
	}
}
