package flowfile

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// linkVerdict says whether there is an IP packet in a frame.
type linkVerdict uint8

const (
	unknown linkVerdict = iota // the link type is not read
	other                      // something else than IP
	known
)

// Link types that libpcap writes as it finds them on some systems; its own
// number for both is 101 (LINKTYPE_RAW).
const (
	rawOpenBSD layers.LinkType = 14
	rawBSD     layers.LinkType = 12
)

// linkPPPEther is PPPoE without Ethernet's header (LINKTYPE_PPP_ETHER).
const linkPPPEther layers.LinkType = 51

// Lengths of link headers.
const (
	ethernetHeader = 14
	sllHeader      = 16
	sll2Header     = 20
	hdlcHeader     = 4 // Cisco's
)

// network returns the IP packet in a frame, with what stands behind it. Where
// there is none, etherType is what stands there, if the frame says it.
func network(link layers.LinkType, frame []byte) (packet []byte, etherType uint16, v linkVerdict) {
	switch link {
	case layers.LinkTypeEthernet:
		return framed(frame, ethernetHeader-2, ethernetHeader)
	case layers.LinkTypeLinuxSLL:
		return framed(frame, sllHeader-2, sllHeader)
	case layers.LinkTypeLinuxSLL2:
		return framed(frame, 0, sll2Header)
	case layers.LinkTypeC_HDLC:
		return framed(frame, hdlcHeader-2, hdlcHeader)
	case layers.LinkTypePPP, layers.LinkTypePPP_HDLC:
		return carried(etherPPP, frame)
	case linkPPPEther:
		return carried(etherPPPoE, frame)
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		// The address family in front is a number of the recording system in
		// its byte order; the packet itself says the same.
		if len(frame) < 4 {
			return nil, 0, other
		}
		return ipPacket(frame[4:])
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, rawBSD, rawOpenBSD:
		return ipPacket(frame)
	}
	return nil, 0, unknown
}

// framed returns the packet at header of the EtherType at typeAt.
func framed(frame []byte, typeAt, header int) ([]byte, uint16, linkVerdict) {
	if len(frame) < header {
		return nil, 0, other
	}
	return carried(binary.BigEndian.Uint16(frame[typeAt:]), frame[header:])
}

func ipPacket(b []byte) ([]byte, uint16, linkVerdict) {
	if len(b) == 0 || b[0]>>4 != 4 && b[0]>>4 != 6 {
		return nil, 0, other
	}
	return b, 0, known
}
