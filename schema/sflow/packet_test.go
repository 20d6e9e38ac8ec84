package sflow_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/sflow"
)

var arrived = schema.Time(1_788_000_000e9)

var base = schema.Flow{Received: arrived, Exporter: schema.Exporter{Addr: netip.MustParseAddr("192.0.2.1")}}

func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func u8(v ...byte) []byte { return v }
func u16(v ...uint16) (b []byte) {
	for _, v := range v {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}
func u32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}
func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

// framed has its kind and its length before it.
func framed(kind uint32, parts ...[]byte) []byte {
	b := cat(parts...)
	return cat(u32(kind, uint32(len(b))), b)
}

func datagram(samples ...[]byte) []byte {
	return cat(u32(5, 1), ip("192.0.2.200"), u32(3, 7, 1000, uint32(len(samples))), cat(samples...))
}

// flowSample is one of 1:100 from interface 3 to 4.
func flowSample(records ...[]byte) []byte {
	return framed(1, u32(1, 1, 100, 5, 0, 3, 4, uint32(len(records))), cat(records...))
}

func raw(link uint32, length uint32, header []byte) []byte {
	return framed(1, u32(link, length, 4, uint32(len(header))), header, make([]byte, -len(header)&3))
}

func ether(typ uint16, rest ...[]byte) []byte { return cat(make([]byte, 12), u16(typ), cat(rest...)) }

// v4 is a header of 20 bytes.
func v4(proto uint8, src, dst string, rest ...[]byte) []byte {
	b := cat(rest...)
	return cat(u8(0x45, 8), u16(uint16(20+len(b)), 0, 0), u8(63, proto), u16(0), ip(src), ip(dst), b)
}

func v6(next uint8, src, dst string, rest ...[]byte) []byte {
	b := cat(rest...)
	return cat(u32(6<<28|8<<20), u16(uint16(len(b))), u8(next, 62), ip(src), ip(dst), b)
}

func tcp(src, dst uint16) []byte {
	return cat(u16(src, dst), u32(0, 0), u8(0x50, schema.SYN), u16(0, 0, 0))
}
func udp(dst uint16, rest ...[]byte) []byte {
	b := cat(rest...)
	return cat(u16(50000, dst, uint16(8+len(b)), 0), b)
}

const (
	a4, b4 = "198.51.100.7", "203.0.113.9"
	a6, b6 = "2001:db8::1", "2001:db8::2"
	outerA = "10.0.0.1"
	outerB = "10.0.0.2"
)

// syn is the inner packet of most cases, and wanted the flow it gives.
var syn = v4(6, a4, b4, tcp(40000, 22))

// pptp is GRE of version 1 with these flags, and with what is behind the call id.
func pptp(flags uint16, rest ...[]byte) []byte {
	body := cat(rest...)
	return v4(47, outerA, outerB, u16(flags, 0x880b, uint16(len(body)), 7), body)
}

