package detect_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// connectBackTo is a session that a host opens to port 4444 of the scanner.
func connectBackTo(from, to netip.Addr, after time.Duration) schema.Flow {
	f := session(from, to, 4444, after)
	f.Src.Port, f.Orientation = 51000, schema.OrientReverse
	return f
}

// apart is two partitions: flows go to that of their owner, copies are made from
// what the alerts said before.
type apart struct {
	t          *testing.T
	partitions [2]*detect.Detector
	alerted    detect.Alerted
	written    [2][]schema.Flow
}

func newApart(t *testing.T) *apart {
	return &apart{t: t, partitions: [2]*detect.Detector{newDetector(t, nil), newDetector(t, nil)}}
}

func (a *apart) play(flows ...schema.Flow) (said []schema.Alert) {
	a.t.Helper()
	for _, f := range flows {
		for _, f := range a.alerted.Sources().Copies([]schema.Flow{f}, []schema.Flow{f}) {
			n := schema.Partition(f.Owner(), 2)
			a.written[n] = append(a.written[n], f)
			for _, alert := range a.partitions[n].Observe([]schema.Flow{f}, int64(len(a.written[n]))) {
				a.alerted.Learn(&alert)
				said = append(said, alert)
			}
		}
		checkSum(a.t, a.partitions[0])
		checkSum(a.t, a.partitions[1])
	}
	return said
}

// elsewhere is a target of horizontalScan in another partition than the scanner.
func elsewhere(t *testing.T, scanner netip.Addr, targets int) netip.Addr {
	t.Helper()
	for i := range targets {
		if a := target(1 + i); schema.Partition(a, 2) != schema.Partition(scanner, 2) {
			return a
		}
	}
	t.Fatal("all targets share the scanner's partition")
	return netip.Addr{}
}

func TestASessionThatATargetOpensToItsScannerIsCriticalAcrossPartitions(t *testing.T) {
	a := newApart(t)
	a.play(horizontalScan(100, 22, time.Second)...)
	victim := elsewhere(t, scanner, 100)
	said := a.play(connectBackTo(victim, scanner, 5*time.Minute))
	if len(said) != 1 {
		t.Fatalf("%d alerts, want one", len(said))
	}
	want := []schema.Endpoint{{Addr: victim, Port: 4444, Proto: "TCP", Back: true}}
	if u := said[0]; u.State != schema.Update || u.Severity != schema.Critical || u.Source != scanner ||
		u.Reason != "got in: "+victim.String()+" opened a session to its scanner on TCP/4444" {
		t.Errorf("%s, %s, %s: %s", u.State, u.Severity, u.Source, u.Reason)
	}
	if !slices.Equal(want, said[0].Answered) {
		t.Errorf("answered: %v, want %v", said[0].Answered, want)
	}
	if n := said[0].Origin.LastOffset; n != int64(len(a.written[schema.Partition(scanner, 2)])) {
		t.Errorf("the alert's flows end at %d, before the copy", n)
	}
	var counted uint64
	for _, d := range a.partitions {
		counted += d.Stats().Counted
	}
	if counted != 101 {
		t.Errorf("%d flows counted, want 101: a copy is no contact", counted)
	}
	if said := a.play(connectBackTo(victim, scanner, 6*time.Minute)); len(said) != 0 {
		t.Errorf("the same again: %s", said[0].Reason)
	}
	// Whoever reads the partition again says the same.
	n := schema.Partition(scanner, 2)
	var again []schema.Alert
	for d, i := newDetector(t, nil), 0; i < len(a.written[n]); i++ {
		again = append(again, d.Observe(a.written[n][i:i+1], int64(i+1))...)
	}
	if len(again) < 2 || !bytes.Equal(wire(t, &said[0]), wire(t, &again[len(again)-1])) {
		t.Errorf("read again: %+v", again)
	}
}

