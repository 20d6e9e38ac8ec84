package netflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// slack is how many bytes must follow a record: each number is read as 8 bytes, wherever it stands.
const slack = 8

// fill does the ops of one record. rec has at least slack bytes behind the record.
func (d *Decoder) fill(f *schema.Flow, rec []byte, ops []op) {
	// long: one switch, the hot one.
	for _, o := range ops {
		v := binary.BigEndian.Uint64(rec[o.at:]) >> (o.shift & 63)
		switch o.kind {
		case srcBytes:
			f.Src.Bytes = v
		case dstBytes:
			f.Dst.Bytes = v
		case srcPackets:
			f.Src.Packets = v
		case dstPackets:
			f.Dst.Packets = v
		case srcFlags:
			f.Src.TCPFlags = uint16(v) & flagBits
		case dstFlags:
			f.Dst.TCPFlags = uint16(v) & flagBits
		case srcFlagsToo:
			f.Src.TCPFlags |= uint16(v) & flagBits
		case dstFlagsToo:
			f.Dst.TCPFlags |= uint16(v) & flagBits
		case proto:
			f.Proto = uint8(v)
		case tos:
			f.TOS = uint8(v)
		case ttl:
			f.TTL = uint8(v)
		case srcPort:
			f.Src.Port = uint16(v)
		case dstPort:
			f.Dst.Port = uint16(v)
		case srcPortToo:
			if v != 0 {
				f.Src.Port = uint16(v)
			}
		case dstPortToo:
			if v != 0 {
				f.Dst.Port = uint16(v)
			}
		case srcAddr4:
			f.Src.Addr = netip.AddrFrom4([4]byte(rec[o.at:]))
		case dstAddr4:
			f.Dst.Addr = netip.AddrFrom4([4]byte(rec[o.at:]))
		case srcAddr6:
			f.Src.Addr = netip.AddrFrom16([16]byte(rec[o.at:])).Unmap()
		case dstAddr6:
			f.Dst.Addr = netip.AddrFrom16([16]byte(rec[o.at:])).Unmap()
		case srcMask:
			f.Src.Mask = uint8(v)
		case dstMask:
			f.Dst.Mask = uint8(v)
		case srcInterface:
			f.Src.Interface = uint32(v)
		case dstInterface:
			f.Dst.Interface = uint32(v)
		case srcAS:
			f.Src.AS = uint32(v)
		case dstAS:
			f.Dst.AS = uint32(v)
		case srcVLAN:
			f.Src.VLAN = uint16(v)
		case dstVLAN:
			f.Dst.VLAN = uint16(v)
		case icmp:
			f.ICMPType, f.ICMPCode = uint8(v>>8), uint8(v)
		case icmpType:
			f.ICMPType = uint8(v)
		case icmpCode:
			f.ICMPCode = uint8(v)
		case forward:
			f.Forward = uint8(v)
		case endReason:
			f.EndReason = uint8(v)
		case event:
			f.Event = uint8(v)
		case direction:
			f.Initiator = initiator(v)
		case startSeconds:
			f.Start = seconds(v)
		case endSeconds:
			f.End = seconds(v)
		case startMilliseconds:
			f.Start = milliseconds(v)
		case endMilliseconds:
			f.End = milliseconds(v)
		case startMicroseconds:
			f.Start = ntpMicro(v)
		case endMicroseconds:
			f.End = ntpMicro(v)
		case startNanoseconds:
			f.Start = ntp(v)
		case endNanoseconds:
			f.End = ntp(v)
		case startDelta:
			f.Start = d.clock.before(v)
		case endDelta:
			f.End = d.clock.before(v)
		case startUptime:
			f.Start = d.clock.uptimeAt(uint32(v))
		case endUptime:
			f.End = d.clock.uptimeAt(uint32(v))
		case bothAddr4:
			f.Src.Addr = netip.AddrFrom4([4]byte(rec[o.at:]))
			f.Dst.Addr = netip.AddrFrom4([4]byte(rec[o.at+4:]))
		case bothPorts:
			f.Src.Port, f.Dst.Port = uint16(v>>16), uint16(v)
		case bothInterfaces:
			f.Src.Interface, f.Dst.Interface = uint32(v>>32), uint32(v)
		case bothAS:
			f.Src.AS, f.Dst.AS = uint32(v>>32), uint32(v)
		case bothMasks:
			f.Src.Mask, f.Dst.Mask = uint8(v>>8), uint8(v)
		case startEndUptime:
			f.Start, f.End = d.clock.uptimeAt(uint32(v>>32)), d.clock.uptimeAt(uint32(v))
		case endStartUptime:
			f.End, f.Start = d.clock.uptimeAt(uint32(v>>32)), d.clock.uptimeAt(uint32(v))
		default:
			d.late.set(o.kind, v, rec[o.at:])
		}
	}
}

// flagBits are the bits of tcpControlBits: the four above them hold the header's length (RFC 9565).
const flagBits = 0x0fff

// initiator reads biflowDirection: 1 initiator, 2 reverse initiator; 0 arbitrary and 3 perimeter say nothing.
func initiator(v uint64) schema.Initiator {
	switch v {
	case 1:
		return schema.InitiatorSrc
	case 2:
		return schema.InitiatorDst
	}
	return schema.InitiatorUnknown
}

// finish does what needs more than one field, for flows without late ones.
func finish(f *schema.Flow) {
	if !schema.HasPorts(f.Proto) {
		portless(f)
	}
	switch {
	case f.End == 0:
		f.End = f.Start
	case f.Start == 0:
		f.Start = f.End
	}
}

// portless takes the ports from a flow whose protocol has none. Many exporters put type and code of
// an ICMP message into the destination port; where there are elements for them, those win.
func portless(f *schema.Flow) {
	if (f.Proto == schema.ICMP || f.Proto == schema.ICMPv6) && f.ICMPType == 0 && f.ICMPCode == 0 {
		f.ICMPType, f.ICMPCode = uint8(f.Dst.Port>>8), uint8(f.Dst.Port)
	}
	f.Src.Port, f.Dst.Port = 0, 0
}
