// Package orient says who started a flow, and turns it round where the exporter
// took the answering side for the source.
//
// Four rules are asked in turn: the exporter's word (orient.go) and TCP flags (flags.go), the
// reverse record of the same conversation (reverse.go), the list of service ports
// (orient.go). Two more eyes look at what passes: servercall.go marks what a server
// opens to a client that asked for it, and learner.go proposes ports that behave like
// services. Ingest runs all of it before a flow is given to its source's partition;
// detection takes from here the list of ports and no more.
package orient

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// ServicePorts is the list of the VAST 2013 rule plus 443: ports from which a
// record more likely answers than asks.
var ServicePorts = [...]uint16{20, 21, 25, 53, 80, 123, 137, 138, 389, 443, 1900, 1984, 3389, 5355}

// lastWellKnown is the highest port that ordinary clients do not dial from (RFC 6335: system ports).
const lastWellKnown = 1023

// Flow decides from the record alone who started f, and turns it round where
// the source is the answering side. It reports false when no rule answered.
// Orienting twice changes nothing.
//
// The rules and their order are those of the seed systems: what the exporter
// says (unless TCP flags deny it), then TCP flags, then (in Pairing) the reverse record, then well-known
// service ports.
func Flow(f *schema.Flow, services []uint16) bool {
	if f.Orientation != schema.OrientNone {
		return true
	}
	return byExporter(f, new(uint64)) || byFlags(f) || byType(f) || byService(f, services)
}

// byExporter takes the exporter's word, but where it says no more than who sent at all, and
// where the flags of both sides say the contrary. What is contradicted is counted.
func byExporter(f *schema.Flow, denied *uint64) bool {
	switch {
	case f.Initiator == schema.InitiatorSrc && saysNothing(f, denied):
		return false
	case f.Initiator == schema.InitiatorSrc:
	case f.Initiator == schema.InitiatorDst:
		f.Swap()
	default:
		return false
	}
	f.Orientation = schema.OrientExporter
	if flagsDeny(f) {
		*denied++
		f.Swap()
		f.Orientation = schema.OrientFlags
	}
	return true
}

// byType: the type of an ICMP message says who answers (RFC 792, RFC 950, RFC 4443).
func byType(f *schema.Flow) bool {
	switch {
	case f.Proto == schema.ICMP && (f.ICMPType == 0 || f.ICMPType == 14 || f.ICMPType == 16 || f.ICMPType == 18):
	case f.Proto == schema.ICMPv6 && f.ICMPType == 129:
	default:
		return false
	}
	f.Swap()
	f.Orientation = schema.OrientFlags
	return true
}

// dhcpAnswer: servers of DHCP answer to a port of their clients' own, who asked by
// broadcast and often without an address (RFC 2131 section 4.1, RFC 8415 section 7.2).
func dhcpAnswer(f *schema.Flow) bool {
	return f.Proto == schema.UDP && (f.Src.Port == 67 && f.Dst.Port == 68 || f.Src.Port == 547 && f.Dst.Port == 546)
}

// byService is the VAST rule: from a service port to an unlisted port above
// 1024 means that the record was turned round. Never for a SYN alone.
func byService(f *schema.Flow, services []uint16) bool {
	if !FromService(f, services) && !dhcpAnswer(f) {
		return false
	}
	turnToService(f)
	return true
}

func turnToService(f *schema.Flow) {
	f.Swap()
	f.Orientation = schema.OrientService
}

// FromService reports whether f goes from a service port to an unlisted port
// above 1024, as an answer does.
func FromService(f *schema.Flow, services []uint16) bool {
	return mayAnswer(f) && slices.Contains(services, f.Src.Port) && !slices.Contains(services, f.Dst.Port)
}

// mayAnswer is what FromService asks besides the list.
func mayAnswer(f *schema.Flow) bool {
	return f.Dst.Port > 1024 && schema.HasPorts(f.Proto) && (f.Proto != schema.TCP || sideOf(&f.Src) != schema.SYN)
}

// BothServices reports whether both ports are in the list: the rule of service
// ports cannot tell who asked.
func BothServices(f *schema.Flow, services []uint16) bool {
	return slices.Contains(services, f.Src.Port) && slices.Contains(services, f.Dst.Port)
}
