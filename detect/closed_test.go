package detect_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// passing lets event time go on: sessions of two hosts that have nothing to do with the rest.
func passing(from, to time.Duration) (flows []schema.Flow) {
	for at := from; at <= to; at += time.Minute {
		flows = append(flows, session(target(1<<22), target(1<<22+1), 443, at))
	}
	return flows
}

// gotInOf are the endpoints that critical revisions of flows tell of, as they come.
func gotInOf(d *detect.Replay, flows []schema.Flow) (got []schema.Endpoint) {
	for i := range flows {
		for _, a := range d.Observe(flows[i:i+1], int64(i)) {
			if a.Severity == schema.Critical && a.State == schema.Update {
				got = append(got, a.Answered[len(a.Answered)-1])
			}
		}
	}
	return got
}

func alone(t tester) *detect.Replay { return &detect.Replay{Detector: newDetector(t, nil)} }

func TestATargetThatCallsItsScannerBackAfterTheCloseGoesOnWithTheAlert(t *testing.T) {
	a := newApart(t)
	said := a.play(slices.Concat(horizontalScan(100, 22, time.Second), []schema.Flow{session(scanner, target(5000), 443, 3*time.Hour)})...)
	closed := said[len(said)-1]
	if closed.State != schema.Close {
		t.Fatalf("the last is %s", closed.State)
	}
	victim := elsewhere(t, scanner, 100)
	said = a.play(connectBackTo(victim, scanner, 4*time.Hour))
	if len(said) != 1 {
		t.Fatalf("%d alerts, want one", len(said))
	}
	u := said[0]
	if u.ID != closed.ID || u.Revision != closed.Revision+1 || u.State != schema.Update || u.Severity != schema.Critical ||
		u.Reason != "got in: "+victim.String()+" opened a session to its scanner on TCP/4444, after the scan had closed" {
		t.Errorf("%s.%d %s %s: %s", u.ID, u.Revision, u.State, u.Severity, u.Reason)
	}
	if u.Kind != closed.Kind || u.Scale != closed.Scale || u.Verdict != closed.Verdict || !u.LastSeen.Equal(noon.Add(4*time.Hour).Std()) ||
		len(u.Targets) != 10 || len(u.TopPorts) != 1 || u.Footprint != nil || u.HostsSketch != nil || closed.Footprint == nil {
		t.Errorf("what was said of the scan: %+v", u)
	}
	if said := a.play(connectBackTo(victim, scanner, 5*time.Hour-time.Minute)); len(said) != 0 {
		t.Errorf("the same again: %s", said[0].Reason)
	}
	said = a.play(session(scanner, target(5000), 443, 5*time.Hour), session(scanner, target(5000), 443, 6*time.Hour))
	if len(said) != 1 || said[0].State != schema.Close || said[0].Revision != u.Revision+1 || said[0].Severity != schema.Critical || said[0].Scale != closed.Scale {
		t.Errorf("%+v", said)
	}
	n := schema.Partition(scanner, 2)
	if s := a.partitions[n].Stats(); s.Opened != 1 || s.Reopened != 1 || s.Closed != 2 {
		t.Errorf("%d opened, %d reopened, %d closed", s.Opened, s.Reopened, s.Closed)
	}
	// Whoever reads the partition again says the same.
	var again []schema.Alert
	for d, i := newDetector(t, nil), 0; i < len(a.written[n]); i++ {
		again = append(again, d.Observe(a.written[n][i:i+1], int64(i+1))...)
	}
	if len(again) == 0 || !bytes.Equal(wire(t, &said[0]), wire(t, &again[len(again)-1])) {
		t.Errorf("read again: %+v", again)
	}
}

