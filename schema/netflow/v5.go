package netflow

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// A datagram of v1, v5 or v7 is a header and up to 30 records, big endian:
//
//	header, 24 bytes, v1 16       record, 48 bytes, v7 52, v1 either
//	 0 version 2, count 2          0 source 4, destination 4, next hop 4
//	 4 uptime, ms 4               12 input 2, output 2
//	 8 seconds 4, nanoseconds 4   16 packets 4, octets 4
//	                              24 first 4, last 4 (uptime, ms)
//	v5 and v7:                    32 source port 2, destination port 2
//	16 sequence 4
//	                              v5 and v7:
//	v5:                           36 flags 1 (v7), TCP flags 1, protocol 1, TOS 1
//	20 engine type 1, id 1        40 source AS 2, destination AS 2
//	22 sampling: mode 2 bits,     44 source mask 1, destination mask 1
//	   interval 14 bits           46 flags 2 (v7), v7: router 4
//
//	                              v1:
//	                              36 pad 2, protocol 1, TOS 1, TCP flags 1, pad 7 or 11
//
// Only the length tells which record of v1 it is: softflowd's have 48 bytes, as tshark and nfdump read
// them, those of Extreme Networks 52.
const (
	v1Header = 16
	v1Record = 48
	v1Padded = 52
	v1Most   = 24 // records in a datagram, says Cisco
	v5Header = 24
	v5Record = 48
	v5Most   = 30
	v7Record = 52
	v7Most   = 28
)

// v5 reads one PDU of v5. What follows it is counted and not read: Cisco sends one PDU per datagram,
// and of the decoders we compared only nfdump reads on.
func (d *Decoder) v5(flows []schema.Flow, b []byte) []schema.Flow {
	if len(b) < v5Header {
		d.worst(Short)
		return flows
	}
	if !pduFits(b, v5Header, v5Record, v5Most) {
		d.worst(Foreign)
		return flows
	}
	e := &d.base.Exporter
	e.Domain = uint32(binary.BigEndian.Uint16(b[20:]))
	e.Sampling = uint32(binary.BigEndian.Uint16(b[22:]) & 0x3fff)
	e.Sequence = binary.BigEndian.Uint32(b[16:])
	flows, n := d.pdu(flows, b, v5Header, v5Record)
	d.v5Records(flows[n:], b[v5Header:], v5Record)
	return flows
}

// v7 is v5 as the Catalyst 5000 sent it.
func (d *Decoder) v7(flows []schema.Flow, b []byte) []schema.Flow {
	if len(b) < v5Header {
		d.worst(Short)
		return flows
	}
	if !pduFits(b, v5Header, v7Record, v7Most) {
		d.worst(Foreign)
		return flows
	}
	d.base.Exporter.Sequence = binary.BigEndian.Uint32(b[16:])
	flows, n := d.pdu(flows, b, v5Header, v7Record)
	d.v5Records(flows[n:], b[v5Header:], v7Record)
	for i := range flows[n:] {
		// Cisco's format table says of v7's TCP flags: always set to zero.
		if f := &flows[n+i]; f.Src.TCPFlags == 0 {
			f.Src.Untold |= schema.UntoldFlags
		}
	}
	return flows
}

// v1 has no sequence, AS or masks, and its TCP flags elsewhere.
func (d *Decoder) v1(flows []schema.Flow, b []byte) []schema.Flow {
	if len(b) < v1Header {
		d.worst(Short)
		return flows
	}
	size := v1Size(b)
	if size == 0 {
		d.worst(Foreign)
		return flows
	}
	flows, n := d.pdu(flows, b, v1Header, size)
	d.v5Records(flows[n:], b[v1Header:], size)
	for i := range flows[n:] {
		f := &flows[n+i]
		f.Src.TCPFlags = uint16(b[v1Header+i*size+40])
		f.Src.AS, f.Dst.AS, f.Src.Mask, f.Dst.Mask = 0, 0, 0, 0
	}
	return flows
}

// pdu makes room behind flows[:n] for the records that b holds of those its header promises.
func (d *Decoder) pdu(flows []schema.Flow, b []byte, header, record int) (_ []schema.Flow, n int) {
	claimed := int(binary.BigEndian.Uint16(b[2:]))
	held := min(claimed, (len(b)-header)/record)
	d.clock = clock{
		uptime: binary.BigEndian.Uint32(b[4:]),
		export: seconds(uint64(binary.BigEndian.Uint32(b[8:]))).Add(time.Duration(binary.BigEndian.Uint32(b[12:]))),
	}
	d.base.Exporter.Type = schema.NetFlowV5
	d.say(binary.BigEndian.Uint16(b), uint32(claimed))

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
		d.stats.Trailing += uint64(len(b) - header - held*record)
	}
	n = len(flows)
	return slices.Grow(flows, held)[:n+held], n
}

// v5Records fills flows from records of size bytes.
func (d *Decoder) v5Records(flows []schema.Flow, b []byte, size int) {
	c := d.clock
	untoldV5.say(&d.base)
	d.clear(flows)
	for i := range flows {
		r, f := (*[v5Record]byte)(b), &flows[i]
		b = b[size:]
		f.Src.Addr = netip.AddrFrom4([4]byte(r[0:4]))
		f.Dst.Addr = netip.AddrFrom4([4]byte(r[4:8]))
		f.Src.Interface = uint32(binary.BigEndian.Uint16(r[12:]))
		f.Dst.Interface = uint32(binary.BigEndian.Uint16(r[14:]))
		f.Src.Packets = uint64(binary.BigEndian.Uint32(r[16:]))
		f.Src.Bytes = uint64(binary.BigEndian.Uint32(r[20:]))
		f.Start = c.uptimeAt(binary.BigEndian.Uint32(r[24:]))
		f.End = c.uptimeAt(binary.BigEndian.Uint32(r[28:]))
		f.Src.Port = binary.BigEndian.Uint16(r[32:])
		f.Dst.Port = binary.BigEndian.Uint16(r[34:])
		f.Src.TCPFlags = uint16(r[37])
		f.Proto = r[38]
		f.TOS = r[39]
		f.Src.AS = uint32(binary.BigEndian.Uint16(r[40:]))
		f.Dst.AS = uint32(binary.BigEndian.Uint16(r[42:]))
		f.Src.Mask, f.Dst.Mask = r[44], r[45]
		switch {
		case !schema.HasPorts(f.Proto):
			portless(f)
		case f.Src.Port|f.Dst.Port == 0:
			nowhere(f)
		}
	}
}
