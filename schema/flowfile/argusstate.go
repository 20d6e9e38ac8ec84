package flowfile

import (
	"bytes"

	"github.com/scanhound/scanhound/schema"
)

// argusFlags reads the State of a TCP connection: both sides' flags with a line
// between, as S_RA, or a word. Of a word it sets only what must have been sent:
// what a SYN answered, and no SYN where Argus does not know who began. Not known
// is a word that says nothing of flags.
func argusFlags(state []byte, sent, answered uint64, unsure bool) (src, dst uint16, known bool) {
	if left, right, ok := bytes.Cut(state, []byte("_")); ok {
		src, errSrc := parseFlags(left)
		dst, errDst := parseFlags(right)
		if errSrc == nil && errDst == nil {
			return src, dst, true
		}
		return 0, 0, false
	}
	if unsure { // it saw no SYN
		return within(schema.ACK, sent), within(schema.ACK, answered), true
	}
	switch string(state) {
	case "REQ", "INT":
		return schema.SYN, 0, true
	case "ACC":
		return schema.SYN, within(opened, answered), true
	case "EST", "CON", "FIN":
		return opened, within(opened, answered), true
	case "CLO":
		return finished, within(finished, answered), true
	case "TIM":
		if answered > 0 {
			return opened, opened, true
		}
		return schema.SYN, 0, true
	case "RST":
		switch {
		case answered == 0:
			return schema.SYN | schema.RST, 0, true
		case sent == 1 && answered == 1:
			return schema.SYN, refused, true
		}
		return opened, opened, true // who of them hung up is not told
	}
	return stateFlags(state) // some programs write Zeek's into Argus' columns
}

// within returns the flags of a side that has sent something.
func within(flags uint16, packets uint64) uint16 {
	if packets == 0 {
		return 0
	}
	return flags
}

// argusICMP reads type and code from the ports. In one port they stand as they
// lie in memory, code before type.
func argusICMP(sport, dport []byte) (kind, code uint8) {
	both, hex := hexadecimal(sport)
	if hex && len(sport) > len("0x00") {
		return uint8(both), uint8(both >> 8)
	}
	kind16, errKind := parsePort(sport)
	code16, errCode := parsePort(dport)
	if errKind != nil || kind16 > 255 {
		return 0, 0
	}
	if errCode != nil || code16 > 255 {
		code16 = 0
	}
	return uint8(kind16), uint8(code16)
}
