package schema

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// maxFlowSize bounds one encoded flow with its length: 44 tags of at most 2
// bytes, 3 addresses of 17, 6 varints of 64 bits and 32 of at most 32.
const maxFlowSize = 2 + 44*2 + 3*17 + 6*10 + 32*5

// pageSize is more than that, and a power of two: see page.
const pageSize = 512

// page is where a flow is written. A place in it is masked by its size, so that no store has to be
// checked; a word may be stored at each, and what it leaves behind the field is written over by the next.
type page [pageSize + 8]byte

const _ = uint(pageSize - maxFlowSize) // a flow has room

func (p *page) put(i int, word uint64) { binary.LittleEndian.PutUint64(p[i&(pageSize-1):], word) }

// AppendFlow appends the length and the message of f to b.
func AppendFlow(b []byte, f *Flow) []byte {
	p, at := room(&b, f)
	return p.frame(b, at, p.rest(p.exporter(at, f), f))
}

// FlowEncoder is AppendFlow for flows of which many in a row come from one
// datagram: what they have in common is encoded once. The zero value is ready.
type FlowEncoder struct {
	of       Exporter
	received Time
	common   page
	size     int // of common; 0: nothing yet
}

// Append appends the length and the message of f to b.
func (e *FlowEncoder) Append(b []byte, f *Flow) []byte {
	if f.Received != e.received || f.Exporter != e.of || e.size == 0 {
		e.of, e.received = f.Exporter, f.Received
		e.size = e.common.exporter(0, f)
	}
	p, at := room(&b, f)
	*(*[maxCommon]byte)(p[at:]) = [maxCommon]byte(e.common[:])
	return p.frame(b, at, p.rest(at+e.size, f))
}

// maxCommon bounds what exporter writes.
const maxCommon = 2 + 6 + 6 + 18 + 7 + 12

// room makes room for f behind b, and returns where its message begins: behind a length of one
// byte, or of two where the addresses are long.
func room(b *[]byte, f *Flow) (p *page, at int) {
	*b = slices.Grow(*b, len(page{}))
	n := len(*b)
	if at = 1; !f.Src.Addr.Is4() {
		at = 2
	}
	return (*page)((*b)[n : n+len(page{})]), at
}

// frame writes the length of what stands in p from at to end, and returns b with it.
func (p *page) frame(b []byte, at, end int) []byte {
	n := end - at
	if n < 0x80 {
		if at != 1 {
			copy(p[1:1+n], p[at:])
		}
		p[0] = byte(n)
		return b[:len(b)+1+n]
	}
	if at != 2 {
		copy(p[2:2+n], p[at:])
	}
	p[0], p[1] = byte(n)|0x80, byte(n>>7)
	return b[:len(b)+2+n]
}

// exporter writes what all flows of a datagram have in common.
func (p *page) exporter(i int, f *Flow) int {
	e := &f.Exporter
	if e.Type != 0 {
		i = p.low(i, fieldType<<3, uint64(e.Type))
	}
	if e.Sampling != 0 {
		i = p.low(i, fieldSampling<<3, uint64(e.Sampling))
	}
	if e.Sequence != 0 {
		i = p.low(i, fieldSequence<<3, uint64(e.Sequence))
	}
	i = p.addr(i, fieldSampler, e.Addr)
	if e.Domain != 0 {
		i = p.high(i, tagDomain, uint64(e.Domain))
	}
	return p.instant(i, tagReceived, f.Received)
}

// rest writes what a flow has for itself. Zero is left out.
func (p *page) rest(i int, f *Flow) int {
	i = p.addr(i, fieldSrcAddr, f.Src.Addr)
	i = p.addr(i, fieldDstAddr, f.Dst.Addr)
	if f.Src.Bytes != 0 {
		i = p.low(i, fieldBytes<<3, f.Src.Bytes)
	}
	if f.Src.Packets != 0 {
		i = p.low(i, fieldPackets<<3, f.Src.Packets)
	}
	i = p.route(i, f)
	i = p.small(i, tagProto, f.Proto)
	i = p.short(i, tagSrcPort, f.Src.Port)
	i = p.short(i, tagDstPort, f.Dst.Port)
	i = p.small(i, tagTOS, f.TOS)
	i = p.small(i, tagForward, f.Forward)
	i = p.small(i, tagTTL, f.TTL)
	i = p.short(i, tagTCPFlags, f.Src.TCPFlags)
	i = p.short(i, tagEtype, uint16(etherType(f.Src.Addr)))
	i = p.small(i, tagICMPType, f.ICMPType)
	i = p.small(i, tagICMPCode, f.ICMPCode)
	i = p.short(i, tagSrcVLAN, f.Src.VLAN)
	i = p.short(i, tagDstVLAN, f.Dst.VLAN)
	i = p.instant(i, tagFlowStart, f.Start)
	i = p.instant(i, tagFlowEnd, f.End)
	return p.ours(i, f)
}

// route writes what is known of how the packets went.
func (p *page) route(i int, f *Flow) int {
	if f.Src.AS != 0 {
		i = p.low(i, fieldSrcAS<<3, uint64(f.Src.AS))
	}
	if f.Dst.AS != 0 {
		i = p.low(i, fieldDstAS<<3, uint64(f.Dst.AS))
	}
	i = p.small(i, tagSrcNet, f.Src.Mask)
	i = p.small(i, tagDstNet, f.Dst.Mask)
	if f.Src.Interface != 0 {
		i = p.high(i, tagInIf, uint64(f.Src.Interface))
	}
	if f.Dst.Interface != 0 {
		i = p.high(i, tagOutIf, uint64(f.Dst.Interface))
	}
	return i
}

