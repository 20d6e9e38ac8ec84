package schema

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Nearly all that is read was written by AppendFlow, whose fields stand in one order. The fast
// way asks for one after another whether it stands here, and if so takes tag and value from one
// load. It never looks where the message ends: if it has followed each step, it has come to just
// that place. Else something stood there that AppendFlow does not write, or the message is
// broken, and the careful way (parse) reads it from its beginning.

// windowSize is how long a message may be. It is a power of two, so that a place that is
// masked by it lies within the window, and no load has to be checked.
const windowSize = 256

// window is a message and what stands behind it.
type window [windowSize + 8]byte

func (p *window) word(i int) uint64 { return binary.LittleEndian.Uint64(p[i&(windowSize-1):]) }

// beyond is the place that a number leads to which has no end: no message ends there.
const beyond = windowSize + 1

// upTo2 reads a varint of one byte or two at the beginning of x, which stands at i, and returns where
// it ends. Lengths that seldom change are foreseen: nobody waits for these branches.
func upTo2(x uint64, i int) (uint64, int) {
	switch {
	case x&0x80 == 0:
		return x & 0x7f, i + 1
	case x&0x8000 == 0:
		return x&0x7f | x>>1&0x3f80, i + 2
	}
	return 0, i + beyond
}

// upTo3 is that for ports, and for what is as long.
func upTo3(x uint64, i int) (uint64, int) {
	switch {
	case x&0x80 == 0:
		return x & 0x7f, i + 1
	case x&0x8000 == 0:
		return x&0x7f | x>>1&0x3f80, i + 2
	case x&0x800000 == 0:
		return x&0x7f | x>>1&0x3f80 | x>>2&0x1fc000, i + 3
	}
	return 0, i + beyond
}

// upTo6 is that for numbers of any length, without a branch on it.
func upTo6(x uint64, i int) (uint64, int) {
	stop := ^x & 0x808080808080
	if stop == 0 {
		return 0, i + beyond
	}
	return squeeze(x & (stop ^ (stop - 1))), i + bits.TrailingZeros64(stop)/8 + 1
}

// instant reads a time of 9 bytes at i: one between 1972 and 2262.
func (p *window) instant(i int) (Time, int) {
	x, last := p.word(i), p[(i+8)&(windowSize-1)]
	if ^x&0x8080808080808080 != 0 || last >= 0x80 {
		i += beyond
	}
	return Time(squeeze(x) | uint64(last)<<56), i + 9
}

// The tags of fields from 16 on as they stand in a message: two bytes, the first one the lower.
const (
	tagDomain         = fieldDomain<<3&0x7f | 0x80 | fieldDomain>>4<<8
	tagReceived       = fieldReceived<<3&0x7f | 0x80 | fieldReceived>>4<<8
	tagSrcNet         = fieldSrcNet<<3&0x7f | 0x80 | fieldSrcNet>>4<<8
	tagDstNet         = fieldDstNet<<3&0x7f | 0x80 | fieldDstNet>>4<<8
	tagInIf           = fieldInIf<<3&0x7f | 0x80 | fieldInIf>>4<<8
	tagOutIf          = fieldOutIf<<3&0x7f | 0x80 | fieldOutIf>>4<<8
	tagProto          = fieldProto<<3&0x7f | 0x80 | fieldProto>>4<<8
	tagSrcPort        = fieldSrcPort<<3&0x7f | 0x80 | fieldSrcPort>>4<<8
	tagDstPort        = fieldDstPort<<3&0x7f | 0x80 | fieldDstPort>>4<<8
	tagTOS            = fieldTOS<<3&0x7f | 0x80 | fieldTOS>>4<<8
	tagForward        = fieldForward<<3&0x7f | 0x80 | fieldForward>>4<<8
	tagTTL            = fieldTTL<<3&0x7f | 0x80 | fieldTTL>>4<<8
	tagTCPFlags       = fieldTCPFlags<<3&0x7f | 0x80 | fieldTCPFlags>>4<<8
	tagEtype          = fieldEtype<<3&0x7f | 0x80 | fieldEtype>>4<<8
	tagICMPType       = fieldICMPType<<3&0x7f | 0x80 | fieldICMPType>>4<<8
	tagICMPCode       = fieldICMPCode<<3&0x7f | 0x80 | fieldICMPCode>>4<<8
	tagSrcVLAN        = fieldSrcVLAN<<3&0x7f | 0x80 | fieldSrcVLAN>>4<<8
	tagDstVLAN        = fieldDstVLAN<<3&0x7f | 0x80 | fieldDstVLAN>>4<<8
	tagFlowStart      = fieldFlowStart<<3&0x7f | 0x80 | fieldFlowStart>>4<<8
	tagFlowEnd        = fieldFlowEnd<<3&0x7f | 0x80 | fieldFlowEnd>>4<<8
	tagReverseBytes   = fieldReverseBytes<<3&0x7f | 0x80 | fieldReverseBytes>>4<<8
	tagReversePackets = fieldReversePackets<<3&0x7f | 0x80 | fieldReversePackets>>4<<8
	tagReverseFlags   = fieldReverseFlags<<3&0x7f | 0x80 | fieldReverseFlags>>4<<8
	tagInitiator      = fieldInitiator<<3&0x7f | 0x80 | fieldInitiator>>4<<8
	tagOrientation    = fieldOrientation<<3&0x7f | 0x80 | fieldOrientation>>4<<8
	tagSwapped        = fieldSwapped<<3&0x7f | 0x80 | fieldSwapped>>4<<8
	tagEndReason      = fieldEndReason<<3&0x7f | 0x80 | fieldEndReason>>4<<8
	tagEvent          = fieldEvent<<3&0x7f | 0x80 | fieldEvent>>4<<8
	tagSrcCountry     = fieldSrcCountry<<3&0x7f | 0x80 | fieldSrcCountry>>4<<8
	tagDstCountry     = fieldDstCountry<<3&0x7f | 0x80 | fieldDstCountry>>4<<8
	tagHints          = fieldHints<<3&0x7f | 0x80 | fieldHints>>4<<8
	tagUntold         = fieldUntold<<3&0x7f | 0x80 | fieldUntold>>4<<8
	tagNATEvent       = fieldNATEvent<<3&0x7f | 0x80 | fieldNATEvent>>4<<8
	tagEventReason    = fieldEventReason<<3&0x7f | 0x80 | fieldEventReason>>4<<8
)

