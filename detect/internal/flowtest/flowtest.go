// Package flowtest has the flows that tests of detection are made of: of made-up
// hosts, on one made-up day.
package flowtest

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// When and where the flows are seen, and by whom most of them are sent.
var (
	Noon     = schema.TimeOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	Exporter = netip.MustParseAddr("192.0.2.1")
	Scanner  = netip.MustParseAddr("198.51.100.7")
)

// Target returns the n-th address of 10.0.0.0/8.
func Target(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// Contact is a flow of one direction, seen at Noon plus after.
func Contact(src, dst netip.Addr, proto uint8, port uint16, after time.Duration) schema.Flow {
	at := Noon.Add(after)
	return schema.Flow{
		Exporter: schema.Exporter{Addr: Exporter, Type: schema.NetFlowV9},
		Received: at.Add(time.Second), Start: at, End: at,
		Src:   schema.Side{Addr: src, Port: 40000 + port%20000, Packets: 1, Bytes: 44},
		Dst:   schema.Side{Addr: dst, Port: port},
		Proto: proto,
	}
}

// SYN is a probe without an answer.
func SYN(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	f := Contact(src, dst, schema.TCP, port, after)
	f.Src.TCPFlags = schema.SYN
	f.Orientation = schema.OrientFlags
	return f
}

// Session is a conversation in which both sides sent data.
func Session(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	f := Contact(src, dst, schema.TCP, port, after)
	f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = 12, 2000, schema.SYN|schema.ACK|schema.PSH|schema.FIN
	f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 10, 9000, schema.SYN|schema.ACK|schema.PSH|schema.FIN
	f.Orientation = schema.OrientFlags
	return f
}

// UDP is a datagram without an answer.
func UDP(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	return Contact(src, dst, schema.UDP, port, after)
}

// Ping is an echo request.
func Ping(src, dst netip.Addr, after time.Duration) schema.Flow {
	f := Contact(src, dst, schema.ICMP, 0, after)
	f.Src.Port, f.ICMPType = 0, 8
	return f
}

// Reply is the answering side's own record.
func Reply(f schema.Flow, packets uint64, flags uint16) schema.Flow {
	f.Src.Addr, f.Dst.Addr = f.Dst.Addr, f.Src.Addr
	f.Src.Port, f.Dst.Port = f.Dst.Port, f.Src.Port
	f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = packets, packets*60, flags
	f.Orientation = schema.OrientNone
	return f
}
