package story

import (
	"time"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/schema"
)

// answerDelay is how long after the question the answer leaves.
const answerDelay = 20 * time.Millisecond

// flows appends what the exporter says of a conversation, or of a half of it.
func (c *conversation) flows(to []schema.Flow) []schema.Flow {
	l := c.line
	before := len(to)
	ask, reply := c.records()
	if l.form == biflow || l.form == byAddress {
		ask.Dst = reply.Src
		ask.Exporter.Type, ask.Initiator = schema.IPFIX, schema.InitiatorSrc
		if l.form == byAddress && ask.Dst.Addr.Less(ask.Src.Addr) {
			ask.Src, ask.Dst = ask.Dst, ask.Src
		}
	} else {
		ask.Dst.Untold |= schema.UntoldSent
		reply.Dst.Untold |= schema.UntoldSent
	}
	if c.half != answerHalf && l.form != replyOnly {
		to = append(to, ask)
	}
	if answered := l.back.packets > 0; answered && c.half != askHalf && l.form != oneWay && l.form != biflow && l.form != byAddress {
		to = append(to, reply)
	}
	for i := before; i < len(to) && l.leave != nil; i++ {
		l.leave(&to[i])
	}
	return to
}

// records are that of the asking side and that of the answering one.
func (c *conversation) records() (ask, reply schema.Flow) {
	l := c.line
	host, port := l.target(c.i)
	src, dst := l.src.addr(c.i), l.dst.addr(host)
	ask = flowtest.Contact(src, dst, l.proto, 0, c.start.Sub(flowtest.Noon))
	ask.Received, ask.Src = c.arrival, schema.Side{Addr: src}
	ask.Exporter.Addr, ask.Exporter.Sampling = l.exporter, l.sampling
	ask.Event, ask.NATEvent, ask.EventReason = l.event.firewall, l.event.nat, l.event.reason
	switch {
	case schema.HasPorts(l.proto):
		ask.Src.Port, ask.Dst.Port = uint16(l.srcPort.number(c.i)), uint16(l.dstPort.number(port))
	case l.proto == protoInPort:
		ask.Proto = uint8(l.dstPort.number(port))
	}
	reply = ask
	reply.Src, reply.Dst = ask.Dst, ask.Src
	reply.Start, reply.End = c.start.Add(answerDelay), c.start.Add(answerDelay)
	l.ask.by(&ask.Src, l.flagless)
	l.back.by(&reply.Src, l.flagless)
	six := src.Is6()
	if l.proto == schema.ICMP {
		ask.ICMPType, reply.ICMPType = icmpTypes(l.outcome, six)
	}
	if l.unreachable {
		reply.Proto, reply.Src.Port, reply.Dst.Port = schema.ICMP, 0, 0
		reply.ICMPType, _ = icmpTypes("unreachable", six)
	}
	if six {
		ask.Proto, reply.Proto = inIPv6(ask.Proto), inIPv6(reply.Proto)
	}
	l.hide(&ask)
	l.hide(&reply)
	return ask, reply
}

// by writes what was sent to the side that sent it.
func (s sent) by(side *schema.Side, flagless bool) {
	side.Packets, side.Bytes = s.packets, s.bytes
	if !flagless {
		side.TCPFlags = s.flags
	}
}

func inIPv6(proto uint8) uint8 {
	if proto == schema.ICMP {
		return schema.ICMPv6
	}
	return proto
}

// form is which records there are of a conversation.
type form string

const (
	bothWays  form = ""           // one for each direction that sent something
	oneWay    form = "one-way"    // that of the asking side alone
	replyOnly form = "reply-only" // that of the answering side alone
	biflow    form = "biflow"     // one with both directions, RFC 5103
	byAddress form = "by-address" // a biflow whose first half is that of the lower address, as softflowd -b has it
)
