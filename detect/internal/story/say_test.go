package story

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scanhound/scanhound/schema"
)

// flowsOf are the flows of one line, in the order in which they are exported.
func flowsOf(t *testing.T, text string) (all []schema.Flow) {
	t.Helper()
	l, err := parseLine(text, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := story{lines: []*line{l}}
	s.datagrams(func(flows []schema.Flow) bool {
		all = append(all, flows...)
		return true
	})
	return all
}

func TestAConversationIsTheRecordsThatItsExporterSends(t *testing.T) {
	const who = "08:00 10.0.0.5:40000 -> 10.0.0.1 "
	sa, pshFin := uint16(schema.SYN|schema.ACK), uint16(schema.SYN|schema.ACK|schema.PSH|schema.FIN)
	side := func(addr string, port uint16, packets, bytes uint64, flags uint16, untold schema.Untold) schema.Side {
		return schema.Side{Addr: netip.MustParseAddr(addr), Port: port, Packets: packets, Bytes: bytes, TCPFlags: flags, Untold: untold}
	}
	client := func(port uint16, packets, bytes uint64, flags uint16, untold schema.Untold) schema.Side {
		return side("10.0.0.5", port, packets, bytes, flags, untold)
	}
	server := func(port uint16, packets, bytes uint64, flags uint16, untold schema.Untold) schema.Side {
		return side("10.0.0.1", port, packets, bytes, flags, untold)
	}
	type sides [2]schema.Side
	for text, want := range map[string][]sides{
		"tcp/22 syn": {{client(40000, 1, 44, schema.SYN, 0), server(22, 0, 0, 0, schema.UntoldSent)}},
		"tcp/22 half-open": {
			{client(40000, 2, 84, schema.SYN|schema.RST, 0), server(22, 0, 0, 0, schema.UntoldSent)},
			{server(22, 1, 44, sa, 0), client(40000, 0, 0, 0, schema.UntoldSent)}},
		"tcp/22 half-open one-way":                         {{client(40000, 2, 84, schema.SYN|schema.RST, 0), server(22, 0, 0, 0, schema.UntoldSent)}},
		"tcp/22 half-open reply-only":                      {{server(22, 1, 44, sa, 0), client(40000, 0, 0, 0, schema.UntoldSent)}},
		"tcp/22 half-open biflow":                          {{client(40000, 2, 84, schema.SYN|schema.RST, 0), server(22, 1, 44, sa, 0)}},
		"tcp/22 session biflow packets=? bytes=2100/40000": {{client(40000, 0, 2100, pshFin, schema.UntoldPackets), server(22, 0, 40000, pshFin, schema.UntoldPackets)}},
		"tcp/22 session biflow bytes=0/0 flags=?":          {{client(40000, 12, 0, 0, schema.UntoldFlags), server(22, 10, 0, 0, schema.UntoldFlags)}},
		"tcp/22 session biflow flagless bytes=? ":          {{client(40000, 12, 0, 0, schema.UntoldBytes), server(22, 10, 0, 0, schema.UntoldBytes)}},
		"udp/53 silent ports=?":                            {{client(0, 1, 60, 0, schema.UntoldPort), server(0, 0, 0, 0, schema.UntoldSent|schema.UntoldPort)}},
		"udp/53 silent packets=3":                          {{client(40000, 3, 180, 0, 0), server(53, 0, 0, 0, schema.UntoldSent)}},
		"udp/53 answered biflow packets=2/5":               {{client(40000, 2, 120, 0, 0), server(53, 5, 600, 0, 0)}},
		"tcp/22 session biflow packets=4 sampled 100":      {{client(40000, 4, 664, schema.ACK, 0), server(22, 1, 900, schema.ACK, 0)}},
	} {
		var got []sides
		for _, f := range flowsOf(t, who+text) {
			got = append(got, sides{f.Src, f.Dst})
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", text, diff)
		}
	}
}

func TestARecordSaysWhichEventOfAFirewallOrANATItIs(t *testing.T) {
	const who = "08:00 10.0.0.5 -> 10.0.0.1 tcp/22 syn "
	for text, want := range map[string][3]int{
		"": {}, "event=created": {1}, "event=deleted reason=2030": {2, 0, 2030}, "event=denied reason=1001": {3, 0, 1001},
		"event=update": {5}, "nat=created": {0, 1}, "nat=deleted": {0, 2}, "nat=session-created": {0, 4},
	} {
		f := flowsOf(t, who+text)[0]
		if got := [3]int{int(f.Event), int(f.NATEvent), int(f.EventReason)}; got != want {
			t.Errorf("%q: event, natEvent and reason %v, want %v", text, got, want)
		}
	}
}

func TestEachLineHasItsExporterAndItsRate(t *testing.T) {
	const who = "08:00 10.0.0.5 -> 10.0.0.1 tcp/22 syn "
	for text, want := range map[string]schema.Exporter{
		"":                                {Addr: netip.MustParseAddr("192.0.2.1")},
		"exporter 192.0.2.9 sampled 1000": {Addr: netip.MustParseAddr("192.0.2.9"), Sampling: 1000},
		"exporter none":                   {},
	} {
		if got := flowsOf(t, who+text)[0].Exporter; got.Addr != want.Addr || got.Sampling != want.Sampling {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestWhatIsExportedLateKeepsWhenItWas(t *testing.T) {
	type seen struct {
		fromServer     bool
		start, arrival time.Duration // after eight
	}
	const ms, s = time.Millisecond, time.Second
	for text, want := range map[string][]seen{
		"":                                     {{false, 0, s}, {true, 20 * ms, s}},
		"late 10s":                             {{false, 0, 11 * s}, {true, 20 * ms, 11 * s}},
		"ask-late 30s":                         {{true, 20 * ms, s}, {false, 0, 31 * s}},
		"answer-late 30s":                      {{false, 0, s}, {true, 20 * ms, 31 * s}},
		"late 5s ask-late 30s answer-late 10s": {{true, 20 * ms, 16 * s}, {false, 0, 36 * s}},
	} {
		var got []seen
		for _, f := range flowsOf(t, "08:00 10.0.0.5 -> 10.0.0.1 tcp/22 syn refused "+text) {
			eight := midnight.Add(8 * time.Hour)
			got = append(got, seen{f.Src.Port == 22, f.Start.Sub(eight), f.Received.Sub(eight)})
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", text, diff)
		}
	}
}
