package netflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// slack is how many bytes must follow a record: each number is read as 8 bytes, wherever it stands.
const slack = 8

// fill does the ops of records that are alike, of size bytes each, and there are at least slack bytes
// behind the last. It does one op for all records before the next: that is half the time of one record
// after the other, for what the op is, is asked once. The records of a datagram stay in the
// first level of the cache.
func (d *Decoder) fill(fs []schema.Flow, b []byte, size int, ops []op) {
	// long: one switch, the hot one.
	for _, o := range ops {
		at, shift := int(o.at), o.shift
		switch o.kind {
		case srcBytes:
			for i := range fs {
				fs[i].Src.Bytes = number(b, at, shift)
				at += size
			}
		case dstBytes:
			for i := range fs {
				fs[i].Dst.Bytes = number(b, at, shift)
				at += size
			}
		case srcPackets:
			for i := range fs {
				fs[i].Src.Packets = number(b, at, shift)
				at += size
			}
		case dstPackets:
			for i := range fs {
				fs[i].Dst.Packets = number(b, at, shift)
				at += size
			}
		case srcFlags:
			for i := range fs {
				fs[i].Src.TCPFlags = uint16(number(b, at, shift)) & flagBits
				at += size
			}
		case dstFlags:
			for i := range fs {
				fs[i].Dst.TCPFlags = uint16(number(b, at, shift)) & flagBits
				at += size
			}
		case srcFlagsToo:
			for i := range fs {
				fs[i].Src.TCPFlags |= uint16(number(b, at, shift)) & flagBits
				at += size
			}
		case dstFlagsToo:
			for i := range fs {
				fs[i].Dst.TCPFlags |= uint16(number(b, at, shift)) & flagBits
				at += size
			}
		case proto:
			for i := range fs {
				fs[i].Proto = uint8(number(b, at, shift))
				at += size
			}
		case tos:
			for i := range fs {
				fs[i].TOS = uint8(number(b, at, shift))
				at += size
			}
		case ttl:
			for i := range fs {
				fs[i].TTL = uint8(number(b, at, shift))
				at += size
			}
		case srcPort:
			for i := range fs {
				fs[i].Src.Port = uint16(number(b, at, shift))
				at += size
			}
		case dstPort:
			for i := range fs {
				fs[i].Dst.Port = uint16(number(b, at, shift))
				at += size
			}
		case srcPortToo:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				if v != 0 {
					f.Src.Port = uint16(v)
				}
				at += size
			}
		case dstPortToo:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				if v != 0 {
					f.Dst.Port = uint16(v)
				}
				at += size
			}
		case srcAddr4:
			for i := range fs {
				fs[i].Src.Addr = netip.AddrFrom4([4]byte(b[at:]))
				at += size
			}
		case dstAddr4:
			for i := range fs {
				fs[i].Dst.Addr = netip.AddrFrom4([4]byte(b[at:]))
				at += size
			}
		case srcAddr6:
			for i := range fs {
				fs[i].Src.Addr = netip.AddrFrom16([16]byte(b[at:])).Unmap()
				at += size
			}
		case dstAddr6:
			for i := range fs {
				fs[i].Dst.Addr = netip.AddrFrom16([16]byte(b[at:])).Unmap()
				at += size
			}
		case srcMask:
			for i := range fs {
				fs[i].Src.Mask = uint8(number(b, at, shift))
				at += size
			}
		case dstMask:
			for i := range fs {
				fs[i].Dst.Mask = uint8(number(b, at, shift))
				at += size
			}
		case srcInterface:
			for i := range fs {
				fs[i].Src.Interface = uint32(number(b, at, shift))
				at += size
			}
		case dstInterface:
			for i := range fs {
				fs[i].Dst.Interface = uint32(number(b, at, shift))
				at += size
			}
		case srcAS:
			for i := range fs {
				fs[i].Src.AS = uint32(number(b, at, shift))
				at += size
			}
		case dstAS:
			for i := range fs {
				fs[i].Dst.AS = uint32(number(b, at, shift))
				at += size
			}
		case srcVLAN:
			for i := range fs {
				fs[i].Src.VLAN = uint16(number(b, at, shift))
				at += size
			}
		case dstVLAN:
			for i := range fs {
				fs[i].Dst.VLAN = uint16(number(b, at, shift))
				at += size
			}
		case icmp:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.ICMPType, f.ICMPCode = uint8(v>>8), uint8(v)
				at += size
			}
		case icmpType:
			for i := range fs {
				fs[i].ICMPType = uint8(number(b, at, shift))
				at += size
			}
		case icmpCode:
			for i := range fs {
				fs[i].ICMPCode = uint8(number(b, at, shift))
				at += size
			}
		case forward:
			for i := range fs {
				fs[i].Forward = uint8(number(b, at, shift))
				at += size
			}
		case endReason:
			for i := range fs {
				fs[i].EndReason = uint8(number(b, at, shift))
				at += size
			}
		case event:
			for i := range fs {
				fs[i].Event = uint8(number(b, at, shift))
				at += size
			}
		case natEvent:
			for i := range fs {
				fs[i].NATEvent = uint8(number(b, at, shift))
				at += size
			}
		case eventReason:
			for i := range fs {
				fs[i].EventReason = uint16(number(b, at, shift))
				at += size
			}
		case direction:
			for i := range fs {
				fs[i].Initiator = initiator(number(b, at, shift))
				at += size
			}
		case startSeconds:
			for i := range fs {
				fs[i].Start = seconds(number(b, at, shift))
				at += size
			}
		case endSeconds:
			for i := range fs {
				fs[i].End = seconds(number(b, at, shift))
				at += size
			}
		case startMilliseconds:
			for i := range fs {
				fs[i].Start = milliseconds(number(b, at, shift))
				at += size
			}
		case endMilliseconds:
			for i := range fs {
				fs[i].End = milliseconds(number(b, at, shift))
				at += size
			}
		case startMicroseconds:
			for i := range fs {
				fs[i].Start = ntpMicro(number(b, at, shift))
				at += size
			}
		case endMicroseconds:
			for i := range fs {
				fs[i].End = ntpMicro(number(b, at, shift))
				at += size
			}
		case startNanoseconds:
			for i := range fs {
				fs[i].Start = ntp(number(b, at, shift))
				at += size
			}
		case endNanoseconds:
			for i := range fs {
				fs[i].End = ntp(number(b, at, shift))
				at += size
			}
		case startDelta:
			for i := range fs {
				fs[i].Start = d.clock.before(number(b, at, shift))
				at += size
			}
		case endDelta:
			for i := range fs {
				fs[i].End = d.clock.before(number(b, at, shift))
				at += size
			}
		case startUptime:
			for i := range fs {
				fs[i].Start = d.clock.uptimeAt(uint32(number(b, at, shift)))
				at += size
			}
		case endUptime:
			for i := range fs {
				fs[i].End = d.clock.uptimeAt(uint32(number(b, at, shift)))
				at += size
			}
		case bothAddr4:
			for i := range fs {
				f := &fs[i]
				f.Src.Addr = netip.AddrFrom4([4]byte(b[at:]))
				f.Dst.Addr = netip.AddrFrom4([4]byte(b[at+4:]))
				at += size
			}
		case bothPorts:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.Src.Port, f.Dst.Port = uint16(v>>16), uint16(v)
				at += size
			}
		case bothInterfaces:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.Src.Interface, f.Dst.Interface = uint32(v>>32), uint32(v)
				at += size
			}
		case bothAS:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.Src.AS, f.Dst.AS = uint32(v>>32), uint32(v)
				at += size
			}
		case bothMasks:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.Src.Mask, f.Dst.Mask = uint8(v>>8), uint8(v)
				at += size
			}
		case startEndUptime:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.Start, f.End = d.clock.uptimeAt(uint32(v>>32)), d.clock.uptimeAt(uint32(v))
				at += size
			}
		case endStartUptime:
			for i := range fs {
				v, f := number(b, at, shift), &fs[i]
				f.End, f.Start = d.clock.uptimeAt(uint32(v>>32)), d.clock.uptimeAt(uint32(v))
				at += size
			}
		default: // of one record, see late.go
			d.late.set(o.kind, number(b, at, shift), b[at:])
		}
	}
}

