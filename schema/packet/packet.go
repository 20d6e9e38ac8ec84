package packet

import (
	"encoding/binary"

	"github.com/scanhound/scanhound/schema"
)

// Reader walks down the headers of one packet after the other. Each header takes itself off b, so that
// the walk ends with the bytes at the latest. The zero value is ready.
type Reader struct {
	b      []byte
	f      *schema.Flow
	vlan   uint16
	depth  int  // IP headers whose flow is in f, one in place of the other
	length int  // of the outermost IP packet, as its header says
	failed bool // b ended within a header
}

// Verdict is what became of a packet.
type Verdict uint8

// The verdicts. The better ones come later.
const (
	NotIP Verdict = iota // ARP, LLDP, ...
	Cut                  // the bytes end before addresses, ports or flags
	Found                // the flow is filled
)

// Read fills f from the first bytes of a packet: what both ends are, and the flags of TCP. What is not
// in a header, such as the length of the packet on the wire, it leaves alone.
func (r *Reader) Read(f *schema.Flow, link Link, b []byte) Verdict {
	*r = Reader{f: f, b: b}
	for l := r.first(link); l != end; {
		l = r.next(l)
	}
	switch {
	case r.depth > 0:
		f.Src.VLAN = r.vlan
		return Found
	case r.failed:
		return Cut
	}
	return NotIP
}

// Inner reports whether the flow read last is of a packet within another.
func (r *Reader) Inner() bool { return r.depth > 1 }

// Length is how long the outermost IP packet was, by its own header; 0 if that does not say.
func (r *Reader) Length() int { return r.length }

// Link is what a packet begins with.
type Link uint8

// The links.
const (
	Unknown Link = iota
	Ethernet
	PPP
	IPv4
	IPv6
	MPLS
	IP // either, as its first bits say
)

// first returns the layer with which a packet of this link begins.
func (r *Reader) first(link Link) layer {
	switch {
	case link == IP && len(r.b) == 0:
		r.failed = true
	case link == IP && r.b[0]>>4 == 4:
		return ipv4
	case link == IP && r.b[0]>>4 == 6:
		return ipv6
	case int(link) < len(links):
		return links[link]
	}
	return end
}

var links = [...]layer{Ethernet: ethernet, PPP: ppp, IPv4: ipv4, IPv6: ipv6, MPLS: mpls}

// layer is the kind of header that b begins with.
type layer uint8

const (
	end layer = iota // nothing that we read
	ethernet
	snap
	vlan
	mpls
	pppoe
	ppp
	ipv4
	ipv6
	gre
	etherip
	vxlan
	geneve
)

// next reads one header and returns what comes behind it. A table of functions would make each
// packet escape to the heap.
func (r *Reader) next(l layer) layer {
	switch l {
	case ethernet:
		return r.ethernet()
	case vlan:
		return r.tag()
	case snap:
		return r.snap()
	case mpls:
		return r.mpls()
	case pppoe:
		return r.pppoe()
	case ppp:
		return r.ppp()
	case ipv4:
		return r.ipv4()
	case ipv6:
		return r.ipv6()
	case gre:
		return r.gre()
	case etherip:
		return r.etherip()
	case vxlan:
		return r.vxlan()
	case geneve:
		return r.geneve()
	}
	return end
}

// take takes n bytes off b, nil if there are not so many.
func (r *Reader) take(n int) []byte {
	if len(r.b) < n {
		r.failed = true
		return nil
	}
	h := r.b[:n:n]
	r.b = r.b[n:]
	return h
}

func u16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

// ethernet: destination 6, source 6, type 2.
func (r *Reader) ethernet() layer {
	h := r.take(14)
	if h == nil {
		return end
	}
	return r.typed(u16(h, 12))
}

// typed returns the layer of an EtherType.
func (r *Reader) typed(t uint16) layer {
	switch t {
	case 0x0800:
		return ipv4
	case 0x86dd:
		return ipv6
	case 0x8100, 0x88a8, 0x9100, 0x9200: // 802.1Q, 802.1ad, and what QinQ had before that
		return vlan
	case 0x8847, 0x8848:
		return mpls
	case 0x8864:
		return pppoe
	case 0x6558: // transparent Ethernet bridging, in GRE and Geneve
		return ethernet
	}
	if t < 0x600 { // a length: 802.3
		return snap
	}
	return end
}

// tag: priority and id 2, type 2. The innermost tag is the one that belongs to the addresses.
func (r *Reader) tag() layer {
	h := r.take(4)
	if h == nil {
		return end
	}
	r.vlan = u16(h, 0) & 0xfff
	return r.typed(u16(h, 2))
}

// snap: DSAP, SSAP, control 3, organization 3, type 2 (RFC 1042).
func (r *Reader) snap() layer {
	h := r.take(8)
	if h == nil || h[0] != 0xaa || h[1] != 0xaa || h[2] != 3 || h[3]|h[4]|h[5] != 0 {
		return end
	}
	return r.typed(u16(h, 6))
}

// mpls: labels of 4 bytes, the last with bit 8 set. What follows has no type: IP begins with its
// version; else it is a frame, mostly with a control word of 4 bytes before it that begins with 0
// (RFC 4385), as addresses do too: it is there if that puts a type that we know in its place.
func (r *Reader) mpls() layer {
	for {
		h := r.take(4)
		if h == nil {
			return end
		}
		if h[2]&1 != 0 {
			break
		}
	}
	if len(r.b) == 0 {
		r.failed = true
		return end
	}
	switch r.b[0] >> 4 {
	case 4:
		return ipv4
	case 6:
		return ipv6
	case 0:
		if len(r.b) >= 18 && r.typed(u16(r.b, 16)) > snap {
			r.take(4)
		}
	}
	return ethernet
}

// pppoe: version, code, session 4, length 2, then PPP.
func (r *Reader) pppoe() layer {
	if r.take(6) == nil {
		return end
	}
	return ppp
}

// ppp: the two bytes of HDLC or not; protocol 2, or 1 where it is compressed, which makes it odd
// (RFC 1661, section 6.5; RFC 1662, section 3.1).
func (r *Reader) ppp() layer {
	if len(r.b) >= 2 && u16(r.b, 0) == 0xff03 {
		r.b = r.b[2:]
	}
	h := r.take(1)
	if h == nil {
		return end
	}
	protocol := uint16(h[0])
	if protocol&1 == 0 {
		if h = r.take(1); h == nil {
			return end
		}
		protocol = protocol<<8 | uint16(h[0])
	}
	switch protocol {
	case 0x0021:
		return ipv4
	case 0x0057:
		return ipv6
	case 0x0281, 0x0283:
		return mpls
	}
	return end
}
