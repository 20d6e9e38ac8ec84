package sflow

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
func (p *packet) gre() layer {
	h := p.take(4)
	if h == nil || h[1]&7 != 0 { // version 1 is PPTP's
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
	if p.take(n) == nil {
		return end
	}
	return p.typed(u16(h, 2))
}

// etherip: version 4 bits, reserved 12 bits (RFC 3378).
func (p *packet) etherip() layer {
	h := p.take(2)
	if h == nil || h[0]>>4 != 3 {
		return end
	}
	return ethernet
}

// vxlan: UDP 8; flags 1, reserved 3, network 3, reserved 1 (RFC 7348).
func (p *packet) vxlan() layer {
	h := p.take(16)
	if h == nil || h[8] != 0x08 {
		return end
	}
	return ethernet
}

// geneve: UDP 8; version 2 bits, length of options in words 6 bits, flags 1, type 2, network 3,
// reserved 1, options (RFC 8926).
func (p *packet) geneve() layer {
	h := p.take(16)
	if h == nil || h[8]>>6 != 0 || p.take(int(h[8]&0x3f)*4) == nil {
		return end
	}
	return p.typed(u16(h, 10))
}
