package schema

import (
	"errors"
	"net/netip"
	"slices"
)

// The wire form of a flow is goflow2's FlowMessage (protobuf), each message
// with its length before it as a varint, one or more to a Kafka record:
//
//	record  = 1*( length message )
//	length  = varint, bytes of the message
//	message = *( tag value ), any order, unknown tags skipped
//
// Numbers below 1000 are goflow2's (pb/flow.proto). Those from 1500 on are
// ours; goflow2's own readers skip them.
const (
	fieldType      = 1
	fieldSampling  = 3
	fieldSequence  = 4
	fieldSrcAddr   = 6
	fieldDstAddr   = 7
	fieldBytes     = 9
	fieldPackets   = 10
	fieldSampler   = 11
	fieldSrcAS     = 14
	fieldDstAS     = 15
	fieldSrcNet    = 16
	fieldDstNet    = 17
	fieldInIf      = 18
	fieldOutIf     = 19
	fieldProto     = 20
	fieldSrcPort   = 21
	fieldDstPort   = 22
	fieldTOS       = 23
	fieldForward   = 24
	fieldTTL       = 25
	fieldTCPFlags  = 26
	fieldEtype     = 30
	fieldICMPType  = 31
	fieldICMPCode  = 32
	fieldSrcVLAN   = 33
	fieldDstVLAN   = 34
	fieldDomain    = 70
	fieldReceived  = 110
	fieldFlowStart = 111
	fieldFlowEnd   = 112

	fieldReverseBytes   = 1500
	fieldReversePackets = 1501
	fieldReverseFlags   = 1502
	fieldInitiator      = 1503
	fieldOrientation    = 1504
	fieldSwapped        = 1505
	fieldEndReason      = 1506
	fieldEvent          = 1507
	fieldSrcCountry     = 1508 // the two letters, the first in the higher byte
	fieldDstCountry     = 1509
	fieldHints          = 1510
)

// Protobuf wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// maxFlowSize bounds one encoded flow with its length: 41 tags of at most 2
// bytes, 3 addresses of 17, 6 varints of 64 bits and 29 of at most 32.
const maxFlowSize = 2 + 41*2 + 3*17 + 6*10 + 29*5

// ErrFlow is a message that is no flow. Its length was read, so what follows
// it in the record can still be read.
var ErrFlow = errors.New("malformed flow message")

// ErrFrame is a record whose next length runs past its end: the rest is lost.
var ErrFrame = errors.New("malformed flow record: a length runs past its end")

// AppendFlow appends the length and the message of f to b.
func AppendFlow(b []byte, f *Flow) []byte {
	w := begin(b)
	at := len(b)
	w.exporter(f)
	w.rest(f)
	return w.frame(at)
}

// FlowEncoder is AppendFlow for flows of which many in a row come from one
// datagram: what they have in common is encoded once. The zero value is ready.
type FlowEncoder struct {
	of       Exporter
	received Time
	common   []byte
}

// Append appends the length and the message of f to b.
func (e *FlowEncoder) Append(b []byte, f *Flow) []byte {
	if f.Exporter != e.of || f.Received != e.received || e.common == nil {
		w := begin(e.common[:0])
		w.i = 0
		w.exporter(f)
		e.of, e.received, e.common = f.Exporter, f.Received, w.b[:w.i]
	}
	w := begin(b)
	at := len(b)
	w.i += copy(w.b[w.i:], e.common)
	w.rest(f)
	return w.frame(at)
}

// begin makes room for a flow behind b, with a byte for a length below 128, the
// usual case.
func begin(b []byte) writer {
	b = slices.Grow(b, maxFlowSize)
	return writer{b: b[:cap(b)], i: len(b) + 1}
}

// exporter writes what all flows of a datagram have in common.
func (w *writer) exporter(f *Flow) {
	w.small(fieldType, uint64(f.Exporter.Type))
	w.small(fieldSampling, uint64(f.Exporter.Sampling))
	w.small(fieldSequence, uint64(f.Exporter.Sequence))
	w.addr(fieldSampler, f.Exporter.Addr)
	w.large(fieldDomain, uint64(f.Exporter.Domain))
	w.large(fieldReceived, uint64(f.Received))
}

