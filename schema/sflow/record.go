package sflow

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/packet"
)

// The formats of records that we read, enterprise 20 bits and format 12 bits.
const (
	recordRaw     = 1    // the packet's first bytes
	recordIPv4    = 3    // its IPv4 header, taken apart
	recordIPv6    = 4    // its IPv6 header, taken apart
	recordSwitch  = 1001 // its VLANs
	recordRouter  = 1002 // its prefixes
	recordGateway = 1003 // its AS
)

// records fills f from the records of a sample, nil if there were none to read. Each is:
//
//	format 4, length 4, as many bytes
//
// Their number is not needed: they fill the sample.
func records(f *schema.Flow, b []byte) packet.Verdict {
	if b == nil {
		return packet.Cut
	}
	var (
		raw  packet.Reader
		best = packet.NotIP
		near routing
	)
	for len(b) >= 8 {
		format, length := be(b, 0), int64(be(b, 4))
		b = b[8:]
		length = min(length, int64(len(b)))
		r := b[:length:length]
		b = b[length:]
		switch format {
		case recordRaw:
			if best != packet.Found {
				best = max(best, sampled(&raw, f, r))
			}
		case recordIPv4, recordIPv6:
			if best != packet.Found {
				best = max(best, apart(f, format, r))
			}
		default:
			near.read(format, r)
		}
	}
	if best == packet.Found {
		near.tell(f, raw.Inner())
	}
	return best
}

// links are the header protocols of sFlow, by number.
var links = [...]packet.Link{1: packet.Ethernet, 7: packet.PPP, 11: packet.IPv4, 12: packet.IPv6, 13: packet.MPLS}

// sampled reads a record of a packet's first bytes:
//
//	header protocol 4, length of the frame 4, bytes stripped from it 4, header size 4, header
func sampled(r *packet.Reader, f *schema.Flow, b []byte) packet.Verdict {
	if len(b) < 16 {
		return packet.Cut
	}
	link, size, header := be(b, 0), int64(be(b, 12)), b[16:]
	if link >= uint32(len(links)) {
		return packet.NotIP
	}
	v := r.Read(f, links[link], header[:min(size, int64(len(header)))])
	if v == packet.Found {
		f.Src.Packets, f.Src.Bytes = 1, uint64(be(b, 4))
	}
	return v
}

// apart reads a record of an IP header that the exporter took apart:
//
//	length 4, protocol 4, source 4 or 16, destination 4 or 16, source port 4, destination port 4, TCP flags 4, TOS or priority 4
func apart(f *schema.Flow, format uint32, b []byte) packet.Verdict {
	n := 4
	if format == recordIPv6 {
		n = 16
	}
	if len(b) < 8+2*n+16 {
		return packet.Cut
	}
	f.Src.Addr, _ = netip.AddrFromSlice(b[8 : 8+n])
	f.Dst.Addr, _ = netip.AddrFromSlice(b[8+n : 8+2*n])
	f.Src.Addr, f.Dst.Addr = f.Src.Addr.Unmap(), f.Dst.Addr.Unmap()
	f.Src.Packets, f.Src.Bytes = 1, uint64(be(b, 0))
	f.Proto = uint8(be(b, 4))
	b = b[8+2*n:]
	source, destination := uint16(be(b, 0)), uint16(be(b, 4))
	switch {
	case schema.HasPorts(f.Proto):
		f.Src.Port, f.Dst.Port = source, destination
		if source|destination == 0 { // a later fragment: port 0 is reserved
			f.Src.Untold |= schema.UntoldPort
			f.Dst.Untold |= schema.UntoldPort
		}
	case f.Proto == schema.ICMP || f.Proto == schema.ICMPv6:
		f.ICMPType, f.ICMPCode = uint8(destination>>8), uint8(destination)
	}
	if f.Proto == schema.TCP {
		f.Src.TCPFlags = uint16(be(b, 8)) & packet.FlagBits
	}
	f.TOS = uint8(be(b, 12))
	return packet.Found
}

// routing is what other records say of the packet.
type routing struct {
	srcVLAN, dstVLAN uint32
	srcMask, dstMask uint32
	srcAS, dstAS     uint32
}

// read takes what a record says; one that is cut says nothing.
func (n *routing) read(format uint32, b []byte) {
	switch format {
	case recordSwitch: // source VLAN 4, priority 4, destination VLAN 4, priority 4
		if len(b) >= 16 {
			n.srcVLAN, n.dstVLAN = be(b, 0), be(b, 8)
		}
	case recordRouter: // next hop, source mask 4, destination mask 4
		if _, b, ok := address(b); ok && len(b) >= 8 {
			n.srcMask, n.dstMask = be(b, 0), be(b, 4)
		}
	case recordGateway:
		n.gateway(b)
	}
}

// gateway reads, and there is more behind it:
//
//	next hop, own AS 4, source AS 4, source peer's AS 4, segments of the path to the destination 4,
//	each: kind 4, number 4, as many AS of 4 bytes
func (n *routing) gateway(b []byte) {
	_, b, ok := address(b)
	if !ok || len(b) < 16 {
		return
	}
	source, last := be(b, 4), uint32(0)
	segments := be(b, 12)
	b = b[16:]
	for ; segments > 0; segments-- {
		if len(b) < 8 {
			return
		}
		size := 4 * int64(be(b, 4))
		if b = b[8:]; size > int64(len(b)) {
			return
		}
		if size > 0 {
			last = be(b, int(size)-4)
		}
		b = b[size:]
	}
	n.srcAS, n.dstAS = source, last
}

// tell puts what was read into f. Prefixes and AS are of the outer packet: of an inner one, which
// stands in f, they say nothing.
func (n *routing) tell(f *schema.Flow, inner bool) {
	if f.Src.VLAN == 0 && n.srcVLAN < 4095 {
		f.Src.VLAN = uint16(n.srcVLAN)
	}
	if n.dstVLAN < 4095 {
		f.Dst.VLAN = uint16(n.dstVLAN)
	}
	if !inner {
		f.Src.Mask, f.Dst.Mask = uint8(min(n.srcMask, 128)), uint8(min(n.dstMask, 128))
		f.Src.AS, f.Dst.AS = n.srcAS, n.dstAS
	}
}
