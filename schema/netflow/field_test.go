package netflow_test

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// field returns the datagrams of an input from the field, and skips the test without them.
func field(tb testing.TB, name string) []datagram {
	tb.Helper()
	dir := os.Getenv("SCANHOUND_FIELD")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "field")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("no inputs from the field here: %v", err)
	}
	return datagramsOf(tb, path)
}

// played decodes a recording to its end.
func played(tb testing.TB, all []datagram) ([]schema.Flow, netflow.Stats, *netflow.Templates) {
	tb.Helper()
	ts := netflow.NewTemplates(netflow.Config{})
	d := netflow.NewDecoder(ts, netflow.Config{})
	var flows []schema.Flow
	for _, g := range all {
		flows, _ = d.DecodeFrom(flows, netip.AddrPortFrom(g.from, g.port), g.at, g.payload)
	}
	if len(all) > 0 {
		flows = d.Idle(flows, all[len(all)-1].at.Add(time.Minute))
	}
	checkSums(tb, d.Stats())
	checkWaiting(tb, ts, d.Stats())
	return flows, d.Stats(), ts
}

// ofSource counts the flows of each source.
func ofSource(flows []schema.Flow) map[string]int {
	n := map[string]int{}
	for i := range flows {
		n[flows[i].Src.Addr.String()]++
	}
	return n
}

func TestFieldForeignDatagramsAreCountedAndNoMore(t *testing.T) {
	for name, foreign := range map[string]uint64{"foreign-udp-dns.pcap": 5, "foreign-udp-tftp.pcap": 1} {
		flows, s, ts := played(t, field(t, name))
		if len(flows) != 3 || s.Outcomes[netflow.Foreign] != foreign || len(ts.Missing()) > 0 || s.Records.Seen != 3 {
			t.Errorf("%s: %d flows, %+v", name, len(flows), s)
		}
	}
}

func TestFieldRecordsOfV1HaveEitherLength(t *testing.T) {
	flows, _, _ := played(t, field(t, "v1-softflowd.pcap"))
	if n := ofSource(flows); len(flows) != 120 || n["198.51.100.8"] != 114 || n["203.0.113.52"] != 6 {
		t.Errorf("softflowd: %v", n)
	}
	for _, name := range []string{"v1-record48.pcap", "v1-record52.pcap"} {
		flows, _, _ := played(t, field(t, name))
		targets := map[netip.Addr]bool{}
		for _, f := range flows {
			if f.Src.Addr.String() != "198.51.100.7" || f.Dst.Port != 22 || f.Proto != schema.TCP || f.Src.TCPFlags != schema.SYN {
				t.Fatalf("%s: %+v", name, f)
			}
			targets[f.Dst.Addr] = true
		}
		if len(flows) != 48 || len(targets) != 48 {
			t.Errorf("%s: %d flows to %d targets", name, len(flows), len(targets))
		}
	}
}

func TestFieldFlowsBeginBeforeTheirExport(t *testing.T) {
	flows, _, _ := played(t, field(t, "ipfix-softflowd-start-after-export.pcap"))
	for _, f := range flows {
		if f.Start > f.Received || f.End < f.Start {
			t.Fatalf("%v to %v, exported %v", f.Start.Std(), f.End.Std(), f.Received.Std())
		}
	}
	if day := flows[0].Start.Std().Format(time.DateOnly); len(flows) != 1001 || day != "2026-11-07" {
		t.Errorf("%d flows of %s", len(flows), day)
	}
}

func TestFieldTheStartFollowsFromEndAndDuration(t *testing.T) {
	flows, _, _ := played(t, field(t, "ipfix-end-and-duration.pcap"))
	if len(flows) != 1 {
		t.Fatalf("%d flows", len(flows))
	}
	start, end := flows[0].Start.Std(), flows[0].End.Std()
	if want := time.Date(2023, 11, 14, 22, 13, 13, 5e8, time.UTC); !start.Equal(want) || end.Sub(start) != 2500*time.Millisecond {
		t.Errorf("%v to %v", start, end)
	}
}

func TestFieldThePacketInPPTPIsTheFlow(t *testing.T) {
	flows, _, _ := played(t, field(t, "sflow-pptp-gre-ppp.pcap"))
	if len(flows) != 1 || !isTheSYN(&flows[0]) {
		t.Errorf("%+v", flows)
	}
}

// isTheSYN reports whether f is the packet that most of these files are about.
func isTheSYN(f *schema.Flow) bool {
	return f.Src.Addr.String() == "198.51.100.7" && f.Src.Port == 40000 && f.Dst.Addr.String() == "203.0.113.5" && f.Dst.Port == 22 &&
		f.Proto == schema.TCP && f.Src.TCPFlags == schema.SYN && f.Src.Packets == 1
}

