package detect

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// ServicePorts is the list of the VAST 2013 rule plus 443: ports from which a
// record more likely answers than asks.
var ServicePorts = [...]uint16{20, 21, 25, 53, 80, 123, 137, 138, 389, 443, 1900, 1984, 3389, 5355}

// lastWellKnown is the highest port that ordinary clients do not dial from (RFC 6335: system ports).
const lastWellKnown = 1023

// Orient decides from the record alone who started f, and turns it round where
// the source is the answering side. It reports false when no rule answered.
// Orienting twice changes nothing.
//
// The rules and their order are those of the seed systems: what the exporter
// says, then TCP flags, then (in Pairing) the reverse record, then well-known
// service ports.
func Orient(f *schema.Flow, services []uint16) bool {
	if f.Orientation != schema.OrientNone {
		return true
	}
	return byExporter(f) || byFlags(f) || byService(f, services)
}

func byExporter(f *schema.Flow) bool {
	switch f.Initiator {
	case schema.InitiatorSrc:
	case schema.InitiatorDst:
		f.Swap()
	default:
		return false
	}
	f.Orientation = schema.OrientExporter
	return true
}

// byFlags reads the TCP flags of both sides. NetFlow ORs them over the flow, so
// an initiator's record of several packets has SYN and ACK too: SYN+ACK means
// the answering side only where it is a single packet.
func byFlags(f *schema.Flow) bool {
	if f.Proto != schema.TCP {
		return false
	}
	src := sideOf(f.Src)
	switch {
	case src.initiates():
	case src.answers(f.Src.Packets):
		if clientReset(f) {
			return false
		}
		f.Swap()
	case src == 0 && sideOf(f.Dst).initiates():
		f.Swap()
	default:
		return false
	}
	f.Orientation = schema.OrientFlags
	return true
}

// flags are the six classic TCP control bits of one side; ECE and CWR do not
// matter (nfdump's "flags S and not flags AFURP").
type flags uint8

func sideOf(s schema.Side) flags { return flags(s.TCPFlags & 0x3f) }

func (f flags) initiates() bool { return f&(schema.SYN|schema.ACK) == schema.SYN }

func (f flags) answers(packets uint64) bool {
	switch f {
	case schema.SYN | schema.ACK:
		return packets <= 1
	case schema.RST, schema.RST | schema.ACK:
		return true
	}
	return false
}

// firstEphemeral is where Linux begins to take clients' ports from
// (net.ipv4.ip_local_port_range); RFC 6335 begins later, at 49152.
const firstEphemeral = 32768

// clientReset reports whether a lone RST comes from the client's end: it leaves
// an ephemeral port towards a service, the way idle sessions are torn down.
func clientReset(f *schema.Flow) bool {
	return sideOf(f.Src)&schema.SYN == 0 &&
		(f.Src.Port > lastWellKnown && f.Dst.Port <= lastWellKnown ||
			f.Src.Port >= firstEphemeral && f.Dst.Port < firstEphemeral)
}

// byService is the VAST rule: from a service port to an unlisted port above
// 1024 means that the record was turned round. Never for a SYN alone.
func byService(f *schema.Flow, services []uint16) bool {
	if !FromService(f, services) {
		return false
	}
	f.Swap()
	f.Orientation = schema.OrientService
	return true
}

// FromService reports whether f goes from a service port to an unlisted port
// above 1024, as an answer does.
func FromService(f *schema.Flow, services []uint16) bool {
	if !schema.HasPorts(f.Proto) || f.Dst.Port <= 1024 {
		return false
	}
	if f.Proto == schema.TCP && sideOf(f.Src) == schema.SYN {
		return false
	}
	return slices.Contains(services, f.Src.Port) && !slices.Contains(services, f.Dst.Port)
}

// BothServices reports whether both ports are in the list: the rule of service
// ports cannot tell who asked.
func BothServices(f *schema.Flow, services []uint16) bool {
	return slices.Contains(services, f.Src.Port) && slices.Contains(services, f.Dst.Port)
}
