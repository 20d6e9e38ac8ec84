package detect

import (
	"net/netip"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestWhatIsNotToldIsNotZero(t *testing.T) {
	const none = schema.UntoldPackets | schema.UntoldFlags
	flow := func(change func(*schema.Flow)) schema.Flow {
		f := schema.Flow{Proto: schema.TCP}
		f.Src.Untold, f.Dst.Untold = none, none
		change(&f)
		return f
	}
	for _, c := range []struct {
		name string
		flow schema.Flow
		want outcome
	}{
		{"bytes both ways", flow(func(f *schema.Flow) { f.Src.Bytes, f.Dst.Bytes = 80, 300 }), answered},
		{"bytes back alone", flow(func(f *schema.Flow) { f.Dst.Bytes = 300 }), answered},
		{"more than a probe's worth out", flow(func(f *schema.Flow) { f.Src.Bytes = 9000 }), touched},
		{"few bytes out", flow(func(f *schema.Flow) { f.Src.Bytes = 44 }), touched},
		{"few bytes of UDP out", flow(func(f *schema.Flow) { f.Src.Bytes, f.Proto = 44, schema.UDP }), touched},
		{"torn down without a byte", flow(func(f *schema.Flow) { f.Event = eventDeleted }), flagless},
		{"UDP torn down without a byte back", flow(func(f *schema.Flow) { f.Event, f.Src.Bytes, f.Proto = eventDeleted, 60, schema.UDP }), failed},
		{"torn down, and bytes are not told", flow(func(f *schema.Flow) { f.Event, f.Dst.Untold = eventDeleted, schema.UntoldSent }), touched},
		{"denied", flow(func(f *schema.Flow) { f.Event = eventDenied }), failed},
		{"denied, in the midst of a session", flow(func(f *schema.Flow) { f.Event, f.EventReason = eventDenied, reasonNoSYN }), weak},
		{"a SYN in so many bytes", flow(func(f *schema.Flow) { f.Src.Bytes, f.Src.TCPFlags, f.Src.Untold = 44, schema.SYN, schema.UntoldPackets }), failed},
		{"a SYN and data", flow(func(f *schema.Flow) {
			f.Src.Bytes, f.Src.TCPFlags, f.Src.Untold = 4000, schema.SYN, schema.UntoldPackets
		}), touched},
	} {
		if got := outcomeOf(&c.flow, false); got != c.want {
			t.Errorf("%s: %b, want %b", c.name, got, c.want)
		}
	}
}

func TestAnEventThatSaysNothingYetOrNothingAtAllIsLeftOut(t *testing.T) {
	contact := schema.Flow{Proto: schema.TCP}
	contact.Src = schema.Side{Addr: netip.MustParseAddr("10.0.0.5"), Port: 40000}
	contact.Dst = schema.Side{Addr: netip.MustParseAddr("203.0.113.1"), Port: 443}
	for _, c := range []struct {
		name   string
		change func(*schema.Flow)
		want   guard
	}{
		{"created", func(f *schema.Flow) { f.Event = eventCreated }, guardEvent},
		{"going on, unanswered so far", func(f *schema.Flow) { f.Event, f.Src.Bytes = eventUpdate, 60 }, guardEvent},
		{"going on, answered", func(f *schema.Flow) { f.Event, f.Dst.Bytes = eventUpdate, 60 }, guardNone},
		{"deleted", func(f *schema.Flow) { f.Event = eventDeleted }, guardNone},
		{"denied", func(f *schema.Flow) { f.Event = eventDenied }, guardNone},
		{"translated", func(f *schema.Flow) { f.NATEvent = 2 }, guardNATEvent},
		{"translated, with counters", func(f *schema.Flow) { f.NATEvent, f.Src.Packets = 2, 1 }, guardNone},
		{"denied by a translator", func(f *schema.Flow) { f.NATEvent, f.Event = 1, eventDenied }, guardNone},
		{"port 0 from a port", func(f *schema.Flow) { f.Dst.Port = 0 }, guardNone},
		{"no ports", func(f *schema.Flow) { f.Src.Port, f.Dst.Port = 0, 0 }, guardNoPort},
		{"the target's port untold", func(f *schema.Flow) { f.Dst.Port, f.Dst.Untold = 0, schema.UntoldPort }, guardNoPort},
		{"a protocol without ports", func(f *schema.Flow) { f.Src.Port, f.Dst.Port, f.Proto = 0, 0, 47 }, guardNone},
	} {
		f := contact
		c.change(&f)
		if got := guardFlow(&f); got != c.want {
			t.Errorf("%s: guard %q, want %q", c.name, guards[got].name, guards[c.want].name)
		}
	}
}

func TestAnExporterThatNobodyNamesIsNeverKnownToSendFlags(t *testing.T) {
	n := network{sendsFlags: map[netip.Addr]bool{}}
	syn, null := schema.Flow{Proto: schema.TCP}, schema.Flow{Proto: schema.TCP}
	syn.Src.TCPFlags = schema.SYN
	if n.knowsFlags(&syn) || n.knowsFlags(&null) {
		t.Error("flows of a file, which have no exporter, are taken for an exporter's")
	}
	by := netip.MustParseAddr("192.0.2.1")
	syn.Exporter.Addr, null.Exporter.Addr = by, by
	if !n.knowsFlags(&syn) || !n.knowsFlags(&null) {
		t.Error("an exporter that has sent flags is not known to")
	}
	null.Src.Untold, null.Dst.Untold = schema.UntoldFlags, schema.UntoldSent
	if n.knowsFlags(&null) {
		t.Error("a template without flags counts as one that tells of none")
	}
}

func TestAHandshakeWithoutAWordIsReachedHoweverItEnds(t *testing.T) {
	const S, A, R, P, F = schema.SYN, schema.ACK, schema.RST, schema.PSH, schema.FIN
	for _, c := range []struct {
		name           string
		flags          uint16
		packets, bytes uint64
		want           outcome
	}{
		{"HAProxy: the ACK and the RST are one packet", S | A | R, 2, 92, reached},
		{"torn down by RST", S | A | R, 3, 132, reached},
		{"closed by both", S | A | F, 4, 216, reached},
		{"left open", S | A, 3, 164, reached},
		{"of IPv6", S | A | F, 4, 300, reached},
		{"data", S | A | P | F, 5, 600, answered},
		{"data that is not pushed", S | A | F, 5, 600, answered},
		{"a long one", S | A | F, 12, 600, answered},
		{"half-open", S | R, 2, 84, failed},
	} {
		f := schema.Flow{Proto: schema.TCP}
		f.Src.TCPFlags, f.Src.Packets, f.Src.Bytes = c.flags, c.packets, c.bytes
		if got := outcomeOf(&f, true); got != c.want {
			t.Errorf("%s: %b, want %b", c.name, got, c.want)
		}
	}
}
