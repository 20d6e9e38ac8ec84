package schema

import "net/netip"

// Flow is one flow record as an exporter reported it, later turned round where
// that was needed so that Src is who started the conversation.
//
// Everything that has a direction stands in Src or Dst, so turning a flow round
// is swapping the two. A record of one direction (NetFlow v5 and most of v9)
// has counts in one of them only.
//
// wide: it is a record's fields, and copied whole.
type Flow struct {
	Exporter Exporter

	Received   Time // when the datagram arrived: the arrival clock, never a window's
	Start, End Time // first and last packet: event time

	Src, Dst Side

	Proto    uint8 // IP protocol number
	ICMPType uint8 // for ICMP and ICMPv6 only
	ICMPCode uint8

	TOS       uint8
	TTL       uint8
	Forward   uint8 // forwardingStatus, IPFIX element 89
	EndReason uint8 // flowEndReason, IPFIX element 136

	Event       uint8  // firewallEvent, IPFIX element 233: 3 is denied
	NATEvent    uint8  // natEvent, IPFIX element 230: 1 a translation was made, 2 removed, ...
	EventReason uint16 // why, where Event is Cisco ASA's (33002): 1001 and 1002 an access list, 1004 no SYN first, ...

	Initiator   Initiator   // what the exporter itself says
	Orientation Orientation // how it was decided who Src is
	Swapped     bool        // Src and Dst were exchanged on the way
	Hints       Hints       // what ingest saw beside the record
}

// Exporter says where a record came from and how it was sampled.
type Exporter struct {
	Addr     netip.Addr
	Type     FlowType
	Domain   uint32 // observation domain (IPFIX), source id (v9), engine type and id (v5)
	Sequence uint32 // of the datagram
	Sampling uint32 // one packet in this many was looked at; 0 and 1 mean all or not said
}

// Side is one end of a flow and what that end sent.
type Side struct {
	Addr      netip.Addr
	Packets   uint64 // sent by this side, not scaled by the sampling rate
	Bytes     uint64
	AS        uint32
	Interface uint32
	Port      uint16 // only for protocols that have ports, see HasPorts
	TCPFlags  uint16 // of this side's packets, ORed over the flow
	VLAN      uint16
	Mask      uint8  // prefix length of the route to Addr
	Untold    Untold // which of the above are unknown, not zero
	Country   Country
}

// Control is the six classic TCP control bits. ECE and CWR do not matter (nfdump's
// "flags S and not flags AFURP").
func (s *Side) Control() uint8 { return uint8(s.TCPFlags & 0x3f) }

// Untold says which numbers of a Side nobody told: the exporter's template has no element for
// them, its format no field, its file no column. They are zero and mean nothing. The zero Untold
// means that all were told.
//
// The bits are of what can be told at all: of [UntoldFlags] ask only for TCP, of [UntoldPort] only where
// [HasPorts] says so.
type Untold uint8

// What was not told.
const (
	// UntoldPackets: how many packets this side sent.
	UntoldPackets Untold = 1 << iota
	// UntoldBytes: how many bytes.
	UntoldBytes
	// UntoldFlags: the TCP flags of its packets.
	UntoldFlags
	// UntoldPort: its port; that of a later fragment of a datagram, say, which has none.
	UntoldPort

	// UntoldSent: nothing of what this side sent. In Dst, as exported: the record is of one
	// direction, and another may tell what came back, or nothing will.
	UntoldSent = UntoldPackets | UntoldBytes | UntoldFlags
)

// OneWay reports whether the record tells nothing of what one of its sides sent.
func (f *Flow) OneWay() bool {
	return f.Src.Untold&UntoldSent == UntoldSent || f.Dst.Untold&UntoldSent == UntoldSent
}

// FlowType is goflow2's FlowType enumeration.
type FlowType uint8

// The kinds of record that exporters send.
const (
	FlowUnknown FlowType = iota
	SFlow5
	NetFlowV5
	NetFlowV9
	IPFIX
)

var flowTypeNames = [...]string{"FLOWUNKNOWN", "SFLOW_5", "NETFLOW_V5", "NETFLOW_V9", "IPFIX"}