func TestWhatIsNoFruitOfAScanThatHasClosedIsSilent(t *testing.T) {
	const control = "none of these"
	for name, change := range map[string]func(f *schema.Flow){
		control:                     func(*schema.Flow) {},
		"a host that never failed":  func(f *schema.Flow) { f.Dst.Addr = target(3000) },
		"another service":           func(f *schema.Flow) { f.Dst.Port = 443 },
		"a slice of a long session": func(f *schema.Flow) { f.Src.TCPFlags, f.Dst.TCPFlags = schema.ACK|schema.PSH, schema.ACK|schema.PSH },
		"a connection without data": func(f *schema.Flow) { f.Src.Packets, f.Src.TCPFlags = 4, schema.SYN|schema.ACK|schema.FIN },
		"UDP":                       func(f *schema.Flow) { f.Proto = schema.UDP },
		"when the host had not failed yet": func(f *schema.Flow) {
			f.Start = noon.Add(3 * time.Second)
		},
		"after the window": func(f *schema.Flow) { f.Start, f.Received = noon.Add(49*time.Hour), noon.Add(49*time.Hour) },
	} {
		d := alone(t)
		d.Observe(slices.Concat(horizontalScan(100, 22, time.Second), passing(2*time.Minute, 2*time.Hour)), 0)
		f := session(scanner, target(50), 22, 3*time.Hour)
		change(&f)
		if got := gotInOf(d, []schema.Flow{f}); len(got) != 0 != (name == control) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestASessionThatBeganAfterTheFailureAndIsExportedAfterTheCloseIsReported(t *testing.T) {
	d := alone(t)
	d.Observe(slices.Concat(horizontalScan(100, 22, time.Second), passing(2*time.Minute, 3*time.Hour)), 0)
	f := session(scanner, target(50), 22, 70*time.Second) // it lasted for hours
	if got := gotInOf(d, []schema.Flow{f}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// sweepOf is a scan of port 22 of addresses, in no order.
func sweepOf(first string, n, step int, after time.Duration) []schema.Flow {
	flows := inNoOrder(scanOf(addrs(first, n, step), 22))
	for i := range flows {
		at := noon.Add(after + time.Duration(i)*time.Millisecond)
		flows[i].Start, flows[i].End, flows[i].Received = at, at, at.Add(time.Second)
	}
	return flows
}

func TestEveryHostOfALargeScanIsRememberedWithinTwoSlash16s(t *testing.T) {
	sweep := sweepOf("10.1.0.0", 1<<16, 2, 0) // every second address of two /16s
	probed, never := netip.MustParseAddr("10.1.77.200"), netip.MustParseAddr("10.2.77.201")
	for when, after := range map[string]time.Duration{"while it is open": 10 * time.Minute, "after it has closed": 5 * time.Hour} {
		for _, host := range []netip.Addr{probed, never} {
			d := alone(t)
			d.Observe(slices.Concat(sweep, passing(2*time.Minute, after)), 0)
			if got := gotInOf(d, []schema.Flow{session(scanner, host, 22, after+time.Minute)}); len(got) != 0 != (host == probed) {
				t.Errorf("%s, a session with %s: %v", when, host, got)
			}
			if got := gotInOf(d, []schema.Flow{connectBackTo(host, scanner, after+2*time.Minute)}); len(got) != 0 != (host == probed) {
				t.Errorf("%s, a session of %s: %v", when, host, got)
			}
		}
	}
}

func TestOfAScanOfManyNetworksAHostConnectsBackAfterTheCloseWhereMostAroundItAreTargets(t *testing.T) {
	for step, want := range map[int]int{1: 10, 64: 0} {
		d := alone(t)
		d.Observe(slices.Concat(sweepOf("10.1.0.0", 4<<16, step, 0), passing(5*time.Minute, 5*time.Hour)), 0)
		n := 0
		for i := range 10 {
			from := netip.AddrFrom4([4]byte{10, byte(4 * step), 77, byte(201 + i)})
			n += len(gotInOf(d, []schema.Flow{connectBackTo(from, scanner, 6*time.Hour)}))
		}
		if n != want {
			t.Errorf("every %d. address: %d of 10 are reported, want %d", step, n, want)
		}
	}
}

func TestWhoTalksWithAHostOfALargeScanBeforeItFailsHasNotGotIn(t *testing.T) {
	critical := 0
	for i := range 50 {
		host := netip.AddrFrom4([4]byte{10, 9, byte(i), 7}) // between its targets
		d := alone(t)
		sweep := sweepOf("10.9.0.0", 60_000, 2, 0)
		// Another exporter saw nothing but the SYN, and its word comes first.
		lone, whole := syn(scanner, host, 22, 10*time.Second+time.Millisecond), session(scanner, host, 22, 10*time.Second)
		critical += len(gotInOf(d, append(sweep, lone, whole)))
	}
	if critical > 2 { // as many as a sample has
		t.Errorf("%d of 50", critical)
	}
}

func TestAScanThatHasClosedIsRememberedWhenALargerOnePushesItsTargetsOut(t *testing.T) {
	d := alone(t)
	d.Observe(slices.Concat(horizontalScan(100, 22, time.Second), passing(2*time.Minute, 2*time.Hour),
		scanOfPort(23, sweepOf("10.8.0.0", 50_000, 1, 3*time.Hour)), passing(4*time.Hour, 6*time.Hour)), 0)
	var got []schema.Endpoint
	for i := range 100 {
		got = append(got, gotInOf(d, []schema.Flow{session(scanner, target(1+i), 22, 7*time.Hour)})...)
	}
	if len(got) != 16 { // so many are listed
		t.Errorf("%d of 100 are reported, want 16", len(got))
	}
}

func scanOfPort(port uint16, flows []schema.Flow) []schema.Flow {
	for i := range flows {
		flows[i].Dst.Port = port
	}
	return flows
}

func TestWhatIsRememberedOfScansThatHaveClosedIsBoundedAndForgotten(t *testing.T) {
	d := alone(t)
	before := d.Stats().Bytes
	var ids []string
	for i := range 6 { // six scans of other hosts and ports, two hours apart
		at := time.Duration(i) * 2 * time.Hour
		flows := scanOfPort(uint16(22+i), sweepOf(fmt.Sprintf("10.%d.0.0", i), 20_000, 1, at))
		for _, a := range d.Observe(append(flows, passing(at+2*time.Minute, at+90*time.Minute)...), 0) {
			if a.State == schema.Open {
				ids = append(ids, a.ID)
			}
		}
	}
	if len(ids) != 6 {
		t.Fatalf("%d scans", len(ids))
	}
	d.Observe(passing(12*time.Hour, 13*time.Hour), 0)
	// Two maps of 8 KiB, one of them a list mostly, a sample, and what counted the hosts for each.
	if took := d.Stats().Bytes - before; took < 4*8<<10 || took > 4*(2*8<<10+896*8+2000+64<<10)+200<<10 {
		t.Errorf("%d bytes", took)
	}
	for i := range 6 {
		host := netip.AddrFrom4([4]byte{10, byte(i), 7, 7})
		got := gotInOf(d, []schema.Flow{session(scanner, host, uint16(22+i), 14*time.Hour)})
		if want := i >= 2; len(got) == 1 != want {
			t.Errorf("scan %d of 6: %v", i, got)
		}
	}
	// Two days on, all of it is gone: while it is reported, and then for good.
	d.Observe(passing(15*time.Hour, 64*time.Hour), 0)
	if s := d.Stats(); s.Opened+s.Reopened != s.Closed || s.Reopened != 4 || s.Sources > 2 {
		t.Errorf("%d opened, %d reopened, %d closed, %d sources", s.Opened, s.Reopened, s.Closed, s.Sources)
	}
	if took := d.Stats().Bytes - before; took > 100<<10 {
		t.Errorf("%d bytes are left", took)
	}
}

func TestAnAlertThatIsReportedAgainIsKeptUnderPressureUntilItCloses(t *testing.T) {
	d := &detect.Replay{Detector: newDetector(t, func(c *detect.Config) { c.Memory = 4 << 20 })}
	d.Observe(slices.Concat(horizontalScan(30, 22, time.Second), passing(2*time.Minute, 2*time.Hour)), 0)
	d.Observe([]schema.Flow{session(scanner, target(7), 22, 2*time.Hour)}, 0)
	for i := range 60_000 {
		flood := make([]schema.Flow, 0, 9)
		for n := range cap(flood) {
			flood = append(flood, syn(target(1<<23+i), target(n*7919+i), uint16(1000+n), 2*time.Hour+time.Duration(i)*10*time.Millisecond))
		}
		d.Observe(flood, 0)
	}
	if s := d.Stats(); s.Evicted == 0 || s.Bytes > 5<<20 {
		t.Errorf("%d evicted, %d bytes", s.Evicted, s.Bytes)
	}
	var last schema.Alert
	for _, a := range d.Observe(passing(4*time.Hour, 5*time.Hour), 0) {
		if a.Source == scanner {
			last = a
		}
	}
	if last.State != schema.Close {
		t.Errorf("it is not closed: %q", last.State)
	}
}

func TestAnAlertThatIsReportedAgainClosesThoughTheWindowHasNothingOfItsSource(t *testing.T) {
	d := alone(t)
	d.Observe(slices.Concat(horizontalScan(100, 22, time.Second), passing(2*time.Minute, 47*time.Hour)), 0)
	if got := gotInOf(d, []schema.Flow{connectBackTo(target(7), scanner, 48*time.Hour)}); len(got) != 1 {
		t.Fatalf("%v", got)
	}
	d.Observe(passing(48*time.Hour, 60*time.Hour), 0)
	if s := d.Stats(); s.Reopened != 1 || s.Closed != 2 || s.Sources > 2 {
		t.Errorf("%d reopened, %d closed, %d sources", s.Reopened, s.Closed, s.Sources)
	}
}

func TestALargeSlowScanIsRememberedForTheWindowAfterItsLastContact(t *testing.T) {
	sweep := sweepOf("10.1.0.0", 3000, 1, 0)
	for i := range sweep {
		at := noon.Add(time.Duration(i) * 36 * time.Second) // 30 hours
		sweep[i].Start, sweep[i].End, sweep[i].Received = at, at, at
	}
	d := alone(t)
	d.Observe(slices.Concat(sweep, passing(31*time.Hour, 75*time.Hour)), 0)
	if s := d.Stats(); s.Closed != 1 {
		t.Fatalf("%d closed", s.Closed)
	}
	if got := gotInOf(d, []schema.Flow{session(scanner, sweep[10].Dst.Addr, 22, 76*time.Hour)}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestWhatIsRememberedOfAScanGoesWithTheWindowThoughItsSourceGoesOn(t *testing.T) {
	d := alone(t)
	d.Observe(slices.Concat(sweepOf("10.1.0.0", 60_000, 2, 0), passing(2*time.Minute, 2*time.Hour)), 0)
	held := d.Stats().Bytes
	for at := 2 * time.Hour; at < 100*time.Hour; at += time.Minute {
		d.Observe([]schema.Flow{session(scanner, target(1<<22+int(at/time.Hour)), 443, at)}, 0)
	}
	if left := d.Stats().Bytes; left+16<<10 > held || d.Stats().Sources == 0 {
		t.Errorf("%d bytes of %d are left", left, held)
	}
}