// number returns the 8 bytes at `at`, without those behind the field.
func number(b []byte, at int, shift uint8) uint64 {
	return binary.BigEndian.Uint64(b[at:]) >> (shift & 63)
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

// finish does what needs more than one field, for flows without late ones. icmp says that there are
// elements for type and code.
func finish(f *schema.Flow, icmp bool) {
	switch {
	case !schema.HasPorts(f.Proto):
		if icmp {
			f.Src.Port, f.Dst.Port = 0, 0
		}
		portless(f)
	case f.Src.Port|f.Dst.Port == 0:
		nowhere(f)
	}
	switch {
	case f.End == 0:
		f.End = f.Start
	case f.Start == 0:
		f.Start = f.End
	}
}

// portless takes the ports from a flow whose protocol has none. Many exporters put type and code of
// an ICMP message into the destination port; where there are elements for them, those win: ASA
// has the message's id in the ports.
func portless(f *schema.Flow) {
	if (f.Proto == schema.ICMP || f.Proto == schema.ICMPv6) && f.ICMPType == 0 && f.ICMPCode == 0 {
		f.ICMPType, f.ICMPCode = uint8(f.Dst.Port>>8), uint8(f.Dst.Port)
	}
	f.Src.Port, f.Dst.Port = 0, 0
}