func wanted(change func(*schema.Flow)) schema.Flow {
	f := base
	e := &f.Exporter
	e.Type, e.Domain, e.Sequence, e.Sampling = schema.SFlow5, 3, 7, 100
	f.Start, f.End = arrived, arrived
	f.Src = schema.Side{Addr: netip.MustParseAddr(a4), Port: 40000, TCPFlags: schema.SYN, Packets: 1, Bytes: 1000, Interface: 3}
	f.Dst = schema.Side{Addr: netip.MustParseAddr(b4), Port: 22, Interface: 4, Untold: schema.UntoldSent}
	f.Proto, f.TOS, f.TTL = 6, 8, 63
	if change != nil {
		change(&f)
	}
	return f
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestThePacketInsideIsTheFlow(t *testing.T) {
	vlan := func(id uint16) func(*schema.Flow) { return func(f *schema.Flow) { f.Src.VLAN = id } }
	six := func(f *schema.Flow) {
		f.Src.Addr, f.Dst.Addr, f.TTL = netip.MustParseAddr(a6), netip.MustParseAddr(b6), 62
	}
	outer := func(proto uint8, port uint16) func(*schema.Flow) {
		return func(f *schema.Flow) {
			f.Src.Addr, f.Dst.Addr, f.Proto = netip.MustParseAddr(outerA), netip.MustParseAddr(outerB), proto
			f.Src.TCPFlags, f.Src.Port, f.Dst.Port = 0, 0, port
			if port != 0 {
				f.Src.Port = 50000
			}
		}
	}
	icmp := func(typ, code uint8) func(*schema.Flow) {
		return func(f *schema.Flow) {
			f.Proto, f.ICMPType, f.ICMPCode, f.Src.Port, f.Dst.Port, f.Src.TCPFlags = 1, typ, code, 0, 0, 0
		}
	}
	portless := func(f *schema.Flow) {
		f.Src.Port, f.Dst.Port, f.Src.TCPFlags = 0, 0, 0
		f.Src.Untold, f.Dst.Untold = schema.UntoldFlags|schema.UntoldPort, schema.UntoldSent|schema.UntoldPort
	}
	fragment := v4(6, a4, b4, tcp(40000, 22))
	fragment[7] = 9
	options := cat(u8(0x46), syn[1:20], u32(0), syn[20:])
	for _, c := range []struct {
		name   string
		link   uint32
		header []byte
		want   func(*schema.Flow)
	}{
		{"Ethernet", 1, ether(0x0800, syn), nil},
		{"Ethernet that is filled up", 1, ether(0x0800, v4(17, a4, b4, udp(53)), make([]byte, 18)), func(f *schema.Flow) {
			f.Proto, f.Src.Port, f.Dst.Port, f.Src.TCPFlags = 17, 50000, 53, 0
		}},
		{"a VLAN", 1, ether(0x8100, u16(5<<13|100, 0x0800), syn), vlan(100)},
		{"QinQ", 1, ether(0x88a8, u16(200, 0x8100, 100, 0x0800), syn), vlan(100)},
		{"old QinQ", 1, ether(0x9100, u16(200, 0x8100, 100, 0x86dd), v6(6, a6, b6, tcp(40000, 22))), func(f *schema.Flow) { six(f); f.Src.VLAN = 100 }},
		{"MPLS", 1, ether(0x8847, u32(16<<12, 17<<12|1<<8), syn), nil},
		{"MPLS with IPv6", 1, ether(0x8847, u32(2<<12|1<<8), v6(6, a6, b6, tcp(40000, 22))), six},
		{"a pseudo-wire with a control word", 1, ether(0x8847, u32(16<<12|1<<8, 0), ether(0x0800, syn)), nil},
		{"a pseudo-wire without", 1, ether(0x8847, u32(16<<12|1<<8), u8(2), ether(0x0800, syn)[1:]), nil},
		{"MPLS without Ethernet", 13, cat(u32(16<<12|1<<8), syn), nil},
		{"PPPoE", 1, ether(0x8864, u8(0x11, 0), u16(1, 42, 0x0021), syn), nil},
		{"PPP", 7, cat(u16(0xff03, 0x0057), v6(6, a6, b6, tcp(40000, 22))), six},
		{"802.3 with SNAP", 1, ether(48, u8(0xaa, 0xaa, 3, 0, 0, 0), u16(0x0800), syn), nil},
		{"IPv4 without a frame", 11, syn, nil},
		{"IPv6 without a frame", 12, v6(6, a6, b6, tcp(40000, 22)), six},
		{"IPv4 options", 11, options, nil},
		{"a later fragment, which has no ports", 11, fragment, portless},
		{"IPv6 extension headers", 12, v6(0, a6, b6, u8(43, 1), make([]byte, 14), u8(60, 0), make([]byte, 6), u8(51, 0), make([]byte, 6),
			u8(6, 1), make([]byte, 10), tcp(40000, 22)), six},
		{"a first fragment of IPv6", 12, v6(44, a6, b6, u8(6, 0), u16(1), u32(9), tcp(40000, 22)), six},
		{"a later fragment of IPv6", 12, v6(44, a6, b6, u8(6, 0), u16(8), u32(9), tcp(40000, 22)),
			func(f *schema.Flow) { six(f); portless(f) }},
		{"flags beyond the usual eight", 11, v4(6, a4, b4, u16(40000, 22), u32(0, 0), u8(0x51, 0xc2), make([]byte, 6)), func(f *schema.Flow) { f.Src.TCPFlags = 0x1c2 }},
		{"ICMP", 11, v4(1, a4, b4, u8(3, 1), u32(0)), icmp(3, 1)},
		{"ESP, which has no ports", 11, v4(50, a4, b4, u32(7, 8)), func(f *schema.Flow) { f.Proto, f.Src.Port, f.Dst.Port, f.Src.TCPFlags = 50, 0, 0, 0 }},
		{"SCTP", 11, v4(132, a4, b4, u16(1, 2), u32(0)), func(f *schema.Flow) { f.Proto, f.Src.Port, f.Dst.Port, f.Src.TCPFlags = 132, 1, 2, 0 }},

		{"IP in IP", 11, v4(4, outerA, outerB, syn), nil},
		{"IPv6 in IP", 11, v4(41, outerA, outerB, v6(6, a6, b6, tcp(40000, 22))), six},
		{"GRE", 11, v4(47, outerA, outerB, u16(0, 0x0800), syn), nil},
		{"GRE with checksum, key and sequence", 11, v4(47, outerA, outerB, u16(0xb000, 0x0800), u32(0, 1, 2), syn), nil},
		{"GRE with Ethernet and a VLAN", 11, v4(47, outerA, outerB, u16(0, 0x6558), ether(0x8100, u16(100, 0x0800), syn)), vlan(100)},
		{"EtherIP", 11, v4(97, outerA, outerB, u16(0x3000), ether(0x0800, syn)), nil},
		{"MPLS in IP", 11, v4(137, outerA, outerB, u32(16<<12|1<<8), syn), nil},
		{"VXLAN", 1, ether(0x0800, v4(17, outerA, outerB, udp(4789, u32(8<<24, 5000<<8), ether(0x0800, syn)))), nil},
		{"VXLAN of Linux over IPv6", 12, v6(17, a6, b6, udp(8472, u32(8<<24, 5000<<8), ether(0x8100, u16(100, 0x0800), syn))), vlan(100)},
		{"Geneve with options", 11, v4(17, outerA, outerB, udp(6081, u8(1, 0), u16(0x6558), u32(5000<<8, 0), ether(0x0800, syn))), nil},
		{"GRE in VXLAN", 11, v4(17, outerA, outerB, udp(4789, u32(8<<24, 0), ether(0x0800, v4(47, outerB, outerA, u16(0, 0x0800), syn)))), nil},

		{"PPTP", 11, pptp(0x3001, u32(9), u16(0x0021), syn), nil},
		{"PPTP that acknowledges", 11, pptp(0x3081, u32(9, 8), u16(0xff03, 0x0021), syn), nil},
		{"PPTP with short protocol numbers", 11, pptp(0x3001, u32(9), u8(0x21), syn), nil},
		{"PPTP without HDLC and with IPv6", 11, pptp(0x3001, u32(9), u8(0x57), v6(6, a6, b6, tcp(40000, 22))), six},
		{"PPTP within Ethernet and a VLAN", 1, ether(0x8100, u16(100, 0x0800), pptp(0x3001, u32(9), u16(0xff03), u8(0x21), syn)), vlan(100)},
		{"PPTP that carries nothing", 11, pptp(0x2081, u32(8)), outer(47, 0)},
		{"PPTP that is encrypted", 11, pptp(0x3001, u32(9), u16(0x00fd), syn), outer(47, 0)},
		{"PPTP that is cut", 11, pptp(0x3081, u32(9)), outer(47, 0)},
		{"GRE of version 1 with something else", 11, v4(47, outerA, outerB, u16(0x2001, 0x0800), u32(1), syn), outer(47, 0)},
		{"MPLS in PPP", 7, cat(u16(0xff03, 0x0281), u32(16<<12|1<<8), syn), nil},
		{"GRE with something else", 11, v4(47, outerA, outerB, u16(0, 0x0806), syn), outer(47, 0)},
		{"a probe of VXLAN's port", 11, v4(17, outerA, outerB, udp(4789)), outer(17, 4789)},
		{"what is not VXLAN behind its port", 11, v4(17, outerA, outerB, udp(4789, u32(0, 0), ether(0x0800, syn))), outer(17, 4789)},
		{"a probe of Geneve's port", 11, v4(17, outerA, outerB, udp(6081, u32(0xffff_ffff, 0))), outer(17, 6081)},
		{"VXLAN whose inner ports are cut", 1, ether(0x0800, v4(17, outerA, outerB, udp(4789, u32(8<<24, 5000<<8), ether(0x0800, syn[:30])))), outer(17, 4789)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sflow.Stats
			flows, _, fault := sflow.Decode(nil, &base, datagram(flowSample(raw(c.link, 1000, c.header))), &s)
			if fault != sflow.None || len(flows) != 1 {
				t.Fatalf("fault %d, %d flows, %+v", fault, len(flows), s)
			}
			if diff := cmp.Diff(wanted(c.want), flows[0], sameAddr); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNoFlowIsCounted(t *testing.T) {
	for _, c := range []struct {
		name       string
		link       uint32
		header     []byte
		notIP, cut uint64
	}{
		{"ARP", 1, ether(0x0806, make([]byte, 28)), 1, 0},
		{"LLDP", 1, ether(0x88cc, make([]byte, 28)), 1, 0},
		{"spanning tree", 1, ether(38, u8(0x42, 0x42, 3), make([]byte, 35)), 1, 0},
		{"a frame of wireless", 15, make([]byte, 60), 1, 0},
		{"a link that nobody knows", 1 << 31, make([]byte, 60), 1, 0},
		{"IPv4 that is none", 11, cat(u8(0x35), syn[1:]), 1, 0},
		{"IPv4 with a header of 16 bytes", 11, cat(u8(0x44), syn[1:]), 1, 0},
		{"IPv6 that is none", 12, make([]byte, 60), 1, 0},
		{"half a frame", 1, make([]byte, 13), 0, 1},
		{"half a tag", 1, ether(0x8100, u16(1)), 0, 1},
		{"half a header", 11, syn[:19], 0, 1},
		{"ports without flags", 11, syn[:33], 0, 1},
		{"a packet that ends before its ports, in a frame that is filled up", 1, ether(0x0800, v4(6, a4, b4), make([]byte, 26)), 0, 1},
		{"labels without an end", 1, ether(0x8847, u32(16<<12, 17<<12)), 0, 1},
		{"labels without a packet", 1, ether(0x8847, u32(16<<12|1<<8)), 0, 1},
		{"extension headers without an end", 12, v6(0, a6, b6, u8(0, 0), make([]byte, 6), u8(0, 255)), 0, 1},
		{"nothing", 1, nil, 0, 1},
	} {
		var s sflow.Stats
		flows, _, _ := sflow.Decode(nil, &base, datagram(flowSample(raw(c.link, 1000, c.header))), &s)
		if len(flows) != 0 || s.Packets.NotIP != c.notIP || s.Packets.Cut != c.cut {
			t.Errorf("%s: %d flows, %+v", c.name, len(flows), s.Packets)
		}
	}
}

func TestEveryCutOfAPacketGivesThePacketOrLess(t *testing.T) {
	whole := ether(0x8100, u16(100, 0x0800), v4(17, outerA, outerB, udp(4789, u32(8<<24, 0), ether(0x0800, syn))))
	for n := range whole {
		var s sflow.Stats
		flows, _, _ := sflow.Decode(nil, &base, datagram(flowSample(raw(1, 1000, whole[:n]))), &s)
		checkSums(t, s)
		for _, f := range flows {
			inner := f.Proto == 6 && f.Dst.Port == 22 && f.Src.TCPFlags == schema.SYN && f.Src.Addr.String() == a4
			if outer := f.Proto == 17 && f.Dst.Port == 4789 && f.Src.Addr.String() == outerA; !inner && !outer {
				t.Errorf("cut at %d: %+v", n, f)
			}
		}
	}
}