func (w *writer) rest(f *Flow) {
	w.addr(fieldSrcAddr, f.Src.Addr)
	w.addr(fieldDstAddr, f.Dst.Addr)
	w.small(fieldBytes, f.Src.Bytes)
	w.small(fieldPackets, f.Src.Packets)
	w.small(fieldSrcAS, uint64(f.Src.AS))
	w.small(fieldDstAS, uint64(f.Dst.AS))
	w.large(fieldSrcNet, uint64(f.Src.Mask))
	w.large(fieldDstNet, uint64(f.Dst.Mask))
	w.large(fieldInIf, uint64(f.Src.Interface))
	w.large(fieldOutIf, uint64(f.Dst.Interface))
	w.large(fieldProto, uint64(f.Proto))
	w.large(fieldSrcPort, uint64(f.Src.Port))
	w.large(fieldDstPort, uint64(f.Dst.Port))
	w.large(fieldTOS, uint64(f.TOS))
	w.large(fieldForward, uint64(f.Forward))
	w.large(fieldTTL, uint64(f.TTL))
	w.large(fieldTCPFlags, uint64(f.Src.TCPFlags))
	w.large(fieldEtype, etherType(f.Src.Addr))
	w.large(fieldICMPType, uint64(f.ICMPType))
	w.large(fieldICMPCode, uint64(f.ICMPCode))
	w.large(fieldSrcVLAN, uint64(f.Src.VLAN))
	w.large(fieldDstVLAN, uint64(f.Dst.VLAN))
	w.large(fieldFlowStart, uint64(f.Start))
	w.large(fieldFlowEnd, uint64(f.End))
	w.ours(f)
}

func etherType(a netip.Addr) uint64 {
	switch {
	case a.Is4():
		return etherIPv4
	case a.Is6():
		return etherIPv6
	}
	return 0
}

// writer fills b from i on; there is always room, see maxFlowSize.
type writer struct {
	b []byte
	i int
}

// small writes a varint field whose number is below 16. Zero is left out.
func (w *writer) small(field uint8, v uint64) {
	if v == 0 {
		return
	}
	w.b[w.i] = field<<3 | wireVarint
	w.i++
	w.varint(v)
}

// large writes a varint field whose number is 16 to 2047. Zero is left out: most
// fields of most flows are, so that much is inlined.
func (w *writer) large(field uint16, v uint64) {
	if v != 0 {
		w.set(field, v)
	}
}

func (w *writer) set(field uint16, v uint64) {
	tag := field<<3 | wireVarint
	w.b[w.i], w.b[w.i+1] = byte(tag)|0x80, byte(tag>>7)
	w.i += 2
	w.varint(v)
}

func (w *writer) varint(v uint64) {
	b, i := w.b, w.i
	for v >= 0x80 {
		b[i] = byte(v) | 0x80
		v >>= 7
		i++
	}
	b[i] = byte(v)
	w.i = i + 1
}

// addr writes an address field whose number is below 16. The zero Addr is left out.
func (w *writer) addr(field uint8, a netip.Addr) {
	switch {
	case a.Is4():
		v := a.As4()
		w.b[w.i], w.b[w.i+1] = field<<3|wireBytes, 4
		copy(w.b[w.i+2:], v[:])
		w.i += 6
	case a.IsValid():
		v := a.As16()
		w.b[w.i], w.b[w.i+1] = field<<3|wireBytes, 16
		copy(w.b[w.i+2:], v[:])
		w.i += 18
	}
}

// ours writes the fields that goflow2 does not have.
func (w *writer) ours(f *Flow) {
	if f.Dst.Packets|f.Dst.Bytes|uint64(f.Dst.TCPFlags) != 0 {
		w.large(fieldReverseBytes, f.Dst.Bytes)
		w.large(fieldReversePackets, f.Dst.Packets)
		w.large(fieldReverseFlags, uint64(f.Dst.TCPFlags))
	}
	w.large(fieldInitiator, uint64(f.Initiator))
	w.large(fieldOrientation, uint64(f.Orientation))
	if f.Swapped {
		w.large(fieldSwapped, 1)
	}
	w.large(fieldEndReason, uint64(f.EndReason))
	w.large(fieldEvent, uint64(f.Event))
	w.large(fieldSrcCountry, f.Src.Country.number())
	w.large(fieldDstCountry, f.Dst.Country.number())
	w.large(fieldHints, uint64(f.Hints))
}

// frame writes the length of what stands behind the byte kept free at `at`.
func (w *writer) frame(at int) []byte {
	n := w.i - at - 1
	if n < 0x80 {
		w.b[at] = byte(n)
		return w.b[:w.i]
	}
	copy(w.b[at+2:w.i+1], w.b[at+1:w.i])
	w.b[at], w.b[at+1] = byte(n)|0x80, byte(n>>7)
	return w.b[:w.i+1]
}
