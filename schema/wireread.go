package schema

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
)

// ReadFlow reads the first flow of b into f and returns how many bytes it took.
// With ErrFlow the count is right all the same; with ErrFrame it is len(b).
func ReadFlow(b []byte, f *Flow) (int, error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return len(b), ErrFrame
	}
	end := n + int(size)
	*f = Flow{}
	if !f.fast(b[n:], int(size)) {
		*f = Flow{}
		if err := f.parse(b[n:end]); err != nil {
			return end, err
		}
	}
	f.settle()
	return end, nil
}

// parse reads one message.
func (f *Flow) parse(b []byte) error {
	for len(b) > 0 {
		tag, n := uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w: truncated tag", ErrFlow)
		}
		b = b[n:]
		field, wire := tag>>3, tag&7
		switch wire {
		case wireVarint:
			v, n := uvarint(b)
			if n <= 0 {
				return fmt.Errorf("%w: truncated number in field %d", ErrFlow, field)
			}
			f.setNumber(field, v)
			b = b[n:]
		case wireBytes:
			size, n := uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return fmt.Errorf("%w: field %d runs past its end", ErrFlow, field)
			}
			if err := f.setBytes(field, b[n:n+int(size)]); err != nil {
				return err
			}
			b = b[n+int(size):]
		case wire64, wire32:
			n := 8
			if wire == wire32 {
				n = 4
			}
			if len(b) < n {
				return fmt.Errorf("%w: field %d runs past its end", ErrFlow, field)
			}
			b = b[n:]
		default:
			return fmt.Errorf("%w: wire type %d of field %d", ErrFlow, wire, field)
		}
	}
	return nil
}

// uvarint is binary.Uvarint with the lengths that occur most taken first: one
// byte, two, and the nine of a time in nanoseconds.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if len(b) >= 10 {
		if b[1] < 0x80 {
			return uint64(b[0]&0x7f) | uint64(b[1])<<7, 2
		}
		if x := binary.LittleEndian.Uint64(b); x&0x8080808080808080 != 0x8080808080808080 {
			n := bits.TrailingZeros64(^x&0x8080808080808080)/8 + 1
			return squeeze(x & (1<<(8*n) - 1)), n
		} else if b[8] < 0x80 {
			return squeeze(x) | uint64(b[8])<<56, 9
		}
	}
	return binary.Uvarint(b)
}

// squeeze takes the top bit out of each of the 8 bytes of x.
func squeeze(x uint64) uint64 {
	x &= 0x7f7f7f7f7f7f7f7f
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	return x&0x000000000fffffff | x&0x0fffffff00000000>>4
}

func (f *Flow) setBytes(field uint64, v []byte) error {
	var to *netip.Addr
	switch field {
	case fieldSrcAddr:
		to = &f.Src.Addr
	case fieldDstAddr:
		to = &f.Dst.Addr
	case fieldSampler:
		to = &f.Exporter.Addr
	default:
		return nil
	}
	switch len(v) {
	case 0:
	case 4:
		*to = netip.AddrFrom4([4]byte(v))
	case 16:
		*to = netip.AddrFrom16([16]byte(v)).Unmap()
	default:
		return fmt.Errorf("%w: address of %d bytes in field %d", ErrFlow, len(v), field)
	}
	return nil
}

func (f *Flow) setNumber(field, v uint64) {
	switch field {
	case fieldType:
		f.Exporter.Type = FlowType(v)
	case fieldSampling:
		f.Exporter.Sampling = uint32(v)
	case fieldSequence:
		f.Exporter.Sequence = uint32(v)
	case fieldBytes:
		f.Src.Bytes = v
	case fieldPackets:
		f.Src.Packets = v
	case fieldSrcAS:
		f.Src.AS = uint32(v)
	case fieldDstAS:
		f.Dst.AS = uint32(v)
	case fieldSrcNet:
		f.Src.Mask = uint8(v)
	case fieldDstNet:
		f.Dst.Mask = uint8(v)
	case fieldInIf:
		f.Src.Interface = uint32(v)
	case fieldOutIf:
		f.Dst.Interface = uint32(v)
	case fieldProto:
		f.Proto = uint8(v)
	case fieldSrcPort:
		f.Src.Port = uint16(v)
	case fieldDstPort:
		f.Dst.Port = uint16(v)
	case fieldTOS:
		f.TOS = uint8(v)
	case fieldForward:
		f.Forward = uint8(v)
	case fieldTTL:
		f.TTL = uint8(v)
	case fieldTCPFlags:
		f.Src.TCPFlags = uint16(v)
	case fieldICMPType:
		f.ICMPType = uint8(v)
	case fieldICMPCode:
		f.ICMPCode = uint8(v)
	case fieldSrcVLAN:
		f.Src.VLAN = uint16(v)
	case fieldDstVLAN:
		f.Dst.VLAN = uint16(v)
	case fieldDomain:
		f.Exporter.Domain = uint32(v)
	case fieldReceived:
		f.Received = Time(v)
	case fieldFlowStart:
		f.Start = Time(v)
	case fieldFlowEnd:
		f.End = Time(v)
	default:
		f.setOurs(field, v)
	}
}

func (f *Flow) setOurs(field, v uint64) {
	switch field {
	case fieldReverseBytes:
		f.Dst.Bytes = v
	case fieldReversePackets:
		f.Dst.Packets = v
	case fieldReverseFlags:
		f.Dst.TCPFlags = uint16(v)
	case fieldInitiator:
		f.Initiator = Initiator(v)
	case fieldOrientation:
		f.Orientation = Orientation(v)
	case fieldSwapped:
		f.Swapped = v != 0
	case fieldEndReason:
		f.EndReason = uint8(v)
	case fieldEvent:
		f.Event = uint8(v)
	case fieldSrcCountry:
		f.Src.Country = countryFrom(v)
	case fieldDstCountry:
		f.Dst.Country = countryFrom(v)
	case fieldHints:
		f.Hints = Hints(v)
	case fieldUntold:
		f.Dst.Untold, f.Src.Untold = Untold(v)&untoldBits, Untold(v>>4)&untoldBits
	case fieldNATEvent:
		f.NATEvent = uint8(v)
	case fieldEventReason:
		f.EventReason = uint16(v)
	}
}

// settle makes ports mean ports: goflow2 leaves type and code of an ICMP
// message in the destination port where the exporter put them there.
func (f *Flow) settle() {
	if HasPorts(f.Proto) {
		return
	}
	if (f.Proto == ICMP || f.Proto == ICMPv6) && f.ICMPType == 0 && f.ICMPCode == 0 {
		f.ICMPType, f.ICMPCode = uint8(f.Dst.Port>>8), uint8(f.Dst.Port)
	}
	f.Src.Port, f.Dst.Port = 0, 0
}
