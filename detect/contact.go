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
//	marks  7 6 5 class + 1, 4 reported, 3 answered, 2 reached, 1 faint, 0 strong
//
// An address is an IPv4 address or 32 bits of the hash of an IPv6 one; a source
// only ever talks to addresses of its own kind.
type contact struct {
	word  uint64
	marks marks
}

// marks are a contact's protocol class and what is known of it. They are ORed
// when a flow says more, so applying a flow again changes nothing. They are never zero
// for a contact, whose class is at least 1: zero is a free place. A contact that a guard
// spared, or of which too little is known, has no outcome.
type marks uint8

const (
	markStrong   marks = 1 << iota // evidence that stands alone
	markFaint                      // evidence that takes many
	markReached                    // a handshake in which nobody said a word
	markAnswered                   // a session: data went both ways
	markReported                   // an alert that has closed reported it
	classShift   = 5
	markGood     = markAnswered | markReached // the target is there
	outcomeMarks = markStrong | markFaint | markReached | markAnswered
)

// isKept reports whether the source came to a target again that it had reached, and said nothing
// again: it checks whether the target is there. A scanner touches what is open once. Of a target
// that was reached the faint mark has no other meaning.
func (c contact) isKept() bool { return c.marks&(markReached|markFaint) == markReached|markFaint }

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

func (m marks) class() class { return class(m>>classShift) - 1 }

// isProbe reports whether a contact counts as a failed target.
func (m marks) isProbe() bool {
	return m&(markStrong|markFaint) != 0 && m&(markAnswered|markReached) == 0
}

// isStrong reports whether it counts against the ordinary thresholds.
func (m marks) isStrong() bool { return m&markStrong != 0 && m&(markAnswered|markReached) == 0 }

// marksOf is what an outcome leaves on a contact.
func marksOf(o outcome) (m marks) {
	if o&probes != 0 {
		m |= markStrong
	}
	if o&faint != 0 {
		m |= markFaint
	}
	if o&reached != 0 {
		m |= markReached
	}
	if o&answered != 0 {
		m |= markAnswered
	}
	return m
}

// outcome is what the marks tell of how a contact was touched.
func (c contact) outcome() (o outcome) {
	switch echoes := c.marks.class().track() == trackEchoes; {
	case echoes && c.marks&markAnswered != 0:
		return answered
	case echoes && c.marks&markStrong != 0:
		o = echo
	case c.marks&markStrong != 0:
		o = failed
	}
	if c.marks&markFaint != 0 {
		o |= refused
	}
	if c.marks&markReached != 0 {
		o |= reached
	}
	switch {
	case o == 0 && c.marks&markAnswered != 0:
		return answered
	case o == 0:
		return touched
	}
	return o
}

// isTurned reports whether a target has failed and held a session. Each answered ping is both.
func (c contact) isTurned() bool {
	return c.marks&(markStrong|markFaint) != 0 && c.marks&markAnswered != 0 && c.marks.class().track() != trackEchoes
}

// targetOf is the contact of a flow, without what it says and when.
func targetOf(f *schema.Flow) contact {
	m := marks(classOf(f.Proto)+1) << classShift
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
	return uint32(schema.HashAddr(&b))
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
	return schema.Mix64(c.target() ^ uint64(c.marks.class())<<56)
}

func (c *contact) setStamp(s stamp) { c.word = c.word&^0xffff | uint64(s) }

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
// news: an earlier first touch, or the touch of a target that was reported and then
// left alone for recountAfter; closer together they are retries.
func (c *contact) merge(d contact, now stamp, retold uint32) (news bool) {
	failed, told := c.marks.isProbe(), c.marks&markReported != 0
	if c.marks&d.marks&markReached != 0 && c.stamp() != d.stamp() {
		c.marks |= markFaint // it is kept
	}
	c.marks |= d.marks &^ markReported
	later := d.stamp().after(c.stamp(), now)
	switch {
	case !failed || !c.marks.isProbe():
		if later {
			c.setStamp(d.stamp())
		}
		return false
	case told:
		if news = later && c.stamp().age(d.stamp()) > retold; news {
			c.marks &^= markReported
			c.setStamp(d.stamp())
		}
		return news
	case !later && c.stamp() != d.stamp():
		c.setStamp(d.stamp())
		return true
	}
	return false
}

func v4Addr(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

// targetOnly is the contact without what is known of it.
func (c contact) targetOnly() contact {
	return contact{c.word &^ 0xffff, c.marks >> classShift << classShift}
}
