package detect

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// contact is one target of a source: the element that is counted, once however
// often it is touched. Its stamp is when it was first touched if it failed, else
// last. In a set it takes 9 bytes: word and marks.
//
//	word   63      32 31     16 15      0
//	       | address | port    | stamp   |
//	marks  7 6 5 class, 4 told, 3 answered, 2 touched, 1 faint, 0 strong
//
// An address is an IPv4 address or 32 bits of the hash of an IPv6 one; a source
// only ever talks to addresses of its own kind.
type contact struct {
	word  uint64
	marks marks
}

// marks are a contact's protocol class and what is known of it. They are ORed
// when a flow says more, so applying a flow again changes nothing. They are
// never zero for a contact: zero is a free place.
type marks uint8

const (
	markStrong   marks = 1 << iota // evidence that stands alone
	markFaint                      // evidence that takes many
	markTouched                    // something answered, no session
	markAnswered                   // a session: data went both ways
	markTold                       // an alert that has closed told of it
	classShift   = 5
	outcomeMarks = markStrong | markFaint | markTouched | markAnswered
)

// class is a protocol as far as contacts are told apart by it.
type class uint8

const (
	classTCP class = iota
	classUDP
	classSCTP
	classDCCP
	classICMP
	classICMPv6
	classOther // the port is the number of the protocol
)

func classOf(proto uint8) class {
	switch proto {
	case schema.TCP:
		return classTCP
	case schema.UDP, schema.UDPLite:
		return classUDP
	case schema.SCTP:
		return classSCTP
	case schema.DCCP:
		return classDCCP
	case schema.ICMP:
		return classICMP
	case schema.ICMPv6:
		return classICMPv6
	}
	return classOther
}

var classProtocols = [...]uint8{schema.TCP, schema.UDP, schema.SCTP, schema.DCCP, schema.ICMP, schema.ICMPv6}

// proto is the number of the class's protocol.
func (c class) proto(port uint16) uint8 {
	if int(c) < len(classProtocols) {
		return classProtocols[c]
	}
	return uint8(port)
}

func (c class) track() trackKind {
	switch {
	case c <= classDCCP:
		return trackPorts
	case c == classOther:
		return trackProtocols
	}
	return trackEchoes
}

func (m marks) class() class { return class(m >> classShift) }

// isProbe reports whether a contact counts as a failed target.
func (m marks) isProbe() bool { return m&(markStrong|markFaint) != 0 && m&markAnswered == 0 }

// isStrong reports whether it counts against the ordinary thresholds.
func (m marks) isStrong() bool { return m&markStrong != 0 && m&markAnswered == 0 }

// marksOf is what an outcome leaves on a contact.
func marksOf(o outcome) (m marks) {
	if o&probes != 0 {
		m |= markStrong
	}
	if o&faint != 0 {
		m |= markFaint
	}
	if o&touched != 0 {
		m |= markTouched
	}
	if o&answered != 0 {
		m |= markAnswered
	}
	return m
}

// targetOf is the contact of a flow, without what it says and when.
func targetOf(f *schema.Flow) contact {
	m := marks(classOf(f.Proto)) << classShift
	port := f.Dst.Port
	switch m.class().track() {
	case trackEchoes:
		port = 0
	case trackProtocols:
		port = uint16(f.Proto)
	}
	return contact{word: uint64(short(f.Dst.Addr))<<32 | uint64(port)<<16, marks: m}
}

// short is an address in 32 bits: itself, or a hash of an IPv6 one.
func short(a netip.Addr) uint32 {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	b := a.As16()
	return uint32(hashAddr(&b))
}

func (c contact) addr() uint32   { return uint32(c.word >> 32) }
func (c contact) port() uint16   { return uint16(c.word >> 16) }
func (c contact) stamp() stamp   { return stamp(c.word) }
func (c contact) target() uint64 { return c.word >> 16 }

// same reports whether both are the same target: address, port and class.
func (c contact) same(d contact) bool {
	return (c.word^d.word)>>16 == 0 && (c.marks^d.marks)>>classShift == 0
}

// hash is the same in every process and run: what is sampled is part of the state.
func (c contact) hash() uint64 {
	return schema.Mix64(c.target() ^ uint64(c.marks>>classShift)<<56)
}

func (c *contact) setStamp(s stamp) { c.word = c.word&^0xffff | uint64(s) }

// hashAddr mixes all bits of an address.
func hashAddr(a *[16]byte) uint64 {
	return schema.Mix64(binary.BigEndian.Uint64(a[:8]) ^ schema.Mix64(binary.BigEndian.Uint64(a[8:])))
}

func hashHost(addr uint32) uint64 { return schema.Mix64(uint64(addr) | 1<<40) }

// portKey is a port of a class, as scans are about it.
type portKey struct {
	port  uint16
	class class
}

func (c contact) portKey() portKey { return portKey{c.port(), c.marks.class()} }

func (k portKey) hash() uint64 { return schema.Mix64(uint64(k.port)<<8 | uint64(k.class) | 1<<41) }

// merge adds what d knows to c, the same target: all marks, and when. A target
// that fails counts from its first touch, so that retries, however many at once,
// are nothing new; one that answers from its last. It reports whether that is
// news: an earlier first touch, or the touch of a target that was told of and then
// left alone for retold; closer together they are retries.
func (c *contact) merge(d contact, now stamp, retold uint32) (news bool) {
	failed, told := c.marks.isProbe(), c.marks&markTold != 0
	c.marks |= d.marks &^ markTold
	later := d.stamp().after(c.stamp(), now)
	switch {
	case !failed || !c.marks.isProbe():
		if later {
			c.setStamp(d.stamp())
		}
		return false
	case told:
		if news = later && c.stamp().age(d.stamp()) > retold; news {
			c.marks &^= markTold
			c.setStamp(d.stamp())
		}
		return news
	case !later && c.stamp() != d.stamp():
		c.setStamp(d.stamp())
		return true
	}
	return false
}
