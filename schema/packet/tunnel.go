package packet

import "github.com/scanhound/scanhound/schema"

// The UDP ports behind which a frame or a packet may stand. What does not look like one is a flow to
// that port and no more.
const (
	portVXLAN      = 4789
	portVXLANLinux = 8472 // what Linux took before the assignment
	portGeneve     = 6081
)

// tunnel returns what a packet carries inside, end if that is no packet.
func tunnel(proto uint8, port uint16) layer {
	switch proto {
	case 4:
		return ipv4
	case 41:
		return ipv6
	case 47:
		return gre
	case 97:
		return etherip
	case 137:
		return mpls
	case schema.UDP:
		switch port {
		case portVXLAN, portVXLANLinux:
			return vxlan
		case portGeneve:
			return geneve
		}
	}
	return end
}

// gre: flags and version 2, type 2; checksum 4, key 4, sequence 4 where their flags are set
// (RFC 2784, RFC 2890).
func (r *Reader) gre() layer {
	h := r.take(4)
	if h == nil {
		return end
	}
	switch version := h[1] & 7; {
	case version == 1 && u16(h, 2) == 0x880b:
		return r.pptp(h)
	case version != 0:
		return end
	}
	n := 0
	if h[0]&0xc0 != 0 {
		n += 4
	}
	if h[0]&0x20 != 0 {
		n += 4
	}
	if h[0]&0x10 != 0 {
		n += 4
	}
	if r.take(n) == nil {
		return end
	}
	return r.typed(u16(h, 2))
}

// pptp: payload length 2, call id 2; sequence 4, acknowledgment 4 where their flags in h are set, then
// PPP (RFC 2637, section 4.1). A bare acknowledgment carries nothing.
func (r *Reader) pptp(h []byte) layer {
	n := 4
	if h[0]&0x10 != 0 {
		n += 4
	}
	if h[1]&0x80 != 0 {
		n += 4
	}
	if r.take(n) == nil || len(r.b) == 0 {
		return end
	}
	return ppp
}

// etherip: version 4 bits, reserved 12 bits (RFC 3378).
func (r *Reader) etherip() layer {
	h := r.take(2)
	if h == nil || h[0]>>4 != 3 {
		return end
	}
	return ethernet
}

// vxlan: UDP 8; flags 1, reserved 3, network 3, reserved 1 (RFC 7348).
func (r *Reader) vxlan() layer {
	h := r.take(16)
	if h == nil || h[8] != 0x08 {
		return end
	}
	return ethernet
}

// geneve: UDP 8; version 2 bits, length of options in words 6 bits, flags 1, type 2, network 3,
// reserved 1, options (RFC 8926).
func (r *Reader) geneve() layer {
	h := r.take(16)
	if h == nil || h[8]>>6 != 0 || r.take(int(h[8]&0x3f)*4) == nil {
		return end
	}
	return r.typed(u16(h, 10))
}
