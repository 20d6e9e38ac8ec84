package sflow

import (
	"encoding/binary"

	"github.com/scanhound/scanhound/schema"
)

// packet walks down the headers of one packet. Each takes itself off b, so that the walk ends with
// the bytes at the latest.
type packet struct {
	b      []byte
	f      *schema.Flow
	vlan   uint16
	depth  int  // IP headers whose flow is in f, one in place of the other
	failed bool // b ended within a header
}

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
func (p *packet) next(l layer) layer {
	switch l {
	case ethernet:
		return p.ethernet()
	case vlan:
		return p.tag()
	case snap:
		return p.snap()
	case mpls:
		return p.mpls()
	case pppoe:
		return p.pppoe()
	case ppp:
		return p.ppp()
	case ipv4:
		return p.ipv4()
	case ipv6:
		return p.ipv6()
	case gre:
		return p.gre()
	case etherip:
		return p.etherip()
	case vxlan:
		return p.vxlan()
	case geneve:
		return p.geneve()
	}
	return end
}

// links are the header protocols of sFlow, by number.
var links = [...]layer{1: ethernet, 7: ppp, 11: ipv4, 12: ipv6, 13: mpls}

// read fills f from a record of a packet's first bytes:
//
//	header protocol 4, length of the frame 4, bytes stripped from it 4, header size 4, header
func (p *packet) read(f *schema.Flow, b []byte) verdict {
	if len(b) < 16 {
		return cut
	}
	link, size := be(b, 0), be(b, 12)
	*p = packet{f: f, b: b[16 : 16+min(int64(size), int64(len(b)-16))]}
	if link >= uint32(len(links)) {
		return notIP
	}
	for l := links[link]; l != end; {
		l = p.next(l)
	}
	switch {
	case p.depth > 0:
		f.Src.Packets, f.Src.Bytes, f.Src.VLAN = 1, uint64(be(b, 4)), p.vlan
		return found
	case p.failed:
		return cut
	}
	return notIP
}

// take takes n bytes off b, nil if there are not so many.
func (p *packet) take(n int) []byte {
	if len(p.b) < n {
		p.failed = true
		return nil
	}
	h := p.b[:n:n]
	p.b = p.b[n:]
	return h
}

func u16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

// ethernet: destination 6, source 6, type 2.
func (p *packet) ethernet() layer {
	h := p.take(14)
	if h == nil {
		return end
	}
	return p.typed(u16(h, 12))
}

// typed returns the layer of an EtherType.
func (p *packet) typed(t uint16) layer {
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
func (p *packet) tag() layer {
	h := p.take(4)
	if h == nil {
		return end
	}
	p.vlan = u16(h, 0) & 0xfff
	return p.typed(u16(h, 2))
}

// snap: DSAP, SSAP, control 3, organization 3, type 2 (RFC 1042).
func (p *packet) snap() layer {
	h := p.take(8)
	if h == nil || h[0] != 0xaa || h[1] != 0xaa || h[2] != 3 || h[3]|h[4]|h[5] != 0 {
		return end
	}
	return p.typed(u16(h, 6))
}

// mpls: labels of 4 bytes, the last with bit 8 set. What follows has no type: IP begins with its
// version; else it is a frame, mostly with a control word of 4 bytes before it that begins with 0
// (RFC 4385), as addresses do too: it is there if that puts a type that we know in its place.
func (p *packet) mpls() layer {
	for {
		h := p.take(4)
		if h == nil {
			return end
		}
		if h[2]&1 != 0 {
			break
		}
	}
	if len(p.b) == 0 {
		p.failed = true
		return end
	}
	switch p.b[0] >> 4 {
	case 4:
		return ipv4
	case 6:
		return ipv6
	case 0:
		if len(p.b) >= 18 && p.typed(u16(p.b, 16)) > snap {
			p.take(4)
		}
	}
	return ethernet
}

// pppoe: version, code, session 4, length 2, then PPP.
func (p *packet) pppoe() layer {
	if p.take(6) == nil {
		return end
	}
	return ppp
}

// ppp: protocol 2, with or without the two bytes of HDLC before it.
func (p *packet) ppp() layer {
	h := p.take(2)
	if h != nil && u16(h, 0) == 0xff03 {
		h = p.take(2)
	}
	switch {
	case h == nil:
		return end
	case u16(h, 0) == 0x0021:
		return ipv4
	case u16(h, 0) == 0x0057:
		return ipv6
	}
	return end
}
