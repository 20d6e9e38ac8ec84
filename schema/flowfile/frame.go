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

// Lengths of link headers and EtherTypes (IEEE 802.3, 802.1Q, 802.1ad; LINKTYPE_LINUX_SLL, _SLL2).
const (
	ethernetHeader = 14
	sllHeader      = 16
	sll2Header     = 20
	vlanTag        = 4

	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // QinQ before 802.1ad
)

// network returns the IP packet in a frame, with what stands behind it.
func network(link layers.LinkType, frame []byte) ([]byte, linkVerdict) {
	switch link {
	case layers.LinkTypeEthernet:
		return etherPayload(frame, ethernetHeader-2, ethernetHeader)
	case layers.LinkTypeLinuxSLL:
		return etherPayload(frame, sllHeader-2, sllHeader)
	case layers.LinkTypeLinuxSLL2:
		return etherPayload(frame, 0, sll2Header)
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		// The address family in front is a number of the recording system in
		// its byte order; the packet itself says the same.
		if len(frame) < 4 {
			return nil, other
		}
		return ipPacket(frame[4:])
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, rawBSD, rawOpenBSD:
		return ipPacket(frame)
	}
	return nil, unknown
}

// etherPayload returns the packet at header if the EtherType at typeAt, or
// behind VLAN tags, says IP.
func etherPayload(frame []byte, typeAt, header int) ([]byte, linkVerdict) {
	if len(frame) < header {
		return nil, other
	}
	etherType, packet := binary.BigEndian.Uint16(frame[typeAt:]), frame[header:]
	for {
		switch etherType {
		case etherIPv4, etherIPv6:
			return packet, known
		case etherVLAN, etherQinQ, etherOld:
			if len(packet) < vlanTag {
				return nil, other
			}
			etherType, packet = binary.BigEndian.Uint16(packet[2:]), packet[vlanTag:]
		default:
			return nil, other
		}
	}
}

func ipPacket(b []byte) ([]byte, linkVerdict) {
	if len(b) == 0 || b[0]>>4 != 4 && b[0]>>4 != 6 {
		return nil, other
	}
	return b, known
}
