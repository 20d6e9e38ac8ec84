package flowfile

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// outcome is what became of a packet; each has its counter in Packets.
type outcome uint8

const (
	datagram outcome = iota
	notIP
	notUDP
	notExport
	fragment
	truncated
	unknownLink
	broken
)

func (p *Packets) count(o outcome) {
	switch o {
	case datagram:
		p.Datagrams++
	case notIP:
		p.NotIP++
	case notUDP:
		p.NotUDP++
	case notExport:
		p.NotExport++
	case fragment:
		p.Fragments++
	case truncated:
		p.Truncated++
	case unknownLink:
		p.UnknownLink++
	case broken:
		p.Broken++
	}
}

// short is the outcome of a packet that ends too early: it was cut by who
// recorded it, or it lies.
func short(cut bool) outcome {
	if cut {
		return truncated
	}
	return broken
}

const (
	headerIPv4 = 20
	headerIPv6 = 40
	headerUDP  = 8
)

// ip is the header of a packet, of either version.
type ip struct {
	src, dst netip.Addr
	proto    uint8
	payload  []byte
	missing  bool // the header tells of more payload than there is

	piece  bool // of a datagram
	id     uint32
	offset int // of payload in the datagram's
	more   bool
}

// datagram fills d from an IP packet. Checksums are not looked at: where the
// recording host sent the packet itself, its network card fills them in later.
//
// What a tunnel carries is read in its stead; tunnels is how many more of them.
func (r *Reader) datagram(d *Datagram, packet []byte, cut bool, tunnels int) outcome {
	h, ok := parseIP(packet)
	switch {
	case !ok:
		return short(cut)
	case h.piece && h.proto != schema.UDP && h.proto != protoGRE:
		return notUDP
	case h.piece && h.missing:
		return short(cut)
	case h.piece:
		whole := r.fragments.add(&h, d.Received)
		if whole == nil {
			return fragment
		}
		h.payload = whole
	}
	if etherType, payload := tunnel(&h); etherType != 0 && tunnels > 0 {
		inner, _, verdict := carried(etherType, payload)
		if verdict != known {
			return notIP
		}
		return r.datagram(d, inner, cut, tunnels-1)
	}
	if h.proto != schema.UDP {
		return notUDP
	}
	if len(h.payload) < headerUDP {
		return short(cut)
	}
	d.From = netip.AddrPortFrom(h.src, binary.BigEndian.Uint16(h.payload))
	d.To = netip.AddrPortFrom(h.dst, binary.BigEndian.Uint16(h.payload[2:]))
	size := int(binary.BigEndian.Uint16(h.payload[4:]))
	d.Payload = h.payload[headerUDP:]
	if len(d.Payload) >= 4 && !isExport(d.Payload) {
		return notExport // also when it was cut
	}
	switch {
	case h.missing || size > len(h.payload):
		return short(cut)
	case size < headerUDP:
		return broken
	}
	if d.Payload = h.payload[headerUDP:size]; !isExport(d.Payload) {
		return notExport
	}
	return datagram
}

// parseIP reads the header of an IP packet. Not ok is one that ends within it.
func parseIP(b []byte) (h ip, ok bool) {
	switch {
	case len(b) >= headerIPv4 && b[0]>>4 == 4:
		return parseIPv4(b)
	case len(b) >= headerIPv6 && b[0]>>4 == 6:
		return parseIPv6(b)
	}
	return h, false
}

// parseIPv4 reads RFC 791.
func parseIPv4(b []byte) (h ip, ok bool) {
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // the network card was to cut it into packets
		total = len(b)
	}
	if header < headerIPv4 || header > len(b) || header > total {
		return h, false
	}
	at := binary.BigEndian.Uint16(b[6:])
	h = ip{
		src:     netip.AddrFrom4([4]byte(b[12:16])),
		dst:     netip.AddrFrom4([4]byte(b[16:20])),
		proto:   b[9],
		payload: b[header:min(total, len(b))],
		missing: total > len(b),
		id:      uint32(binary.BigEndian.Uint16(b[4:])),
		offset:  int(at&0x1fff) * 8,
		more:    at&0x2000 != 0,
	}
	h.piece = h.more || h.offset != 0
	return h, true
}

// IPv6 extension headers that may stand before UDP (RFC 8200 section 4).
const (
	hopByHop    = 0
	routing     = 43
	fragmenting = 44
	authHeader  = 51
	destination = 60
)

// parseIPv6 reads RFC 8200.
func parseIPv6(b []byte) (h ip, ok bool) {
	total := headerIPv6 + int(binary.BigEndian.Uint16(b[4:]))
	h = ip{
		src:     netip.AddrFrom16([16]byte(b[8:24])).Unmap(),
		dst:     netip.AddrFrom16([16]byte(b[24:40])).Unmap(),
		proto:   b[6],
		payload: b[headerIPv6:min(total, len(b))],
		missing: total > len(b),
	}
	for {
		size := 8
		switch h.proto {
		case hopByHop, routing, destination:
			if len(h.payload) >= 2 {
				size = int(h.payload[1])*8 + 8
			}
		case authHeader:
			if len(h.payload) >= 2 {
				size = int(h.payload[1])*4 + 8
			}
		case fragmenting:
		default:
			return h, true
		}
		if len(h.payload) < size {
			return h, false
		}
		if h.proto == fragmenting {
			at := binary.BigEndian.Uint16(h.payload[2:])
			h.id, h.offset, h.more = binary.BigEndian.Uint32(h.payload[4:]), int(at&^7), at&1 != 0
			h.piece = h.more || h.offset != 0
		}
		h.proto, h.payload = h.payload[0], h.payload[size:]
		if h.piece { // what follows is for after the pieces are put together
			return h, true
		}
	}
}
