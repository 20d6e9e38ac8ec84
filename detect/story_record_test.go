package detect_test

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// sent is what one side of a conversation sends.
type sent struct {
	packets, bytes uint64
	flags          uint16
}

// outcomes are what a story can say of a conversation: what the asking side
// sends, and what comes back.
var outcomes = map[string]struct{ ask, back sent }{
	"syn":       {ask: sent{1, 44, schema.SYN}},
	"half-open": {sent{2, 84, schema.SYN | schema.RST}, sent{1, 44, schema.SYN | schema.ACK}},
	"connect":   {sent{3, 124, schema.SYN | schema.ACK | schema.RST}, sent{1, 44, schema.SYN | schema.ACK}},
	"session":   {sent{12, 2000, schema.SYN | schema.ACK | schema.PSH | schema.FIN}, sent{10, 9000, schema.SYN | schema.ACK | schema.PSH | schema.FIN}},
	"null":      {ask: sent{1, 40, 0}},
	"fin":       {ask: sent{1, 40, schema.FIN}},
	"xmas":      {ask: sent{1, 40, schema.FIN | schema.PSH | schema.URG}},
	"ack":       {ask: sent{1, 40, schema.ACK}},
	"fin-ack":   {ask: sent{1, 40, schema.FIN | schema.ACK}},
	"syn-ack":   {ask: sent{1, 44, schema.SYN | schema.ACK}},
	"rst":       {ask: sent{1, 40, schema.RST}},
	"rst-ack":   {ask: sent{1, 40, schema.RST | schema.ACK}},

	"silent":   {ask: sent{1, 60, 0}},
	"answered": {sent{1, 60, 0}, sent{1, 120, 0}},
	"stream":   {sent{40, 8000, 0}, sent{40, 8000, 0}},

	"ping":        {ask: sent{1, 84, 0}},
	"ping-pong":   {sent{1, 84, 0}, sent{1, 84, 0}},
	"pong":        {ask: sent{1, 84, 0}},
	"unreachable": {ask: sent{1, 56, 0}},
}

// outcomesOf lists those that a protocol can have.
func outcomesOf(proto uint8) []string {
	switch proto {
	case schema.TCP:
		return []string{"syn", "half-open", "connect", "session", "null", "fin", "xmas", "ack", "fin-ack", "syn-ack", "rst", "rst-ack"}
	case schema.ICMP:
		return []string{"ping", "ping-pong", "pong", "unreachable"}
	}
	return []string{"silent", "answered", "stream"}
}

// answers, where a story adds one to an outcome that has none.
var (
	closedPort = sent{1, 40, schema.RST | schema.ACK}
	icmpError  = sent{1, 56, 0}
)

// icmpTypes are the message of an outcome and its answer's (RFC 792, RFC 4443).
func icmpTypes(outcome string, six bool) (ask, back uint8) {
	switch {
	case outcome == "unreachable" && six:
		return 1, 0
	case outcome == "unreachable":
		return 3, 0
	case outcome == "pong" && six:
		return 129, 0
	case outcome == "pong":
		return 0, 0
	case six:
		return 128, 129
	}
	return 8, 0
}

// answerDelay is how long after the question the answer leaves.
const answerDelay = 20 * time.Millisecond

// records appends what the exporter says of the i-th conversation of a line, which
// began at start and is told of at arrival.
func (l *line) records(to []schema.Flow, i uint64, start, arrival schema.Time) []schema.Flow {
	src, dst := l.src.addr(i), l.dst.addr(i)
	f := schema.Flow{
		Exporter: schema.Exporter{Addr: l.exporter, Type: schema.NetFlowV9, Sampling: l.sampling},
		Received: arrival, Start: start, End: start, Proto: l.proto,
		Src: schema.Side{Addr: src}, Dst: schema.Side{Addr: dst},
	}
	switch {
	case schema.HasPorts(l.proto):
		f.Src.Port, f.Dst.Port = uint16(l.srcPort.number(i)), uint16(l.dstPort.number(i))
	case l.proto == protoInPort:
		f.Proto = uint8(l.dstPort.number(i))
	}
	ask, back := l.ask, l.back
	if l.flagless {
		ask.flags, back.flags = 0, 0
	}
	f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = ask.packets, ask.bytes, ask.flags
	reply := f
	reply.Src, reply.Dst = schema.Side{Addr: dst, Port: f.Dst.Port}, schema.Side{Addr: src, Port: f.Src.Port}
	reply.Src.Packets, reply.Src.Bytes, reply.Src.TCPFlags = back.packets, back.bytes, back.flags
	reply.Start, reply.End = start.Add(answerDelay), start.Add(answerDelay)
	if l.proto == schema.ICMP {
		f.ICMPType, reply.ICMPType = icmpTypes(l.outcome, src.Is6())
	}
	if l.unreachable {
		reply.Proto, reply.Src.Port, reply.Dst.Port = schema.ICMP, 0, 0
		reply.ICMPType, _ = icmpTypes("unreachable", src.Is6())
	}
	if src.Is6() {
		f.Proto, reply.Proto = inIPv6(f.Proto), inIPv6(reply.Proto)
	}
	return l.form.records(to, f, reply, back.packets > 0)
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
)

func (form form) records(to []schema.Flow, ask, reply schema.Flow, answered bool) []schema.Flow {
	switch {
	case form == biflow:
		ask.Dst = reply.Src
		ask.Exporter.Type, ask.Initiator = schema.IPFIX, schema.InitiatorSrc
		return append(to, ask)
	case form == replyOnly:
		return append(to, reply)
	case form == oneWay || !answered:
		return append(to, ask)
	}
	return append(to, ask, reply)
}

// sample is what an exporter that looks at one packet in many says of a side.
func (s sent) sample() sent {
	if s.packets <= 1 {
		return s
	}
	return sent{1, s.bytes / s.packets, s.flags & schema.ACK}
}

var storyExporter = netip.MustParseAddr("192.0.2.1")
