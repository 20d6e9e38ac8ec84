package flowfile

import "encoding/binary"

// What is mirrored to a recorder, or recorded on a provider's line, stands in
// other headers. They are skipped down to the innermost IP packet.

// EtherTypes (IEEE 802.3, 802.1Q, 802.1ad, IANA "ETHER TYPES"), also where GRE and
// GENEVE say what they carry.
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100
	etherQinQ   = 0x88a8
	etherOld    = 0x9100 // QinQ before 802.1ad
	etherOlder  = 0x9200
	etherPPPoE  = 0x8864 // a session's; discovery has 0x8863
	etherMPLS   = 0x8847
	etherMPLSup = 0x8848 // with labels that the other side chose
	etherPPP    = 0x880b
	etherFrame  = 0x6558 // a whole Ethernet frame
	erspan2     = 0x88be // I and II
	erspan3     = 0x22eb
)

// PPP's protocols (IANA "PPP DLL Protocol Numbers"): with the first bit of a byte
// set the number ends there.
const (
	pppIPv4 = 0x21
	pppIPv6 = 0x57
	pppMPLS = 0x0281
)

const (
	vlanTag     = 4
	pppoeHeader = 6
	mplsLabel   = 4
)

// carried returns the IP packet in what an EtherType announces. Every step skips
// a header, so it ends.
func carried(etherType uint16, b []byte) ([]byte, uint16, linkVerdict) {
	for {
		first := etherType
		switch etherType {
		case etherIPv4, etherIPv6:
			return b, etherType, known
		case etherVLAN, etherQinQ, etherOld, etherOlder:
			if len(b) < vlanTag {
				return nil, first, other
			}
			etherType, b = binary.BigEndian.Uint16(b[2:]), b[vlanTag:]
		case etherFrame:
			if len(b) < ethernetHeader {
				return nil, first, other
			}
			etherType, b = binary.BigEndian.Uint16(b[ethernetHeader-2:]), b[ethernetHeader:]
		case etherPPPoE:
			if len(b) < pppoeHeader || b[1] != 0 {
				return nil, first, other
			}
			etherType, b = etherPPP, b[pppoeHeader:]
		case etherPPP:
			etherType, b = ppp(b)
		case etherMPLS, etherMPLSup:
			etherType, b = mpls(b)
		default:
			return nil, etherType, other
		}
		if etherType == 0 {
			return nil, first, other
		}
	}
}

// ppp reads PPP (RFC 1661), with or without HDLC's address and control in front
// (RFC 1662); its type is 0 if it carries no IP.
func ppp(b []byte) (etherType uint16, payload []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return 0, nil
	}
	proto, size := uint16(b[0]), 1 // compressed
	if b[0]&1 == 0 {
		proto, size = binary.BigEndian.Uint16(b), 2
	}
	switch proto {
	case pppIPv4:
		etherType = etherIPv4
	case pppIPv6:
		etherType = etherIPv6
	case pppMPLS:
		etherType = etherMPLS
	}
	return etherType, b[size:]
}

// mpls skips the labels (RFC 3032). What they carry they do not say: an IP packet
// by its version, else a frame of a pseudowire, mostly with a control word of
// which the first four bits are 0 (RFC 4448 section 4.6).
func mpls(b []byte) (etherType uint16, payload []byte) {
	for last := false; !last; b = b[mplsLabel:] {
		if len(b) < mplsLabel {
			return 0, nil
		}
		last = b[2]&1 != 0
	}
	switch {
	case len(b) == 0:
		return 0, nil
	case b[0]>>4 == 4:
		return etherIPv4, b
	case b[0]>>4 == 6:
		return etherIPv6, b
	case b[0]>>4 == 0 && len(b) > 4+ethernetHeader && isFrame(b[4:]):
		return etherFrame, b[4:]
	case len(b) > ethernetHeader && isFrame(b):
		return etherFrame, b
	}
	return 0, nil
}

// isFrame reports whether b begins a frame, by its EtherType alone: to look on
// would be to look twice at each of the headers behind it.
func isFrame(b []byte) bool {
	switch binary.BigEndian.Uint16(b[ethernetHeader-2:]) {
	case etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherOld, etherPPPoE, etherMPLS:
		return true
	}
	return false
}
