package netflow

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// A v5 datagram is a header and up to 30 records, big endian:
//
//	header, 24 bytes              record, 48 bytes
//	 0 version 2, count 2          0 source 4, destination 4, next hop 4
//	 4 uptime, ms 4               12 input 2, output 2
//	 8 seconds 4, nanoseconds 4   16 packets 4, octets 4
//	16 sequence 4                 24 first 4, last 4 (uptime, ms)
//	20 engine type 1, id 1        32 source port 2, destination port 2
//	22 sampling: mode 2 bits,     36 pad 1, TCP flags 1, protocol 1, TOS 1
//	   interval 14 bits           40 source AS 2, destination AS 2
//	                              44 source mask 1, destination mask 1, pad 2
const (
	v5Header = 24
	v5Record = 48
)

// v5 reads one PDU. What follows it is counted and not read: Cisco sends one PDU per datagram, and
// of the decoders we compared only nfdump reads on.
func (d *Decoder) v5(flows []schema.Flow, b []byte) []schema.Flow {
	if len(b) < v5Header {
		d.worst(Short)
		return flows
	}
	h := b[:v5Header]
	claimed := int(binary.BigEndian.Uint16(h[2:]))
	held := min(claimed, (len(b)-v5Header)/v5Record)
	d.clock = clock{
		uptime: binary.BigEndian.Uint32(h[4:]),
		export: seconds(uint64(binary.BigEndian.Uint32(h[8:]))).Add(time.Duration(binary.BigEndian.Uint32(h[12:]))),
	}
	e := &d.base.Exporter
	e.Type = schema.NetFlowV5
	e.Sequence = binary.BigEndian.Uint32(h[16:])
	e.Domain = uint32(binary.BigEndian.Uint16(h[20:]))
	e.Sampling = uint32(binary.BigEndian.Uint16(h[22:]) & 0x3fff)

	d.stats.Records.Seen += uint64(claimed)
	d.stats.Records.Flows += uint64(held)
	switch {
	case held < claimed:
		d.stats.Records.Overclaimed += uint64(claimed - held)
		d.worst(Truncated)
	case claimed == 0:
		d.worst(Empty)
	}
	if held == claimed {
		d.stats.Trailing += uint64(len(b) - v5Header - held*v5Record)
	}
	n := len(flows)
	flows = slices.Grow(flows, held)[:n+held]
	d.v5Records(flows[n:], b[v5Header:])
	return flows
}

func (d *Decoder) v5Records(flows []schema.Flow, b []byte) {
	for i := range flows {
		r, f := b[:v5Record:v5Record], &flows[i]
		b = b[v5Record:]
		*f = d.base
		f.Src.Addr = netip.AddrFrom4([4]byte(r[0:4]))
		f.Dst.Addr = netip.AddrFrom4([4]byte(r[4:8]))
		f.Src.Interface = uint32(binary.BigEndian.Uint16(r[12:]))
		f.Dst.Interface = uint32(binary.BigEndian.Uint16(r[14:]))
		f.Src.Packets = uint64(binary.BigEndian.Uint32(r[16:]))
		f.Src.Bytes = uint64(binary.BigEndian.Uint32(r[20:]))
		f.Start = d.clock.uptimeAt(binary.BigEndian.Uint32(r[24:]))
		f.End = d.clock.uptimeAt(binary.BigEndian.Uint32(r[28:]))
		f.Src.Port = binary.BigEndian.Uint16(r[32:])
		f.Dst.Port = binary.BigEndian.Uint16(r[34:])
		f.Src.TCPFlags = uint16(r[37])
		f.Proto = r[38]
		f.TOS = r[39]
		f.Src.AS = uint32(binary.BigEndian.Uint16(r[40:]))
		f.Dst.AS = uint32(binary.BigEndian.Uint16(r[42:]))
		f.Src.Mask, f.Dst.Mask = r[44], r[45]
		if !schema.HasPorts(f.Proto) {
			portless(f)
		}
	}
}