// ours writes the fields that goflow2 does not have.
func (p *page) ours(i int, f *Flow) int {
	if f.Dst.Packets|f.Dst.Bytes|uint64(f.Dst.TCPFlags) != 0 {
		if f.Dst.Bytes != 0 {
			i = p.high(i, tagReverseBytes, f.Dst.Bytes)
		}
		if f.Dst.Packets != 0 {
			i = p.high(i, tagReversePackets, f.Dst.Packets)
		}
		i = p.short(i, tagReverseFlags, f.Dst.TCPFlags)
	}
	i = p.small(i, tagInitiator, uint8(f.Initiator))
	i = p.small(i, tagOrientation, uint8(f.Orientation))
	if f.Swapped {
		i = p.small(i, tagSwapped, 1)
	}
	i = p.small(i, tagEndReason, f.EndReason)
	i = p.small(i, tagEvent, f.Event)
	i = p.short(i, tagSrcCountry, uint16(f.Src.Country.number()))
	i = p.short(i, tagDstCountry, uint16(f.Dst.Country.number()))
	i = p.small(i, tagHints, uint8(f.Hints))
	i = p.small(i, tagUntold, uint8(f.Dst.Untold&untoldBits|f.Src.Untold<<4))
	i = p.small(i, tagNATEvent, f.NATEvent)
	return p.short(i, tagEventReason, f.EventReason)
}

// untoldBits are those that a side may have.
const untoldBits = UntoldSent | UntoldPort

// small writes a number of 8 bits. Most fields of most flows are zero, and are left out.
func (p *page) small(i int, tag uint16, v uint8) int {
	if v == 0 {
		return i
	}
	if v < 0x80 {
		p.put(i, uint64(tag)|uint64(v)<<16)
		return i + 3
	}
	p.put(i, uint64(tag)|uint64(v)<<16|1<<24)
	return i + 4
}

// short writes a number of 16 bits.
func (p *page) short(i int, tag uint16, v uint16) int {
	if v == 0 {
		return i
	}
	return p.nonzero(i, tag, uint64(v))
}

func (p *page) nonzero(i int, tag uint16, x uint64) int {
	switch {
	case x < 0x80:
		p.put(i, uint64(tag)|x<<16)
		return i + 3
	case x < 0x4000:
		p.put(i, uint64(tag)|(x&0x7f|x<<1&0x7f00|0x80)<<16)
		return i + 4
	}
	p.put(i, uint64(tag)|(x&0x7f|x<<1&0x7f00|x<<2&0x30000|0x8080)<<16)
	return i + 5
}

// low writes a number, which is not zero, of a field below 16.
func (p *page) low(i int, tag uint8, v uint64) int {
	p.put(i, uint64(tag))
	return p.varint(i+1, v)
}

// high writes a number, which is not zero, of another field.
func (p *page) high(i int, tag uint16, v uint64) int {
	p.put(i, uint64(tag))
	return p.varint(i+2, v)
}

// varint writes v at i.
func (p *page) varint(i int, v uint64) int {
	if v < 0x80 {
		p[i&(pageSize-1)] = byte(v)
		return i + 1
	}
	n := (bits.Len64(v)*9 + 64) / 64
	if n <= 8 {
		p.put(i, spread(v)|0x8080808080808080&(1<<(8*(n-1))-1))
		return i + n
	}
	for v >= 0x80 {
		p[i&(pageSize-1)] = byte(v) | 0x80
		v >>= 7
		i++
	}
	p[i&(pageSize-1)] = byte(v)
	return i + 1
}

// spread is the reverse of squeeze.
func spread(x uint64) uint64 {
	x = x&0x000000000fffffff | x<<4&0x0fffffff00000000
	x = x&0x00003fff00003fff | x<<2&0x3fff00003fff0000
	return x&0x007f007f007f007f | x<<1&0x7f007f007f007f00
}

// instant writes a time. From 1972 to 2262 it has 9 bytes.
func (p *page) instant(i int, tag uint16, t Time) int {
	v := uint64(t)
	if v>>56-1 >= 0x7f {
		if v == 0 {
			return i
		}
		return p.high(i, tag, v)
	}
	p.put(i, uint64(tag))
	p.put(i+2, spread(v)|0x8080808080808080)
	p[(i+10)&(pageSize-1)] = byte(v >> 56)
	return i + 11
}

// addr writes an address of a field below 16. The zero Addr is left out.
func (p *page) addr(i int, field uint8, a netip.Addr) int {
	switch {
	case a.Is4():
		v := a.As4()
		p.put(i, uint64(field<<3|wireBytes)|4<<8|uint64(binary.LittleEndian.Uint32(v[:]))<<16)
		return i + 6
	case a.IsValid():
		v := a.As16()
		p.put(i, uint64(field<<3|wireBytes)|16<<8)
		p.put(i+2, binary.LittleEndian.Uint64(v[:8]))
		p.put(i+10, binary.LittleEndian.Uint64(v[8:]))
		return i + 18
	}
	return i
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
