package flowfile

import (
	"encoding/binary"

	"github.com/scanhound/scanhound/schema"
)

// IP protocols that carry packets (IANA "Protocol Numbers").
const (
	protoIPv4    = 4
	protoIPv6    = 41
	protoGRE     = 47
	protoEtherIP = 97
)

// Ports of UDP behind which frames are: VXLAN (RFC 7348, and what Linux took
// before), VXLAN-GPE, GENEVE (RFC 8926), MPLS in UDP (RFC 7510), and TZSP, with
// which sniffers send what they see.
const (
	portVXLAN    = 4789
	portVXLANOld = 8472
	portVXLANGPE = 4790
	portGENEVE   = 6081
	portMPLS     = 6635
	portTZSP     = 37008
)

// maxTunnels is how deep tunnels in tunnels are read: two are in use (a cloud's
// mirror of an overlay), and a loop must end.
const maxTunnels = 8

// tunnel returns what an IP packet carries for others, by its EtherType; 0 if it
// carries nothing of the kind.
func tunnel(h *ip) (etherType uint16, payload []byte) {
	b := h.payload
	switch h.proto {
	case protoIPv4:
		return etherIPv4, b
	case protoIPv6:
		return etherIPv6, b
	case protoEtherIP: // RFC 3378
		if len(b) < 2 || b[0]>>4 != 3 {
			return 0, nil
		}
		return etherFrame, b[2:]
	case protoGRE:
		return gre(b)
	case schema.UDP:
		if len(b) < headerUDP {
			return 0, nil
		}
		return udpTunnel(binary.BigEndian.Uint16(b[2:]), b[headerUDP:])
	}
	return 0, nil
}

// gre reads GRE (RFC 2784, 2890), that of PPTP (RFC 2637), and ERSPAN in it
// (draft-foschiano-erspan): of type I there is no header, and no sequence number.
func gre(b []byte) (etherType uint16, payload []byte) {
	if len(b) < 4 {
		return 0, nil
	}
	flags, etherType := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	size := 4
	for _, bit := range []uint16{0x8000, 0x2000, 0x1000} { // checksum, key, sequence number
		if flags&bit != 0 {
			size += 4
		}
	}
	if flags&7 == 1 && flags&0x80 != 0 { // acknowledgement number
		size += 4
	}
	switch {
	case etherType == erspan2 && flags&0x1000 != 0:
		size, etherType = size+8, etherFrame
	case etherType == erspan2:
		etherType = etherFrame
	case etherType == erspan3:
		if len(b) < size+12 {
			return 0, nil
		}
		if b[size+11]&1 != 0 { // a platform's own header follows
			size += 8
		}
		size, etherType = size+12, etherFrame
	}
	if len(b) < size {
		return 0, nil
	}
	return etherType, b[size:]
}

// udpTunnel reads what UDP carries to a port.
func udpTunnel(port uint16, b []byte) (etherType uint16, payload []byte) {
	const header = 8 // of VXLAN and GENEVE
	if len(b) < header {
		return 0, nil
	}
	switch port {
	case portVXLAN, portVXLANOld:
		if b[0]&0x08 != 0 && b[1] == 0 {
			return etherFrame, b[header:]
		}
	case portVXLANGPE:
		next := map[byte]uint16{1: etherIPv4, 2: etherIPv6, 3: etherFrame, 5: etherMPLS}
		return next[b[3]], b[header:]
	case portGENEVE:
		options := int(b[0]&0x3f) * 4
		if b[0]>>6 == 0 && len(b) >= header+options {
			return binary.BigEndian.Uint16(b[2:]), b[header+options:]
		}
	case portMPLS:
		return etherMPLS, b
	case portTZSP:
		return tzsp(b)
	}
	return 0, nil
}

// tzsp reads a received packet of Ethernet: version 1, type 0, protocol 1, tagged
// fields up to the tag 1; 0 is padding.
func tzsp(b []byte) (etherType uint16, payload []byte) {
	if b[0] != 1 || b[1] != 0 || binary.BigEndian.Uint16(b[2:]) != 1 {
		return 0, nil
	}
	for b = b[4:]; len(b) > 0; {
		switch {
		case b[0] == 1:
			return etherFrame, b[1:]
		case b[0] == 0:
			b = b[1:]
		case len(b) < 2 || len(b) < 2+int(b[1]):
			return 0, nil
		default:
			b = b[2+int(b[1]):]
		}
	}
	return 0, nil
}
