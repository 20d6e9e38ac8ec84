// Package flowmix has the flows of an ordinary network, for tests that ask how long
// something takes: what the branches of a codec cost depends on how flows differ from
// one another.
package flowmix

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// perDatagram is how many records exporters send in one datagram, by and large.
const perDatagram = 24

// noon is when the first datagram arrives.
var noon = schema.TimeOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))

// maker draws one flow after another; the same ones each time.
type maker struct {
	*rand.Rand
	exporter schema.Exporter
	kind     int // of the exporter
	at       schema.Time
}

// The kinds of exporter: how much they tell, and in which words.
const (
	routerV5  = iota // NetFlow v5: IPv4, one direction, systems and prefixes
	routerV9         // v9: IPv6 too, one direction, forwarding status
	softIPFIX        // IPFIX of a probe: both directions in one record, why a flow ended, VLANs
	sampledV9        // v9 of one packet in 1,000
	exporters        // how many there are
)

// Exported returns n flows as exporters send them, datagram after datagram: of TCP, UDP and ICMP,
// three of ten over IPv6, sessions in one record or two, and one of eight a probe.
func Exported(n int) []schema.Flow {
	m := &maker{Rand: rand.New(rand.NewPCG(26, 11)), at: noon}
	flows := make([]schema.Flow, 0, n+1)
	for len(flows) < n {
		m.datagram()
		for range perDatagram * 2 / 3 {
			flows = m.conversation(flows)
		}
	}
	return flows[:n]
}

// Oriented is Exported as ingest writes it: with the rule by which each was oriented.
func Oriented(n int) []schema.Flow {
	flows := Exported(n)
	for i := range flows {
		f := &flows[i]
		switch {
		case f.Initiator != schema.InitiatorUnknown:
			f.Orientation = schema.OrientExporter
		case f.Proto == schema.TCP:
			f.Orientation = schema.OrientFlags
		case f.Proto == schema.UDP:
			f.Orientation = schema.OrientReverse
		}
		if f.Src.Port != 0 && f.Src.Port < f.Dst.Port {
			f.Swap()
		}
	}
	return flows
}

func (m *maker) datagram() {
	m.at = m.at.Add(time.Duration(m.IntN(2_000_000)))
	m.kind = m.IntN(exporters)
	e := schema.Exporter{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(m.kind)}), Sequence: m.Uint32N(1 << 30)}
	switch m.kind {
	case routerV5:
		e.Type = schema.NetFlowV5
	case softIPFIX:
		e.Type, e.Domain = schema.IPFIX, 1
	case sampledV9:
		e.Type, e.Domain, e.Sampling = schema.NetFlowV9, 256, 1000
	default:
		e.Type, e.Domain, e.Sampling = schema.NetFlowV9, 7, 1
	}
	m.exporter = e
}

// conversation appends what an exporter tells of two hosts: one record, or two where it has records of one
// direction and something was answered.
func (m *maker) conversation(to []schema.Flow) []schema.Flow {
	f := schema.Flow{Exporter: m.exporter, Received: m.at, Proto: schema.TCP, TOS: uint8(m.IntN(2) * 8 * m.IntN(2))}
	f.Start = m.at.Add(-time.Duration(m.IntN(60_000)) * time.Millisecond)
	f.End = f.Start.Add(time.Duration(m.IntN(20_000)) * time.Millisecond)
	m.hosts(&f)
	answered := true
	switch m.IntN(16) {
	case 0, 1: // a probe, seldom refused
		f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = 1, 44, schema.SYN
		f.Dst.Port, f.End = uint16(1+m.IntN(10_000)), f.Start
		if answered = m.IntN(8) == 0; answered {
			f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 1, 40, schema.RST|schema.ACK
		}
	case 2, 3, 4, 5, 6: // DNS, QUIC
		f.Proto, f.Dst.Port = schema.UDP, []uint16{53, 53, 443, 123}[m.IntN(4)]
		f.Src.Packets, f.Dst.Packets = 1+m.Uint64N(3), 1+m.Uint64N(3)
		f.Src.Bytes, f.Dst.Bytes = f.Src.Packets*70, f.Dst.Packets*(60+m.Uint64N(400))
	case 7:
		f.Proto, f.Src.Port, f.Dst.Port = schema.ICMP, 0, 0
		if f.ICMPType = 8; f.Src.Addr.Is6() {
			f.Proto, f.ICMPType = schema.ICMPv6, 128
		}
		f.Src.Packets, f.Src.Bytes, answered = 1, 84, false
	default: // sessions
		f.Src.Packets, f.Dst.Packets = 6+m.Uint64N(40), 6+m.Uint64N(200)
		f.Src.Bytes, f.Dst.Bytes = f.Src.Packets*(52+m.Uint64N(200)), f.Dst.Packets*(52+m.Uint64N(1400))
		f.Src.TCPFlags, f.Dst.TCPFlags = schema.SYN|schema.ACK|schema.PSH|schema.FIN, schema.SYN|schema.ACK|schema.PSH|schema.FIN
	}
	return m.tell(to, f, answered)
}

// hosts draws a client and a server, of which one is ours.
func (m *maker) hosts(f *schema.Flow) {
	client, server := m.IntN(20_000), m.IntN(2_000)
	if m.kind != routerV5 && m.IntN(5) < 2 {
		f.Src.Addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(client >> 8), byte(client), 14: byte(client >> 4), 15: 9})
		f.Dst.Addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 2, 14: byte(server >> 8), 15: byte(server)})
	} else {
		f.Src.Addr = netip.AddrFrom4([4]byte{10, 1, byte(client >> 8), byte(client)})
		f.Dst.Addr = netip.AddrFrom4([4]byte{203, 0, byte(server >> 8), byte(server)})
	}
	f.Src.Port, f.Dst.Port = uint16(32768+m.IntN(28_000)), []uint16{443, 443, 443, 80, 22, 8443}[m.IntN(6)]
	f.Src.Interface, f.Dst.Interface = 3, 17
	if m.kind == routerV5 || m.kind == routerV9 {
		f.Src.AS, f.Dst.AS, f.Src.Mask, f.Dst.Mask = 64500, 64501+uint32(server%5), 24, 16
	}
}

// tell appends f in the exporter's words.
func (m *maker) tell(to []schema.Flow, f schema.Flow, answered bool) []schema.Flow {
	switch m.kind {
	case softIPFIX:
		f.Initiator, f.EndReason, f.Src.VLAN, f.Dst.VLAN, f.TTL = schema.InitiatorSrc, uint8(1+m.IntN(3)), 100, 100, 64
		return append(to, f)
	case routerV9:
		f.Forward = 64
	}
	one, other := f, f
	one.Dst.Packets, one.Dst.Bytes, one.Dst.TCPFlags, one.Dst.Untold = 0, 0, 0, schema.UntoldSent
	if to = append(to, one); !answered {
		return to
	}
	other.Src, other.Dst = f.Dst, f.Src
	other.Dst.Packets, other.Dst.Bytes, other.Dst.TCPFlags, other.Dst.Untold = 0, 0, 0, schema.UntoldSent
	return append(to, other)
}