func TestFieldTheBeginningOfAPacketIsAFlow(t *testing.T) {
	for _, name := range []string{"ipfix-ip-header-section.pcap", "ipfix-datalink-section.pcap"} {
		flows, _, _ := played(t, field(t, name))
		if len(flows) != 1 || !isTheSYN(&flows[0]) || flows[0].Start == 0 || flows[0].Src.Untold != 0 {
			t.Errorf("%s: %+v", name, flows)
		}
	}
}

func TestFieldTemplatesBelongToTheirPort(t *testing.T) {
	flows, _, ts := played(t, field(t, "ipfix-two-exporters-one-address.pcap"))
	ports := map[string]uint16{"198.51.100.7": 22, "198.51.100.8": 23}
	for _, f := range flows {
		if f.Dst.Port != ports[f.Src.Addr.String()] || f.Proto != schema.TCP || f.Src.TCPFlags != schema.SYN || f.Src.Packets != 1 {
			t.Fatalf("%+v", f)
		}
	}
	if n := ofSource(flows); n["198.51.100.7"] != 30 || n["198.51.100.8"] != 30 || len(ts.List()) != 2 {
		t.Errorf("%v", n)
	}
	flows, _, _ = played(t, field(t, "ipfix-template-from-another-port.pcap"))
	for _, f := range flows {
		if f.Dst.Port != 22 || f.Src.TCPFlags != schema.SYN {
			t.Fatalf("%+v", f)
		}
	}
	if n := ofSource(flows); len(flows) != 30 || n["198.51.100.7"] != 30 {
		t.Errorf("%v", n)
	}
}

func TestFieldWhatIsNotToldIsUntold(t *testing.T) {
	const packets, flags, port, sent = schema.UntoldPackets, schema.UntoldFlags, schema.UntoldPort, schema.UntoldSent
	for name, c := range map[string]struct {
		src, dst schema.Untold // of each flow that is no event without counters
		events   map[uint8]bool
		nat      map[uint8]bool
	}{
		"asa-nsel-answered-tcp.pcap":      {packets | flags, packets | flags, map[uint8]bool{1: true, 2: true}, nil},
		"asa-nsel-answered-udp.pcap":      {packets | flags, packets | flags, map[uint8]bool{1: true, 2: true}, nil},
		"asa-nsel-answered-993.pcap":      {packets | flags, packets | flags, map[uint8]bool{1: true, 2: true}, nil},
		"asa-nsel-unanswered-scan.pcap":   {packets | flags, packets | flags, map[uint8]bool{1: true, 2: true}, nil},
		"asa-nsel-denied-scan.pcap":       {sent, sent, map[uint8]bool{3: true}, nil},
		"nat-events-hsl.pcap":             {sent, sent, map[uint8]bool{0: true}, map[uint8]bool{1: true, 2: true}},
		"no-packet-counter-pairs.pcap":    {packets | flags, sent, map[uint8]bool{0: true}, map[uint8]bool{0: true}},
		"no-packet-counter-oneway.pcap":   {packets | flags, sent, map[uint8]bool{0: true}, map[uint8]bool{0: true}},
		"template-without-ports-tcp.pcap": {flags | port, sent | port, map[uint8]bool{0: true}, map[uint8]bool{0: true}},
		"template-without-ports-udp.pcap": {flags | port, sent | port, map[uint8]bool{0: true}, map[uint8]bool{0: true}},
	} {
		flows, _, _ := played(t, field(t, name))
		if len(flows) == 0 {
			t.Errorf("%s: no flows", name)
		}
		events, nat := map[uint8]bool{}, map[uint8]bool{}
		for _, f := range flows {
			events[f.Event], nat[f.NATEvent] = true, true
			src, dst := c.src, c.dst
			if f.Event == 1 {
				src, dst = sent, sent
			}
			if f.Src.Untold != src || f.Dst.Untold != dst {
				t.Errorf("%s: untold %04b and %04b, want %04b and %04b: %+v", name, f.Src.Untold, f.Dst.Untold, src, dst, f)
				break
			}
		}
		if !maps.Equal(events, c.events) || c.nat != nil && !maps.Equal(nat, c.nat) {
			t.Errorf("%s: events %v, of NAT %v", name, events, nat)
		}
	}
}

func TestFieldLaterFragmentsHaveNoPorts(t *testing.T) {
	flows, _, _ := played(t, field(t, "fragments-port0-dns.pcap"))
	fragments := 0
	for _, f := range flows {
		if f.Src.Port|f.Dst.Port == 0 {
			fragments++
		}
		if untold := f.Src.Untold&schema.UntoldPort != 0; untold != (f.Src.Port|f.Dst.Port == 0) {
			t.Fatalf("%+v", f)
		}
	}
	if fragments == 0 {
		t.Error("no fragments")
	}
}