func wire(t *testing.T, a *schema.Alert) []byte {
	t.Helper()
	b, err := schema.AppendAlert(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsNoSessionBackFromATargetOfAnOpenScanIsSilent(t *testing.T) {
	far := target(1 << 20)
	const control = "none of these"
	for name, change := range map[string]func(f *schema.Flow){
		control:                func(*schema.Flow) {},
		"never probed":         func(f *schema.Flow) { f.Src.Addr = far },
		"nobody with an alert": func(f *schema.Flow) { f.Dst.Addr = far },
		"before the scan":      func(f *schema.Flow) { f.Start = noon.Add(-time.Minute) },
		"a connection without data": func(f *schema.Flow) {
			f.Src.Packets, f.Src.TCPFlags, f.Dst.Packets, f.Dst.TCPFlags = 4, schema.SYN|schema.ACK|schema.FIN, 3, schema.SYN|schema.ACK|schema.FIN
		},
		"UDP":                          func(f *schema.Flow) { f.Proto = schema.UDP },
		"asked for by its own session": func(f *schema.Flow) { f.Hints = schema.HintServerCall },
		"the answer to a probe, oriented by nothing": func(f *schema.Flow) {
			f.Orientation, f.Src.Port, f.Dst.Port = schema.OrientNone, 22, 40022
		},
		"the answer to a probe, turned the wrong way": func(f *schema.Flow) { f.Src.Port, f.Dst.Port = 22, 40022 },
	} {
		a := newApart(t)
		a.play(horizontalScan(100, 22, time.Second)...)
		f := connectBackTo(target(7), scanner, 5*time.Minute)
		change(&f)
		if said := a.play(f); len(said) != 0 != (name == control) {
			t.Errorf("%s: %+v", name, said)
		}
	}
}

func TestASessionBackBeforeTheAlertOpensIsSilent(t *testing.T) {
	a := newApart(t)
	a.play(horizontalScan(20, 22, time.Second)...)
	if said := a.play(connectBackTo(target(7), scanner, time.Minute)); len(said) != 0 {
		t.Errorf("%s", said[0].Reason)
	}
}

func TestATargetWhosePortAnsweredAConnectScanConnectsBack(t *testing.T) {
	connect := syn(scanner, target(7), 22, 90*time.Second) // the port is open, nothing is said
	connect.Src.Packets, connect.Src.TCPFlags = 3, schema.SYN|schema.ACK|schema.RST
	connect.Dst.Packets, connect.Dst.Bytes, connect.Dst.TCPFlags = 1, 44, schema.SYN|schema.ACK
	var flows []schema.Flow
	for _, f := range horizontalScan(100, 22, time.Second) {
		if f.Dst.Addr != target(7) {
			flows = append(flows, f)
		}
	}
	back := connectBackTo(target(7), scanner, 5*time.Minute)
	alone := detect.Replay{Detector: newDetector(t, nil)}
	alone.Observe(append(flows, connect), 0)
	if said := alone.Observe([]schema.Flow{back}, 1); len(said) != 1 || said[0].Severity != schema.Critical {
		t.Errorf("%d alerts", len(said))
	}
	// What an exception lets the scanner do is no probe.
	alone = detect.Replay{Detector: newDetector(t, nil)}
	alone.SetExceptions([]detect.Exception{{Targets: []netip.Prefix{netip.PrefixFrom(target(7), 32)}}})
	alone.Observe(append(flows, connect), 0)
	if said := alone.Observe([]schema.Flow{back}, 1); len(said) != 0 {
		t.Errorf("excepted: %s", said[0].Reason)
	}
}

func TestAConnectBackToAnyAddressOfASlash64ThatScansAsAWholeIsASessionWithItsScanner(t *testing.T) {
	host := func(net, n int) netip.Addr {
		return netip.MustParseAddr("2001:db8:0:" + strconv.Itoa(net) + "::" + strconv.FormatInt(int64(n), 16))
	}
	alone := detect.Replay{Detector: newDetector(t, nil)}
	var open []schema.Alert
	for i := range 200 { // a fresh address for each probe
		f := syn(host(9, i+1), host(1, i+1), 22, time.Duration(i)*time.Second)
		open = append(open, alone.Observe([]schema.Flow{f}, int64(i))...)
	}
	if len(open) == 0 || open[0].Prefix != 64 {
		t.Fatalf("%d alerts", len(open))
	}
	said := alone.Observe([]schema.Flow{connectBackTo(host(1, 7), host(9, 0xbeef), 5*time.Minute)}, 200)
	if len(said) != 1 || said[0].Prefix != 64 || said[0].Severity != schema.Critical || len(said[0].Answered) != 1 || said[0].Answered[0].Addr != host(1, 7) {
		t.Errorf("%+v", said)
	}
}

func TestOfALargeScanATargetThatIsNotInTheSampleConnectsBackWhereMostAroundItAreTargets(t *testing.T) {
	reported := func(flows []schema.Flow, from netip.Addr) (n int) {
		alone := detect.Replay{Detector: newDetector(t, nil)}
		alone.Observe(flows, 0)
		for i := range 10 {
			from = from.Next()
			n += len(alone.Observe([]schema.Flow{connectBackTo(from, scanner, 10*time.Minute+time.Duration(i)*time.Second)}, 1))
		}
		return n
	}
	for _, hosts := range []int{2000, 20_000, 200_000} {
		flows := horizontalScan(hosts, 22, time.Millisecond)
		if n := reported(flows, target(hosts/2)); n != 10 {
			t.Errorf("%d of 10 targets of %d are reported", n, hosts)
		}
		if n := reported(flows, target(1<<23)); n != 0 {
			t.Errorf("%d of 10 hosts far from the %d targets are reported", n, hosts)
		}
		for i := range flows { // one of each /24
			flows[i].Dst.Addr = target(i * 256 % (1 << 24))
		}
		if n := reported(flows, target(hosts/2*256%(1<<24))); n != 0 {
			t.Errorf("%d of 10 hosts between %d targets that lie far apart are reported", n, hosts)
		}
	}
	block := blockScan(1000, 100, time.Millisecond)
	for i := range block { // four of each /24, at many ports
		n := block[i].Dst.Addr.As4()
		at := int(n[2])<<8 | int(n[3])
		block[i].Dst.Addr = target(at * 64)
	}
	if n := reported(block, target(500*64)); n != 0 {
		t.Errorf("%d of 10 hosts between the four targets of a /24 are reported", n)
	}
}

// Both orders in which a replay's batches may be cut say the same.
func TestAReplayMakesTheCopiesItself(t *testing.T) {
	flows := append(horizontalScan(100, 22, time.Second), connectBackTo(target(7), scanner, 5*time.Minute), connectBackTo(target(8), scanner, 6*time.Minute))
	var critical [2]int
	for i, size := range []int{1, len(flows)} {
		alone := detect.Replay{Detector: newDetector(t, nil)}
		for at := 0; at < len(flows); at += size {
			for _, a := range alone.Observe(flows[at:min(at+size, len(flows))], int64(at)) {
				if a.Severity == schema.Critical {
					critical[i]++
				}
			}
		}
		checkSum(t, alone.Detector)
		if n := alone.Stats().Copies; n != 2 {
			t.Errorf("%d copies, want 2", n)
		}
	}
	if critical != [2]int{2, 2} {
		t.Errorf("%v critical revisions, want 2 each", critical)
	}
}

func TestWhoIsAlertedIsForgottenTwoDaysAfterTheCloseOrAfterFourSilentDays(t *testing.T) {
	var a detect.Alerted
	learn := func(id string, revision uint32, state schema.State, after time.Duration) int {
		alert := schema.Alert{ID: id, Revision: revision, State: state, Source: scanner, LastSeen: noon.Add(after).Std()}
		if id == "of somebody else" {
			alert.Source = target(1)
		}
		a.Learn(&alert)
		return a.Sources().Len()
	}
	for i, step := range []struct {
		id       string
		revision uint32
		state    schema.State
		after    time.Duration
		sources  int
	}{
		{"a", 1, schema.Open, 0, 1}, {"b", 1, schema.Open, 0, 1}, {"a", 2, schema.Close, 0, 1},
		{"b", 3, schema.Update, 0, 1}, {"b", 2, schema.Close, 0, 1}, // written again by another detector
		{"b", 4, schema.Close, 0, 1}, {"b", 4, schema.Close, 0, 1},
		{"of somebody else", 1, schema.Close, detect.ClosedFor, 2}, {"of somebody else", 1, schema.Close, detect.ClosedFor + 2*time.Hour, 1},
		{"of somebody else", 2, schema.Update, detect.ClosedFor + 2*time.Hour, 1},
		{"of somebody else", 2, schema.Update, detect.ClosedFor + detect.AlertedFor, 1},
		{"c", 7, schema.Update, detect.ClosedFor + detect.AlertedFor, 2},
		{"of somebody else", 3, schema.Close, detect.ClosedFor + 2*detect.AlertedFor, 2},
		{"of somebody else", 3, schema.Close, detect.ClosedFor + 2*detect.AlertedFor + 2*time.Hour, 1},
	} {
		if n := learn(step.id, step.revision, step.state, step.after); n != step.sources {
			t.Fatalf("step %d: %d sources, want %d", i, n, step.sources)
		}
	}
}

func TestWhoIsAlertedIsBounded(t *testing.T) {
	var a detect.Alerted
	const alerts = 100_001
	for i := range alerts {
		a.Learn(&schema.Alert{ID: strconv.Itoa(i), Revision: 1, State: schema.Open, Source: target(i), LastSeen: noon.Add(time.Duration(i) * time.Millisecond).Std()})
	}
	if !a.Changed() {
		t.Error("nothing has changed")
	}
	s := a.Sources()
	if n := s.Len(); a.Changed() || n > alerts-6000 || n < alerts-7000 {
		t.Errorf("%d sources", n)
	}
	newest, oldest := connectBackTo(target(1), target(alerts-1), 0), connectBackTo(target(1), target(0), 0)
	if got := s.Copies(nil, []schema.Flow{oldest, newest}); len(got) != 1 || got[0].Dst.Addr != target(alerts-1) || got[0].Hints != schema.HintCopy {
		t.Errorf("%+v", got)
	}
}

func TestClosedAlertsAreForgottenBeforeOpenOnes(t *testing.T) {
	var a detect.Alerted
	for i := range 100_001 {
		state := schema.Close
		if i < 50_000 { // the open ones are older
			state = schema.Open
		}
		a.Learn(&schema.Alert{ID: strconv.Itoa(i), Revision: 1, State: state, Source: target(i), LastSeen: noon.Add(time.Duration(i) * time.Millisecond).Std()})
	}
	s := a.Sources()
	for i, known := range map[int]bool{0: true, 49_999: true, 50_000: false, 100_000: true} {
		if got := len(s.Copies(nil, []schema.Flow{connectBackTo(target(1), target(i), 0)})) == 1; got != known {
			t.Errorf("alert %d is remembered: %v", i, got)
		}
	}
}

// BenchmarkCopies is what a flow costs in ingest beside orientation: nothing
// while nobody has an alert, and a lookup for sessions else.
func BenchmarkCopies(b *testing.B) {
	flows := population(4096, 1000)
	for _, n := range []int{0, 1, 1000, 100_000} {
		b.Run("alerted="+strconv.Itoa(n), func(b *testing.B) {
			var a detect.Alerted
			for i := range n {
				a.Learn(&schema.Alert{ID: strconv.Itoa(i), Revision: 1, State: schema.Open, Source: netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}), LastSeen: noon.Std()})
			}
			s := a.Sources()
			at := 0
			var copies []schema.Flow
			b.ReportAllocs()
			for b.Loop() {
				copies = s.Copies(copies[:0], flows[at:at+32])
				at = (at + 32) % 4064
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/flow")
		})
	}
}
