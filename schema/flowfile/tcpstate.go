package flowfile

import "github.com/scanhound/scanhound/schema"

// What Zeek and Argus say of a TCP connection in a few letters, as the flags
// that they must have seen.

// What a side has sent that set up a connection.
const (
	opened   = schema.SYN | schema.ACK // who asked acknowledged the answer; who was asked, answered
	finished = opened | schema.FIN
	aborted  = opened | schema.RST
	refused  = schema.RST | schema.ACK
)

// historyFlags reads Zeek's history, capitals for orig. It has what happened
// once each, so a scan's lone SYN is "S", its refusal "Sr", its answer "Sh".
// What says nothing of flags (checksums, gaps, retransmissions, windows) is
// passed over.
func historyFlags(history []byte) (orig, resp uint16) {
	for _, c := range history {
		side := &resp
		if c >= 'A' && c <= 'Z' {
			side = &orig
		}
		switch c | 0x20 {
		case 's':
			*side |= schema.SYN
		case 'h':
			*side |= schema.SYN | schema.ACK
		case 'a', 'd': // data is never sent without an acknowledgement
			*side |= schema.ACK
		case 'f':
			*side |= schema.FIN
		case 'r':
			*side |= schema.RST
		case 'i': // both in one packet
			*side |= schema.FIN | schema.RST
		case 'q': // SYN with FIN or RST
			*side |= schema.SYN
		}
	}
	return orig, resp
}

// stateFlags reads Zeek's conn_state.
func stateFlags(state []byte) (orig, resp uint16, ok bool) {
	switch string(state) {
	case "S0":
		return schema.SYN, 0, true
	case "S1":
		return opened, opened, true
	case "SF":
		return finished, finished, true
	case "S2":
		return finished, opened, true
	case "S3":
		return opened, finished, true
	case "REJ":
		return schema.SYN, refused, true
	case "RSTO":
		return aborted, opened, true
	case "RSTR":
		return opened, aborted, true
	case "RSTOS0":
		return schema.SYN | schema.RST, 0, true
	case "RSTRH":
		return 0, aborted, true
	case "SH":
		return schema.SYN | schema.FIN, 0, true
	case "SHR":
		return 0, finished, true
	}
	return 0, 0, false
}
