package sflow

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// flagBits are the bits of TCP flags: the four above them hold the header's length.
const flagBits = 0x0fff

// header is what both versions of IP say.
type header struct {
	src, dst netip.Addr
	tos, ttl uint8
	proto    uint8
	first    bool // the transport header follows: it is no later fragment
}

// ipv4: version and length 1, TOS 1, total length 2, id 2, fragment 2, TTL 1, protocol 1, checksum 2,
// source 4, destination 4, options.
func (p *packet) ipv4() layer {
	total := len(p.b)
	h := p.take(20)
	if h == nil || h[0]>>4 != 4 || h[0]&15 < 5 || p.take(int(h[0]&15-5)*4) == nil {
		return end
	}
	// What is behind the packet fills up its frame.
	if n := int(u16(h, 2)); n < total && n >= total-len(p.b) {
		p.b = p.b[:n-(total-len(p.b))]
	}
	return p.transport(header{
		src: netip.AddrFrom4([4]byte(h[12:])), dst: netip.AddrFrom4([4]byte(h[16:])),
		tos: h[1], ttl: h[8], proto: h[9], first: u16(h, 6)&0x1fff == 0,
	})
}

// ipv6: version 4 bits, class 8 bits, label 20 bits, length 2, next header 1, hop limit 1,
// source 16, destination 16.
func (p *packet) ipv6() layer {
	h := p.take(40)
	if h == nil || h[0]>>4 != 6 {
		return end
	}
	ip := header{
		src: netip.AddrFrom16([16]byte(h[8:])).Unmap(), dst: netip.AddrFrom16([16]byte(h[24:])).Unmap(),
		tos: h[0]<<4 | h[1]>>4, ttl: h[7], proto: h[6], first: true,
	}
	if !p.extensions(&ip) {
		return end
	}
	return p.transport(ip)
}

// extensions takes the extension headers off, until the one of the transport (RFC 8200, section 4).
func (p *packet) extensions(ip *header) bool {
	for ip.first {
		var n int // of bytes behind the first 8
		switch ip.proto {
		case 0, 43, 60, 135, 139, 140: // hop by hop, routing, destination, mobility, HIP, Shim6
			n = 8
		case 44: // fragment
			n = 0
		case 51: // authentication
			n = 4
		default:
			return true
		}
		h := p.take(8)
		if h == nil {
			return false
		}
		switch {
		case ip.proto == 44:
			ip.first = u16(h, 2)>>3 == 0
		case p.take(int(h[1])*n) == nil:
			return false
		}
		ip.proto = h[0]
	}
	return true
}

// transport puts the flow into f, in the place of that of an outer header, and returns what is inside.
// A packet whose ports or flags are cut is no flow: a port of 0 would say something that was not said.
func (p *packet) transport(ip header) layer {
	var (
		sides    [2]uint16
		flags    uint16
		icmpType uint8
		icmpCode uint8
		need     int
	)
	switch {
	case !ip.first:
	case ip.proto == schema.TCP:
		need = 14
	case schema.HasPorts(ip.proto):
		need = 4
	case ip.proto == schema.ICMP || ip.proto == schema.ICMPv6:
		need = 2
	}
	if len(p.b) < need {
		p.failed = true
		return end
	}
	switch {
	case need == 2:
		icmpType, icmpCode = p.b[0], p.b[1]
	case need >= 4:
		sides = [2]uint16{u16(p.b, 0), u16(p.b, 2)}
	}
	if need == 14 {
		flags = u16(p.b, 12) & flagBits
	}
	f := p.f
	f.Src.Addr, f.Dst.Addr = ip.src, ip.dst
	f.TOS, f.TTL, f.Proto = ip.tos, ip.ttl, ip.proto
	f.Src.Port, f.Dst.Port, f.Src.TCPFlags = sides[0], sides[1], flags
	f.ICMPType, f.ICMPCode = icmpType, icmpCode
	p.depth++
	if !ip.first {
		return end
	}
	return tunnel(ip.proto, sides[1])
}