// String returns goflow2's name of t.
func (t FlowType) String() string {
	if int(t) < len(flowTypeNames) {
		return flowTypeNames[t]
	}
	return flowTypeNames[FlowUnknown]
}

// ParseFlowType is the inverse of String; a name it does not know is FlowUnknown.
func ParseFlowType(s string) FlowType {
	for t, name := range flowTypeNames {
		if name == s {
			return FlowType(t)
		}
	}
	return FlowUnknown
}

// Initiator is what an exporter says of who started a flow: biflowDirection
// (IPFIX 239), initiator and responder counters (231, 232, 298, 299), or the
// reverse elements of RFC 5103.
type Initiator uint8

// Who started it, in the exporter's own words.
const (
	InitiatorUnknown Initiator = iota
	InitiatorSrc
	InitiatorDst
)

// Orientation says which rule decided that Src started a flow.
type Orientation uint8

// The rules in the order in which they are asked; the first that answers wins.
const (
	OrientNone     Orientation = iota // no rule answered: Src is whom the exporter calls the source
	OrientExporter                    // the exporter says so
	OrientFlags                       // TCP flags
	OrientReverse                     // the reverse record was seen
	OrientService                     // a well-known service port
)

var orientationNames = [...]string{"none", "exporter", "flags", "reverse", "service-port"}

// String returns the name that alerts use.
func (o Orientation) String() string {
	if int(o) < len(orientationNames) {
		return orientationNames[o]
	}
	return orientationNames[OrientNone]
}

// Hints are what ingest knows of a flow from other flows, which the partition of
// its source never sees.
type Hints uint8

// The hints.
const (
	// HintServerCall: Dst had lately opened a session with Src that is known to call
	// back, such as FTP, whose data comes from port 20, or mail, which asks for ident.
	HintServerCall Hints = 1 << iota
	// HintCopy: this is a second copy, in the partition of Dst, a source with an open
	// alert to which Src opened a session. It is counted nowhere else.
	HintCopy
)

// TCP control bits (RFC 9293 section 3.1, RFC 3168 section 6.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// FlagNames is TCP flags as letters, lowest bit first: S, SA, FPU; none for no flag.
func FlagNames(flags uint16) string { return flagNames[uint8(flags)] }

var flagNames = func() (names [1 << 8]string) {
	for flags := range names {
		names[flags] = spellFlags(flags)
	}
	return names
}()

func spellFlags(flags int) string {
	var b []byte
	for i, letter := range []byte("FSRPAUEC") {
		if flags>>i&1 != 0 {
			b = append(b, letter)
		}
	}
	if len(b) == 0 {
		return "none"
	}
	return string(b)
}

// IP protocol numbers that are treated by name.
const (
	ICMP    = 1
	TCP     = 6
	UDP     = 17
	DCCP    = 33
	ICMPv6  = 58
	SCTP    = 132
	UDPLite = 136
)

// HasPorts reports whether proto carries port numbers in its header. For every
// other protocol a port field is something else: a zero, or the type and code
// of an ICMP message.
func HasPorts(proto uint8) bool {
	switch proto {
	case TCP, UDP, SCTP, DCCP, UDPLite:
		return true
	}
	return false
}

// Swap exchanges everything that has a direction. Swapping twice changes nothing.
func (f *Flow) Swap() {
	f.Src, f.Dst = f.Dst, f.Src
	f.Swapped = !f.Swapped
	switch f.Initiator {
	case InitiatorSrc:
		f.Initiator = InitiatorDst
	case InitiatorDst:
		f.Initiator = InitiatorSrc
	}
}

// Owner is the address whose partition holds f: that of its source, or where f is
// a copy that of its destination.
func (f *Flow) Owner() netip.Addr {
	if f.Hints&HintCopy != 0 {
		return f.Dst.Addr
	}
	return f.Src.Addr
}

// EventTime is the instant at which the flow counts: its first packet, or the
// best that is known where the exporter does not say.
func (f *Flow) EventTime() Time {
	switch {
	case f.Start != 0:
		return f.Start
	case f.End != 0:
		return f.End
	}
	return f.Received
}