// fast reads the message that is the first size bytes of b into f, which is zero. It reports false
// unless the message is one that AppendFlow could have written; then f holds anything.
func (f *Flow) fast(b []byte, size int) bool {
	switch {
	case size > windowSize:
		return false
	case len(b) < len(window{}): // the last of a record
		var w window
		copy(w[:], b[:size])
		return f.follow(&w, size)
	}
	return f.follow((*window)(b), size)
}

func (f *Flow) follow(p *window, size int) bool {
	i := f.fastExporter(p)
	i = f.fastSides(p, i)
	i = f.fastRest(p, i)
	if i != size {
		i = f.fastOurs(p, i)
	}
	return i == size
}

func (f *Flow) fastExporter(p *window) (i int) {
	var v uint64
	x := p.word(0)
	if uint8(x) == fieldType<<3 {
		v, i = upTo2(x>>8, i+1)
		f.Exporter.Type = FlowType(v)
		x = p.word(i)
	}
	if uint8(x) == fieldSampling<<3 {
		v, i = upTo6(x>>8, i+1)
		f.Exporter.Sampling = uint32(v)
		x = p.word(i)
	}
	if uint8(x) == fieldSequence<<3 {
		v, i = upTo6(x>>8, i+1)
		f.Exporter.Sequence = uint32(v)
		x = p.word(i)
	}
	if uint8(x) == fieldSampler<<3|wireBytes {
		f.Exporter.Addr, i = p.addr(x, i)
		x = p.word(i)
	}
	if uint16(x) == tagDomain {
		v, i = upTo6(x>>16, i+2)
		f.Exporter.Domain = uint32(v)
		x = p.word(i)
	}
	if uint16(x) == tagReceived {
		f.Received, i = p.instant(i + 2)
	}
	return i
}

// addr reads an address whose tag is at i.
func (p *window) addr(x uint64, i int) (netip.Addr, int) {
	switch uint8(x >> 8) {
	case 4:
		return netip.AddrFrom4([4]byte{byte(x >> 16), byte(x >> 24), byte(x >> 32), byte(x >> 40)}), i + 6
	case 16:
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:8], p.word(i+2))
		binary.LittleEndian.PutUint64(b[8:], p.word(i+10))
		return netip.AddrFrom16(b).Unmap(), i + 18
	}
	return netip.Addr{}, i + beyond
}

