package packet

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// FlagBits are the bits of TCP flags: the four above them hold the header's length.
const FlagBits = 0x0fff

// header is what both versions of IP say.
type header struct {
	src, dst netip.Addr
	tos, ttl uint8
	proto    uint8
	first    bool // the transport header follows: it is no later fragment
}

// ipv4: version and length 1, TOS 1, total length 2, id 2, fragment 2, TTL 1, protocol 1, checksum 2,
// source 4, destination 4, options.
func (r *Reader) ipv4() layer {
	total := len(r.b)
	h := r.take(20)
	if h == nil || h[0]>>4 != 4 || h[0]&15 < 5 || r.take(int(h[0]&15-5)*4) == nil {
		return end
	}
	// What is behind the packet fills up its frame.
	r.outermost(int(u16(h, 2)))
	if n := int(u16(h, 2)); n < total && n >= total-len(r.b) {
		r.b = r.b[:n-(total-len(r.b))]
	}
	return r.transport(header{
		src: netip.AddrFrom4([4]byte(h[12:])), dst: netip.AddrFrom4([4]byte(h[16:])),
		tos: h[1], ttl: h[8], proto: h[9], first: u16(h, 6)&0x1fff == 0,
	})
}

// outermost notes the length of an IP packet if it is not within another.
func (r *Reader) outermost(n int) {
	if r.depth == 0 {
		r.length = n
	}
}

// ipv6: version 4 bits, class 8 bits, label 20 bits, length 2, next header 1, hop limit 1,
// source 16, destination 16.
func (r *Reader) ipv6() layer {
	h := r.take(40)
	if h == nil || h[0]>>4 != 6 {
		return end
	}
	if n := int(u16(h, 4)); n > 0 { // a jumbogram says 0
		r.outermost(40 + n)
	}
	ip := header{
		src: netip.AddrFrom16([16]byte(h[8:])).Unmap(), dst: netip.AddrFrom16([16]byte(h[24:])).Unmap(),
		tos: h[0]<<4 | h[1]>>4, ttl: h[7], proto: h[6], first: true,
	}
	if !r.extensions(&ip) {
		return end
	}
	return r.transport(ip)
}

// extensions takes the extension headers off, until the one of the transport (RFC 8200, section 4).
func (r *Reader) extensions(ip *header) bool {
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
		h := r.take(8)
		if h == nil {
			return false
		}
		switch {
		case ip.proto == 44:
			ip.first = u16(h, 2)>>3 == 0
		case r.take(int(h[1])*n) == nil:
			return false
		}
		ip.proto = h[0]
	}
	return true
}

// transport puts the flow into f, in the place of that of an outer header, and returns what is inside.
// A packet whose ports or flags are cut is no flow: a port of 0 would say something that was not said.
func (r *Reader) transport(ip header) layer {
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
	if len(r.b) < need {
		r.failed = true
		return end
	}
	switch {
	case need == 2:
		icmpType, icmpCode = r.b[0], r.b[1]
	case need >= 4:
		sides = [2]uint16{u16(r.b, 0), u16(r.b, 2)}
	}
	if need == 14 {
		flags = u16(r.b, 12) & FlagBits
	}
	f := r.f
	f.Src.Addr, f.Dst.Addr = ip.src, ip.dst
	f.TOS, f.TTL, f.Proto = ip.tos, ip.ttl, ip.proto
	f.Src.Port, f.Dst.Port, f.Src.TCPFlags = sides[0], sides[1], flags
	f.ICMPType, f.ICMPCode = icmpType, icmpCode
	const portsAndFlags = schema.UntoldPort | schema.UntoldFlags
	f.Src.Untold &^= portsAndFlags
	f.Dst.Untold &^= schema.UntoldPort
	if !ip.first {
		f.Src.Untold |= portsAndFlags
		f.Dst.Untold |= schema.UntoldPort
	}
	r.depth++
	if !ip.first {
		return end
	}
	return tunnel(ip.proto, sides[1])
}
