package netflow

import "encoding/binary"

// A port on which flows are expected hears other things too: DNS and TFTP that are recorded with them, STUN, a
// client that guessed wrong. Their first two bytes are an id or an opcode, and five of 65,536 ids are a
// version of ours. So a datagram is believed only if it is as long as its header says: count and length
// of v1, v5 and v7, the lengths of the sets of v9, that of the message and of the sets of IPFIX.
//
// Exporters that say the wrong length are met, too (counts that lie, several PDUs in one datagram,
// recordings that were cut). They are believed if they are dated, and what they hold looks like flows.

// undated is a time at which nobody exports, in seconds since 1970: where we have a time, a DNS message
// has two of its counts (RFC 1035, section 4.1.1), of which the upper one is below 256.
const undated = 1 << 24

// pduFits reports whether b, a datagram of v1, v5 or v7 with its header, is one: records of so many bytes,
// and at most so many of them, unless the length fits all the same (softflowd sends 29 of v1).
func pduFits(b []byte, header, record, most int) bool {
	claimed, body := int(binary.BigEndian.Uint16(b[2:])), b[header:]
	if len(body) == claimed*record {
		return !text(b[4:]) // a TFTP error may be as long by chance
	}
	whole, rest := len(body)/record, len(body)%record
	if binary.BigEndian.Uint32(b[8:]) < undated || claimed > most && (rest != 0 || whole > most) {
		return false
	}
	if whole == most && rest == 0 {
		return true // the count lies, but the datagram is full
	}
	if !likely(b, header, record) {
		return false
	}
	if claimed > whole {
		return whole > 0
	}
	behind := body[claimed*record:]
	another := len(behind) > header && binary.BigEndian.Uint16(behind) == binary.BigEndian.Uint16(b)
	return another || zero(behind) || rest == 0 || claimed > 0 && len(behind) < header
}

// text reports whether b is printable up to the zeros at its end.
func text(b []byte) bool {
	for i, c := range b {
		if c < ' ' || c > '~' {
			return i > 0 && zero(b[i:])
		}
	}
	return len(b) > 0
}

// likely reports whether the records that b holds, of as many as it says, could be of flows: packets have at
// least a header of IP and at most 65,535 bytes, and the first of them came before the last.
func likely(b []byte, header, record int) bool {
	up := binary.BigEndian.Uint32(b[4:])
	n := min(int(binary.BigEndian.Uint16(b[2:])), (len(b)-header)/record)
	for r := b[header:]; n > 0; n, r = n-1, r[record:] {
		packets, octets := uint64(binary.BigEndian.Uint32(r[16:])), uint64(binary.BigEndian.Uint32(r[20:]))
		first, last := binary.BigEndian.Uint32(r[24:]), binary.BigEndian.Uint32(r[28:])
		if packets == 0 || octets < 20*packets || octets > 65535*packets || int32(last-first) < 0 || up-last > 1<<32-1-ahead && last-up > ahead {
			return false
		}
	}
	return true
}

// v1Size returns the length of the records of a v1 datagram, of which there are two kinds, 0 if
// it is none.
func v1Size(b []byte) int {
	claimed, body := int(binary.BigEndian.Uint16(b[2:])), len(b)-v1Header
	for _, fits := range [...]func(size int) bool{
		func(size int) bool { return body == claimed*size },
		func(size int) bool { return body%size == 0 },
		func(int) bool { return true },
	} {
		for _, size := range [...]int{v1Record, v1Padded} {
			if fits(size) && pduFits(b, v1Header, size, v1Most) {
				return size
			}
		}
	}
	return 0
}

// v9Fits reports whether b, a datagram with its header, is of v9.
func v9Fits(b []byte) bool {
	const header = 20
	if setsFit(versionV9, b[header:]) {
		return true
	}
	// Vendors disagree on what is counted, but whatever it is has bytes.
	return binary.BigEndian.Uint32(b[8:]) >= undated && int(binary.BigEndian.Uint16(b[2:])) <= len(b) || templateFits(versionV9, b[header:])
}

// templateFits reports whether b begins with a set that is a template: whoever sends it is an exporter,
// even one that has no clock and counts wrong.
func templateFits(version uint16, b []byte) bool {
	if len(b) < setHeader+4 {
		return false
	}
	id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	of, fields := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	return id < firstData && meansSomething(version, id) && length <= len(b) && of >= firstData && fields > 0 && setHeader+4+4*fields <= length
}

// ipfixFits reports whether b, a datagram with its header, is of IPFIX.
func ipfixFits(b []byte) bool {
	const header = 16
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length == len(b) && setsFit(versionIPFIX, b[header:]) {
		return true
	}
	return binary.BigEndian.Uint32(b[4:]) >= undated || templateFits(versionIPFIX, b[header:])
}

// setsFit reports whether sets fill b, up to padding, and the first has an id that means something.
func setsFit(version uint16, b []byte) bool {
	for first := true; !zero(b); first = false {
		if len(b) < setHeader {
			return false
		}
		id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if length < setHeader || length > len(b) || first && !meansSomething(version, id) {
			return false
		}
		b = b[length:]
	}
	return true
}

func meansSomething(version, id uint16) bool {
	if version == versionV9 {
		return id <= setOptionsV9 || id >= firstData
	}
	return id == setTemplateIPFIX || id == setOptionsIPFIX || id >= firstData
}