func (f *Flow) fastSides(p *window, i int) int {
	var v uint64
	x := p.word(i)
	if uint8(x) == fieldSrcAddr<<3|wireBytes {
		f.Src.Addr, i = p.addr(x, i)
		x = p.word(i)
	}
	if uint8(x) == fieldDstAddr<<3|wireBytes {
		f.Dst.Addr, i = p.addr(x, i)
		x = p.word(i)
	}
	if uint8(x) == fieldBytes<<3 {
		f.Src.Bytes, i = upTo6(x>>8, i+1)
		x = p.word(i)
	}
	if uint8(x) == fieldPackets<<3 {
		f.Src.Packets, i = upTo6(x>>8, i+1)
		x = p.word(i)
	}
	if uint8(x) == fieldSrcAS<<3 {
		v, i = upTo6(x>>8, i+1)
		f.Src.AS = uint32(v)
		x = p.word(i)
	}
	if uint8(x) == fieldDstAS<<3 {
		v, i = upTo6(x>>8, i+1)
		f.Dst.AS = uint32(v)
		x = p.word(i)
	}
	if uint16(x) == tagSrcNet {
		v, i = upTo2(x>>16, i+2)
		f.Src.Mask = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagDstNet {
		v, i = upTo2(x>>16, i+2)
		f.Dst.Mask = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagInIf {
		v, i = upTo6(x>>16, i+2)
		f.Src.Interface = uint32(v)
		x = p.word(i)
	}
	if uint16(x) == tagOutIf {
		v, i = upTo6(x>>16, i+2)
		f.Dst.Interface = uint32(v)
	}
	return i
}

// long: one step for each field, in the order in which they stand.
func (f *Flow) fastRest(p *window, i int) int {
	var v uint64
	x := p.word(i)
	if uint16(x) == tagProto {
		v, i = upTo2(x>>16, i+2)
		f.Proto = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagSrcPort {
		v, i = upTo3(x>>16, i+2)
		f.Src.Port = uint16(v)
		x = p.word(i)
	}
	if uint16(x) == tagDstPort {
		v, i = upTo3(x>>16, i+2)
		f.Dst.Port = uint16(v)
		x = p.word(i)
	}
	if uint16(x) == tagTOS {
		v, i = upTo2(x>>16, i+2)
		f.TOS = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagForward {
		v, i = upTo2(x>>16, i+2)
		f.Forward = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagTTL {
		v, i = upTo2(x>>16, i+2)
		f.TTL = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagTCPFlags {
		v, i = upTo2(x>>16, i+2)
		f.Src.TCPFlags = uint16(v)
		x = p.word(i)
	}
	if uint16(x) == tagEtype {
		_, i = upTo3(x>>16, i+2)
		x = p.word(i)
	}
	if uint16(x) == tagICMPType {
		v, i = upTo2(x>>16, i+2)
		f.ICMPType = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagICMPCode {
		v, i = upTo2(x>>16, i+2)
		f.ICMPCode = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagSrcVLAN {
		v, i = upTo2(x>>16, i+2)
		f.Src.VLAN = uint16(v)
		x = p.word(i)
	}
	if uint16(x) == tagDstVLAN {
		v, i = upTo2(x>>16, i+2)
		f.Dst.VLAN = uint16(v)
		x = p.word(i)
	}
	if uint16(x) == tagFlowStart {
		f.Start, i = p.instant(i + 2)
		x = p.word(i)
	}
	if uint16(x) == tagFlowEnd {
		f.End, i = p.instant(i + 2)
	}
	return i
}

// long: one step for each field, in the order in which they stand.
func (f *Flow) fastOurs(p *window, i int) int {
	var v uint64
	x := p.word(i)
	if uint16(x) == tagReverseBytes {
		f.Dst.Bytes, i = upTo6(x>>16, i+2)
		x = p.word(i)
	}
	if uint16(x) == tagReversePackets {
		f.Dst.Packets, i = upTo6(x>>16, i+2)
		x = p.word(i)
	}
	if uint16(x) == tagReverseFlags {
		v, i = upTo2(x>>16, i+2)
		f.Dst.TCPFlags = uint16(v)
		x = p.word(i)
	}
	if uint16(x) == tagInitiator {
		v, i = upTo2(x>>16, i+2)
		f.Initiator = Initiator(v)
		x = p.word(i)
	}
	if uint16(x) == tagOrientation {
		v, i = upTo2(x>>16, i+2)
		f.Orientation = Orientation(v)
		x = p.word(i)
	}
	if uint16(x) == tagSwapped {
		v, i = upTo2(x>>16, i+2)
		f.Swapped = v != 0
		x = p.word(i)
	}
	if uint16(x) == tagEndReason {
		v, i = upTo2(x>>16, i+2)
		f.EndReason = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagEvent {
		v, i = upTo2(x>>16, i+2)
		f.Event = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagSrcCountry {
		v, i = upTo6(x>>16, i+2)
		f.Src.Country = countryFrom(v)
		x = p.word(i)
	}
	if uint16(x) == tagDstCountry {
		v, i = upTo6(x>>16, i+2)
		f.Dst.Country = countryFrom(v)
		x = p.word(i)
	}
	if uint16(x) == tagHints {
		v, i = upTo2(x>>16, i+2)
		f.Hints = Hints(v)
		x = p.word(i)
	}
	if uint16(x) == tagUntold {
		v, i = upTo2(x>>16, i+2)
		f.Dst.Untold, f.Src.Untold = Untold(v)&untoldBits, Untold(v>>4)&untoldBits
		x = p.word(i)
	}
	if uint16(x) == tagNATEvent {
		v, i = upTo2(x>>16, i+2)
		f.NATEvent = uint8(v)
		x = p.word(i)
	}
	if uint16(x) == tagEventReason {
		v, i = upTo2(x>>16, i+2)
		f.EventReason = uint16(v)
	}
	return i
}
