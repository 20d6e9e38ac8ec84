package story

import "github.com/scanhound/scanhound/schema"

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

// sample is what an exporter that looks at one packet in many says of a side.
func (s sent) sample() sent {
	if s.packets <= 1 {
		return s
	}
	return sent{1, s.bytes / s.packets, s.flags & schema.ACK}
}
