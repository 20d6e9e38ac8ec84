package netflow_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scanhound/scanhound/schema"
)

// one decodes the data records of one template and returns the only flow.
func one(t *testing.T, datagrams ...[]byte) schema.Flow {
	t.Helper()
	d := decoder()
	flows := decode(d, datagrams...)
	checkSums(t, d.Stats())
	if len(flows) != 1 {
		t.Fatalf("decoded %d flows, want 1: %+v", len(flows), d.Stats())
	}
	return flows[0]
}

func ms(d time.Duration) schema.Time { return schema.TimeOf(exported.Add(d)) }

func TestAV5RecordIsAFlow(t *testing.T) {
	got := one(t, v5(1, v5record(6, 40000, 22)))
	want := schema.Flow{
		Exporter: schema.Exporter{Addr: exporterA, Type: schema.NetFlowV5, Domain: 2<<8 | 3, Sequence: 7, Sampling: 100},
		Received: arrived, Start: ms(5*time.Millisecond - 2*time.Second), End: ms(5*time.Millisecond - time.Second),
		Src:   schema.Side{Addr: netip.MustParseAddr("198.51.100.7"), Packets: 5, Bytes: 600, AS: 64500, Interface: 3, Port: 40000, TCPFlags: schema.SYN, Mask: 24},
		Dst:   schema.Side{Addr: netip.MustParseAddr("203.0.113.9"), AS: 64501, Interface: 4, Port: 22, Mask: 16, Untold: schema.UntoldSent},
		Proto: 6, TOS: 8,
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsOfV1AndV7AreThoseOfV5(t *testing.T) {
	want := one(t, v5(1, v5record(6, 40000, 22)))
	want.Exporter.Domain, want.Exporter.Sampling = 0, 0
	if diff := cmp.Diff(want, one(t, v7(1, v7record)), sameAddr); diff != "" {
		t.Errorf("v7: %s", diff)
	}
	want.Exporter.Sequence = 0
	want.Src.AS, want.Dst.AS, want.Src.Mask, want.Dst.Mask = 0, 0, 0, 0
	if diff := cmp.Diff(want, one(t, v1(1, v1record)), sameAddr); diff != "" {
		t.Errorf("v1: %s", diff)
	}
	for name, b := range map[string][]byte{"v1": v1(3, v1record, v1record, v1record), "v7": v7(3, v7record, v7record, v7record)} {
		if flows := decode(decoder(), b); len(flows) != 3 || flows[2].Src.Addr != want.Src.Addr || flows[2].Src.TCPFlags != schema.SYN {
			t.Errorf("%s: the third is %+v", name, flows)
		}
	}
}

func TestAPacketThatSFlowSampledIsAFlow(t *testing.T) {
	got := one(t, sflow5(sampled(100, synFrame)))
	want := schema.Flow{
		Exporter: schema.Exporter{Addr: exporterA, Type: schema.SFlow5, Domain: 3, Sequence: 7, Sampling: 100},
		Received: arrived, Start: arrived, End: arrived,
		Src:   schema.Side{Addr: netip.MustParseAddr("198.51.100.7"), Packets: 1, Bytes: uint64(len(synFrame) + 4), Interface: 3, Port: 40000, TCPFlags: schema.SYN},
		Dst:   schema.Side{Addr: netip.MustParseAddr("203.0.113.9"), Interface: 4, Port: 22, Untold: schema.UntoldSent},
		Proto: 6, TOS: 8, TTL: 63,
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Error(diff)
	}
}

func TestUsualRecordsOfV9AndIPFIXAreTheSameFlow(t *testing.T) {
	want := schema.Flow{
		Exporter: schema.Exporter{Addr: exporterA, Type: schema.NetFlowV9, Domain: 1, Sequence: 7},
		Received: arrived, Start: ms(-2 * time.Second), End: ms(-time.Second),
		Src:   schema.Side{Addr: netip.MustParseAddr("198.51.100.7"), Packets: 5, Bytes: 600, AS: 64500, Interface: 3, Port: 40009, TCPFlags: schema.SYN, Mask: 24},
		Dst:   schema.Side{Addr: netip.MustParseAddr("203.0.113.9"), AS: 64501, Interface: 4, Port: 22, Mask: 16, Untold: schema.UntoldSent},
		Proto: 6, TOS: 8,
	}
	if diff := cmp.Diff(want, one(t, v9(1, set(0, template(256, usualV9...)), set(256, usualRecord(9, false)))), sameAddr); diff != "" {
		t.Errorf("v9: %s", diff)
	}
	want.Exporter.Type = schema.IPFIX
	if diff := cmp.Diff(want, one(t, ipfix(1, set(2, template(256, usualIPFIX...)), set(256, usualRecord(9, true)))), sameAddr); diff != "" {
		t.Errorf("IPFIX: %s", diff)
	}
}

func TestTimesFollowTheExportersClockOverTheWrapOfItsUptime(t *testing.T) {
	for _, c := range []struct {
		name     string
		uptime   uint32
		at       uint32
		relative time.Duration
	}{
		{"before the export", 10_000, 9_000, -time.Second},
		{"slightly ahead of the header", 10_000, 10_500, 500 * time.Millisecond},
		{"before the counter wrapped", 1_000, 0xffff_ffff - 999, -2 * time.Second},
		{"40 days before", 40 * 86_400_000, 0, -40 * 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := v5(1, v5record(6, 1, 2))
			be.PutUint32(b[4:], c.uptime)
			be.PutUint32(b[24+24:], c.at)
			if got, want := one(t, b).Start, ms(5*time.Millisecond+c.relative); got != want {
				t.Errorf("start is %v, want %v", got.Std(), want.Std())
			}
		})
	}
}

// ends are the addresses that make a record a flow.
var ends = []fld{f(8, 4), f(12, 4)}

func endsOf(rest ...[]byte) []byte {
	return cat(ip("198.51.100.7"), ip("203.0.113.9"), cat(rest...))
}

func TestElementsMeanWhatTheyShould(t *testing.T) {
	back := func(id, length uint16) fld { return fld{id, length, 29305} }
	at := uint64(exported.UnixMilli())
	ntpAt := uint64(exported.Unix()+2_208_988_800) << 32
	opened := ms(-10 * time.Second)
	for _, c := range []struct {
		name    string
		version int
		fields  []fld
		record  []byte
		want    func(*schema.Flow)
	}{
		{"reduced sizes of numbers", 10, []fld{f(1, 3), f(2, 1), f(7, 1), f(4, 1), f(16, 2)}, cat([]byte{1, 0, 2}, u8(9), u8(80), u8(6), u16(7)),
			func(f *schema.Flow) { f.Src.Bytes, f.Src.Packets, f.Src.Port, f.Proto, f.Src.AS = 65538, 9, 80, 6, 7 }},
		{"the last 8 bytes of a longer number", 10, []fld{f(1, 16)}, cat(u64(1), u64(2)), func(f *schema.Flow) { f.Src.Bytes = 2 }},
		{"flags of two bytes without the header length", 10, []fld{f(6, 2)}, u16(0x5012), func(f *schema.Flow) { f.Src.TCPFlags = 0x12 }},
		{"ICMP in the destination port", 9, []fld{f(4, 1), f(7, 2), f(11, 2)}, cat(u8(1), u16(9), u16(0x0303)),
			func(f *schema.Flow) { f.Proto, f.ICMPType, f.ICMPCode = 1, 3, 3 }},
		{"ICMP in an element", 9, []fld{f(4, 1), f(32, 2)}, cat(u8(1), u16(0x0b01)), func(f *schema.Flow) { f.Proto, f.ICMPType, f.ICMPCode = 1, 11, 1 }},
		{"ICMPv6 in two elements", 10, []fld{f(4, 1), f(178, 1), f(179, 1)}, []byte{58, 129, 1},
			func(f *schema.Flow) { f.Proto, f.ICMPType, f.ICMPCode = 58, 129, 1 }},
		{"no ports of GRE", 10, []fld{f(4, 1), f(7, 2), f(11, 2)}, cat(u8(47), u16(1), u16(2)), func(f *schema.Flow) { f.Proto = 47 }},
		{"reverse elements", 10, []fld{f(1, 4), f(6, 1), back(1, 4), back(2, 4), back(6, 1)}, cat(u32(1), u8(2), u32(3), u32(4), u8(0x14)),
			func(f *schema.Flow) {
				f.Src.Bytes, f.Src.TCPFlags, f.Dst.Bytes, f.Dst.Packets, f.Dst.TCPFlags = 1, 2, 3, 4, 0x14
				f.Initiator = schema.InitiatorSrc
			}},
		{"initiator and responder", 10, []fld{f(231, 4), f(232, 4), f(298, 4), f(299, 4)}, cat(u32(1), u32(2), u32(3), u32(4)),
			func(f *schema.Flow) {
				f.Src.Bytes, f.Dst.Bytes, f.Src.Packets, f.Dst.Packets, f.Initiator = 1, 2, 3, 4, schema.InitiatorSrc
			}},
		{"a biflow begun by its destination", 10, []fld{f(231, 4), f(239, 1)}, cat(u32(1), u8(2)),
			func(f *schema.Flow) { f.Src.Bytes, f.Initiator = 1, schema.InitiatorDst }},
		{"OUT beside IN in v9", 9, []fld{f(1, 4), f(23, 4), f(2, 4), f(24, 4)}, cat(u32(1), u32(2), u32(3), u32(4)),
			func(f *schema.Flow) { f.Src.Bytes, f.Dst.Bytes, f.Src.Packets, f.Dst.Packets = 1, 2, 3, 4 }},
		{"post counters beside others in IPFIX", 10, []fld{f(1, 4), f(23, 4)}, cat(u32(1), u32(2)), func(f *schema.Flow) { f.Src.Bytes = 1 }},
		{"OUT alone", 9, []fld{f(23, 4), f(24, 4)}, cat(u32(1), u32(2)), func(f *schema.Flow) { f.Src.Bytes, f.Src.Packets = 1, 2 }},
		{"totals", 10, []fld{f(85, 4), f(86, 4)}, cat(u32(1), u32(2)), func(f *schema.Flow) { f.Src.Bytes, f.Src.Packets = 1, 2 }},
		{"a delta before a total", 10, []fld{f(1, 4), f(85, 4)}, cat(u32(1), u32(2)), func(f *schema.Flow) { f.Src.Bytes = 1 }},
		{"VLANs, TTL, status, reason, event", 10, []fld{f(58, 2), f(59, 2), f(192, 1), f(89, 1), f(136, 1), f(233, 1), f(5, 1)},
			cat(u16(10), u16(20), []byte{64, 0x80, 4, 3, 1}), func(f *schema.Flow) {
				f.Src.VLAN, f.Dst.VLAN, f.TTL, f.Forward, f.EndReason, f.Event, f.TOS = 10, 20, 64, 0x80, 4, 3, 1
			}},
		{"dot1q VLANs", 10, []fld{f(243, 2), f(254, 2)}, cat(u16(10), u16(20)), func(f *schema.Flow) { f.Src.VLAN, f.Dst.VLAN = 10, 20 }},
		{"ports by protocol", 10, []fld{f(4, 1), f(180, 2), f(181, 2), f(182, 2), f(183, 2)}, cat(u8(6), u16(0), u16(0), u16(5), u16(6)),
			func(f *schema.Flow) { f.Proto, f.Src.Port, f.Dst.Port = 6, 5, 6 }},
		{"yaf's flags", 10, []fld{{14, 1, 6871}, {15, 1, 6871}, {14 | 1<<14, 1, 6871}}, []byte{2, 0x10, 0x12},
			func(f *schema.Flow) { f.Src.TCPFlags, f.Dst.TCPFlags = 0x12, 0x12 }},
		{"an ICMP echo reply, whose type and code are 0", 10, []fld{f(4, 1), f(7, 2), f(11, 2), f(176, 1), f(177, 1)}, cat(u8(1), u16(9), u16(0x448d), u16(0)),
			func(f *schema.Flow) { f.Proto = 1 }},
		{"what ASA's old event denied", 9, []fld{f(40005, 1), f(323, 8)}, cat(u8(3), u64(at-10_000)),
			func(f *schema.Flow) { f.Event, f.Initiator, f.Start, f.End = 3, schema.InitiatorSrc, opened, opened }},
		{"what ASA denied, and why, before and behind its translation", 9, []fld{f(233, 1), f(33002, 2), f(225, 4), f(227, 2), f(323, 8)},
			cat(u8(3), u16(1001), u32(1), u16(2), u64(at-10_000)), func(f *schema.Flow) {
				f.Event, f.EventReason, f.Initiator, f.Start, f.End = 3, 1001, schema.InitiatorSrc, opened, opened
			}},
		{"what ASA tore down", 9, []fld{f(233, 1), f(33002, 2), f(152, 8), f(323, 8), f(231, 4), f(232, 4)},
			cat(u8(2), u16(2030), u64(at-10_000), u64(at-4000), u32(81), u32(6207)), func(f *schema.Flow) {
				f.Event, f.EventReason, f.Initiator, f.Start, f.End = 2, 2030, schema.InitiatorSrc, opened, ms(-4*time.Second)
				f.Src.Bytes, f.Dst.Bytes = 81, 6207
			}},
		{"what ASA saw begin", 9, []fld{f(233, 1), f(33002, 2), f(152, 8), f(323, 8)}, cat(u8(1), u16(0), u64(at-10_000), u64(at-10_000)),
			func(f *schema.Flow) { f.Event, f.Initiator, f.Start, f.End = 1, schema.InitiatorSrc, opened, opened }},
		{"a firewall's event of one direction", 9, []fld{f(233, 1), f(152, 8), f(153, 8), f(323, 8)}, cat(u8(3), u64(at-10_000), u64(at-9000), u64(at)),
			func(f *schema.Flow) { f.Event, f.Start, f.End = 3, opened, ms(-9*time.Second) }},
		{"a translation that was made", 9, []fld{f(230, 1), f(225, 4), f(227, 2), f(323, 8)}, cat(u8(1), u32(9), u16(9), u64(at-10_000)),
			func(f *schema.Flow) { f.NATEvent, f.Start, f.End = 1, opened, opened }},
		{"a translation that was removed, in IPFIX", 10, []fld{f(323, 8), f(230, 1)}, cat(u64(at-10_000), u8(5)),
			func(f *schema.Flow) { f.NATEvent, f.Start, f.End = 5, opened, opened }},
		{"33002 in IPFIX, which is another element", 10, []fld{{33002 &^ 0x8000, 2, 9}, f(4, 1)}, cat(u16(1001), u8(6)), func(f *schema.Flow) { f.Proto = 6 }},
		{"numbers of 8 bytes in v9", 9, []fld{f(1, 8), f(2, 8)}, cat(u64(1<<40), u64(1<<33)), func(f *schema.Flow) { f.Src.Bytes, f.Src.Packets = 1<<40, 1<<33 }},
		{"lists of records", 10, []fld{f(291, 0xffff), f(292, 0xffff), f(4, 1), f(293, 0xffff)},
			cat(u8(5), []byte{3, 0, 1, 0, 1}, u8(255), u16(3), []byte{4, 1, 1}, u8(17), u8(0)), func(f *schema.Flow) { f.Proto = 17 }},
		{"no address after translation", 10, []fld{f(225, 4), f(226, 4), f(227, 2), f(228, 2)}, cat(u32(1), u32(2), u16(3), u16(4)), func(*schema.Flow) {}},
		{"an address of another exporter", 10, []fld{f(130, 4)}, u32(1), func(*schema.Flow) {}},

		{"seconds", 10, []fld{f(150, 4), f(151, 4)}, cat(u32(uint32(exported.Unix()-10)), u32(uint32(exported.Unix()))),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(0) }},
		{"a start alone", 10, []fld{f(152, 8)}, u64(at - 10_000), func(f *schema.Flow) { f.Start, f.End = opened, opened }},
		{"an end alone", 10, []fld{f(153, 8)}, u64(at - 10_000), func(f *schema.Flow) { f.Start, f.End = opened, opened }},
		{"milliseconds before uptime", 9, []fld{f(152, 8), f(22, 4)}, cat(u64(at-10_000), u32(1)),
			func(f *schema.Flow) { f.Start, f.End = opened, opened }},
		{"microseconds of NTP", 10, []fld{f(154, 8), f(155, 8)}, cat(u64(ntpAt-10<<32|0x3ff), u64(ntpAt|1<<31)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(500*time.Millisecond) }},
		{"nanoseconds of NTP", 10, []fld{f(156, 8), f(157, 8)}, cat(u64(ntpAt-10<<32), u64(ntpAt|1<<30)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(250*time.Millisecond) }},
		{"microseconds before the export", 10, []fld{f(158, 4), f(159, 4)}, cat(u32(10_000_000), u32(1)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-time.Microsecond) }},
		{"uptime with the exporter's start behind it", 10, []fld{f(22, 4), f(21, 4), f(160, 8)}, cat(u32(5000), u32(6000), u64(at-15_000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-9*time.Second) }},
		{"uptime without the exporter's start", 10, []fld{f(22, 4), f(21, 4)}, cat(u32(5000), u32(15_000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(0) }},
		{"a start and a duration", 10, []fld{f(152, 8), f(161, 4)}, cat(u64(at-10_000), u32(4000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-6*time.Second) }},
		{"a start and a duration in microseconds", 10, []fld{f(152, 8), f(162, 4)}, cat(u64(at-10_000), u32(4_000_000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-6*time.Second) }},
		{"an end and a duration", 10, []fld{f(161, 4), f(153, 8)}, cat(u32(2500), u64(at)),
			func(f *schema.Flow) { f.Start, f.End = ms(-2500*time.Millisecond), ms(0) }},
		{"an end in seconds and a duration in microseconds", 10, []fld{f(151, 4), f(162, 4)}, cat(u32(uint32(exported.Unix())), u32(10_000_000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(0) }},
		{"an end of NTP and a duration", 10, []fld{f(157, 8), f(161, 4)}, cat(u64(ntpAt), u32(10_000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(0) }},
		{"an end in uptime and a duration", 9, []fld{f(21, 4), f(161, 4)}, cat(u32(uptime-1000), u32(9000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-time.Second) }},
		{"both times before a duration", 10, []fld{f(152, 8), f(161, 4), f(153, 8)}, cat(u64(at-10_000), u32(1), u64(at)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(0) }},
		{"no duration of no length", 10, []fld{f(153, 8), f(161, 4)}, cat(u64(at-10_000), u32(0)),
			func(f *schema.Flow) { f.Start, f.End = opened, opened }},
		{"uptime that wrapped backwards", 10, []fld{f(22, 4), f(21, 4), f(160, 8)}, cat(u32(30*86_400_000), u32(30*86_400_000+1000), u64(at-10_000)),
			func(f *schema.Flow) {
				f.Start = opened.Add(30*24*time.Hour - 1<<32*time.Millisecond)
				f.End = f.Start.Add(time.Second)
			}},
		{"uptime that wrapped twice", 10, []fld{f(22, 4), f(160, 8)}, cat(u32(5000), u64(at-15_000-2<<32)),
			func(f *schema.Flow) { f.Start, f.End = opened, opened }},
		{"an end before its start", 9, []fld{f(21, 4), f(22, 4)}, cat(u32(uptime-1000), u32(uptime-10_000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-time.Second) }},
		{"a start right before its end", 9, []fld{f(22, 4), f(21, 4)}, cat(u32(uptime-10_000), u32(uptime-1000)),
			func(f *schema.Flow) { f.Start, f.End = opened, ms(-time.Second) }},
		{"pairs that do not stand together", 9, []fld{f(4, 1), f(7, 2), f(5, 1), f(11, 2), f(10, 4), f(14, 2), f(17, 4), f(16, 4), f(9, 1), f(58, 2), f(13, 1)},
			cat(u8(6), u16(1), u8(2), u16(3), u32(4), u16(5), u32(6), u32(7), u8(8), u16(9), u8(10)), func(f *schema.Flow) {
				f.Proto, f.TOS = 6, 2
				f.Src.Port, f.Dst.Port, f.Src.Interface, f.Dst.Interface, f.Dst.AS, f.Src.AS = 1, 3, 4, 5, 6, 7
				f.Src.Mask, f.Src.VLAN, f.Dst.Mask = 8, 9, 10
			}},
		{"the time of observation, for want of another", 9, []fld{f(323, 8)}, u64(at - 10_000),
			func(f *schema.Flow) { f.Start, f.End = opened, opened }},
		{"no time that does not fit", 10, []fld{f(152, 8), f(150, 8)}, cat(u64(1<<63), u64(1<<62)), func(*schema.Flow) {}},
		{"fields that nobody knows", 10, []fld{{77, 3, 9}, f(0, 2), f(1000, 3), f(4, 1), {1, 4, 9}}, cat([]byte{1, 2, 3, 4, 5, 6, 7, 8, 17}, u32(9)),
			func(f *schema.Flow) { f.Proto = 17 }},
		{"fields without bytes", 9, []fld{f(1, 0), f(4, 1), f(7, 0)}, u8(6), func(f *schema.Flow) { f.Proto = 6 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := schema.Flow{
				Exporter: schema.Exporter{Addr: exporterA, Type: schema.IPFIX, Domain: 1, Sequence: 7}, Received: arrived,
				Src: schema.Side{Addr: netip.MustParseAddr("198.51.100.7")}, Dst: schema.Side{Addr: netip.MustParseAddr("203.0.113.9")},
			}
			tmpl := template(300, append(append([]fld{}, ends...), c.fields...)...)
			b := ipfix(1, set(2, tmpl), set(300, endsOf(c.record)))
			if c.version == 9 {
				want.Exporter.Type = schema.NetFlowV9
				b = v9(1, set(0, tmpl), set(300, endsOf(c.record)))
			}
			c.want(&want)
			if diff := cmp.Diff(want, one(t, b), sameAddr, beforeUntold); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// beforeUntold leaves out what has tests of its own.
var beforeUntold = cmpopts.IgnoreFields(schema.Side{}, "Untold")

func TestTheFamilyOfARecordThatHasBothIsTheOneItUses(t *testing.T) {
	fields := []fld{f(8, 4), f(12, 4), f(27, 16), f(28, 16)}
	with60 := append([]fld{f(60, 1)}, fields...)
	none4, none6 := ip("0.0.0.0"), ip("::")
	a4, b4, a6, b6 := ip("198.51.100.7"), ip("203.0.113.9"), ip("2001:db8::1"), ip("2001:db8::2")
	for _, c := range []struct {
		name   string
		fields []fld
		record []byte
		want   string
	}{
		{"IPv4", fields, cat(a4, b4, none6, none6), "198.51.100.7"},
		{"IPv6", fields, cat(none4, none4, a6, b6), "2001:db8::1"},
		{"both, so the inner one", fields, cat(a4, b4, a6, b6), "2001:db8::1"},
		{"neither", fields, cat(none4, none4, none6, none6), "::"},
		{"version 4", with60, cat(u8(4), a4, b4, a6, b6), "198.51.100.7"},
		{"version 6", with60, cat(u8(6), a4, b4, none6, b6), "::"},
		{"a mapped address", fields[2:], cat(ip("::ffff:198.51.100.7"), b6), "198.51.100.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := one(t, ipfix(1, set(2, template(256, c.fields...)), set(256, c.record))).Src.Addr; got != netip.MustParseAddr(c.want) {
				t.Errorf("source is %v, want %s", got, c.want)
			}
		})
	}
}

func TestOfTwoHeadersTheInnerOneCountsUnlessItIsEmpty(t *testing.T) {
	fields := []fld{f(8, 4), f(12, 4), f(4, 1), f(8, 4), f(12, 4), f(4, 1)}
	outer := cat(ip("192.0.2.10"), ip("192.0.2.20"), u8(47))
	tunnel := one(t, ipfix(1, set(2, template(256, fields...)), set(256, outer, endsOf(u8(6)))))
	if tunnel.Src.Addr.String() != "198.51.100.7" || tunnel.Dst.Addr.String() != "203.0.113.9" || tunnel.Proto != 6 {
		t.Errorf("got %v > %v proto %d, want the inner header", tunnel.Src.Addr, tunnel.Dst.Addr, tunnel.Proto)
	}
	plain := one(t, ipfix(1, set(2, template(256, fields...)), set(256, outer, make([]byte, 9))))
	if plain.Src.Addr.String() != "192.0.2.10" || plain.Dst.Addr.String() != "192.0.2.20" || plain.Proto != 47 {
		t.Errorf("got %v > %v proto %d, want the outer header", plain.Src.Addr, plain.Dst.Addr, plain.Proto)
	}
}

func TestFieldsBehindOnesOfVariableLengthAreFound(t *testing.T) {
	fields := append([]fld{f(82, 0xffff), f(291, 0xffff)}, append(append([]fld{}, ends...), f(2, 0xffff), f(7, 2), f(4, 1))...)
	record := func(name, list []byte) []byte {
		return cat(name, list, endsOf(u8(2), u16(777), u16(22), u8(6)))
	}
	long := cat(u8(255), u16(300), make([]byte, 300))
	data := cat(record(cat(u8(3), []byte("eth")), u8(0)), record(u8(0), long), []byte{0, 0})
	for name, flows := range map[string][]schema.Flow{
		"IPFIX": decode(decoder(), ipfix(1, set(2, template(256, fields...)), set(256, data))),
		"v9":    decode(decoder(), v9(1, set(0, template(256, fields...)), set(256, data))),
	} {
		if len(flows) != 2 {
			t.Fatalf("%s: %d flows, want 2", name, len(flows))
		}
		for _, f := range flows {
			if f.Src.Addr.String() != "198.51.100.7" || f.Src.Port != 22 || f.Proto != 6 || f.Src.Packets != 777 {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func TestARecordSaysNothingOfTheNext(t *testing.T) {
	fields := append(append([]fld{}, ends...), f(34, 0xffff), f(323, 0xffff))
	data := cat(endsOf(u8(4), u32(50), u8(8), u64(uint64(exported.UnixMilli()))), endsOf(u8(0), u8(0)))
	flows := decode(decoder(), ipfix(1, set(2, template(256, fields...)), set(256, data)))
	if len(flows) != 2 || flows[0].Exporter.Sampling != 50 || flows[0].Start != ms(0) {
		t.Fatalf("the first: %+v", flows)
	}
	if flows[1].Exporter.Sampling != 0 || flows[1].Start != 0 || flows[1].End != 0 {
		t.Errorf("the second has what the first said: %+v", flows[1])
	}
}
