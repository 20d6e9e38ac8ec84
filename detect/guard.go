package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// guard names a reason to keep a flow silent. The guards stand in the order in
// which they are asked, and each counts what it kept silent.
type guard uint8

const (
	guardNone guard = iota
	// Of these a contact cannot be told.
	guardNoAddress   // a record without both addresses, such as a layer 2 one
	guardSameAddress // source and target are the same
	guardMulticast   // multicast and broadcast: mDNS, SSDP, LLMNR chatter

	guardNATEvent // a translation was made or removed: that is no flow
	guardEvent    // a flow was created, or goes on: how it ends is told when it does
	guardNoPort   // fragments, host pairs: there is no port to be scanned

	guardUndecided     // no rule said who started it, and it looks like an answer
	guardServicePeers  // nor here, both ports being the same service: NTP peers, NetBIOS, resolvers
	guardICMPReply     // ICMP errors and echo replies answer somebody
	guardBackscatter   // a lone SYN+ACK answers somebody, or a spoofed address
	guardServiceAnswer // turned round by its ports alone: more likely an answer than a probe
	guardSameTarget    // the same target again: it failed before and counts once
	guardGoodBefore    // the target was good for this source within 7 days
	guardOutage        // the targets are down: they fail for others too
	guardFallback      // the client got the same service elsewhere within seconds
	guardCutOff        // nothing that the source asks outside succeeds
	guardPeerToPeer    // one socket, and each peer on a port of its own
	guardElsewhere     // what fails on a host works on others
	guardNamed         // the host's own service named the ports
	guardOneWay        // the exporter shows no answers: silence is faint evidence
	guardDiscovery     // printers and scanners of our own are looked for, computers woken
	guardPing          // nearly all that it pings answer: it watches what is there
	guardServerCall    // the target had just opened a session that is answered so
	guardKeepAlive     // a service's lone ACK or FIN to a client: its session is older
	guardTraceroute
	guardFlood // many packets to one target are no probe
	guardException
	guardCount
)

// guards are in that order. What leaves is no contact at all; any other
// flow is counted as one that is not a failed target, and kept in mind.
var guards = [guardCount]struct {
	name   string
	leaves bool
}{
	guardNoAddress:     {"no_address", true},
	guardSameAddress:   {"same_address", true},
	guardMulticast:     {"multicast", true},
	guardNATEvent:      {"nat_event", true},
	guardEvent:         {"flow_event", true},
	guardNoPort:        {"no_port", true},
	guardUndecided:     {"undecided", true},
	guardServicePeers:  {"service_peers", true},
	guardICMPReply:     {"icmp_reply", true},
	guardBackscatter:   {"backscatter", false},
	guardServiceAnswer: {"service_answer", false},
	guardSameTarget:    {"same_target", false},
	guardGoodBefore:    {"good_before", false},
	guardOutage:        {"outage", false},          // crossings, not flows
	guardFallback:      {"fallback", false},        // crossings
	guardCutOff:        {"cut_off", false},         // crossings
	guardPeerToPeer:    {"peer_to_peer", false},    // crossings
	guardElsewhere:     {"works_elsewhere", false}, // crossings
	guardNamed:         {"named_ports", false},     // crossings
	guardOneWay:        {"one_way", false},
	guardDiscovery:     {"discovery", false},
	guardPing:          {"ping_monitor", false}, // crossings
	guardServerCall:    {"server_call", false},
	guardKeepAlive:     {"keep_alive", true},
	guardTraceroute:    {"traceroute", true},
	guardFlood:         {"flood", false},
	guardException:     {"exception", false},
}

// guardFlow returns the guard that keeps f out of the counts, or guardNone.
func guardFlow(f *schema.Flow) guard {
	switch {
	case !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() || f.Src.Addr.IsUnspecified() && f.Dst.Addr.IsUnspecified():
		return guardNoAddress
	case f.Src.Addr == f.Dst.Addr:
		return guardSameAddress
	case f.Dst.Addr.IsMulticast() || f.Dst.Addr == broadcast:
		return guardMulticast
	case isTranslation(f):
		return guardNATEvent
	case saysNothing(f):
		return guardEvent
	case hasNoPort(f):
		return guardNoPort
	case undecided(f):
		return guardUndecided
	case servicePeers(f):
		return guardServicePeers
	case icmpReply(f):
		return guardICMPReply
	case keepAlive(f):
		return guardKeepAlive
	case traceroute(f):
		return guardTraceroute
	}
	return guardNone
}

// guardContact returns the guard that keeps a flow from being a failed target while it
// counts as a contact, or guardNone.
func (n *network) guardContact(f *schema.Flow, at *lookup, t schema.Time, o outcome) guard {
	switch {
	case f.Orientation == schema.OrientService && n.serviceAnswer(f, o):
		return guardServiceAnswer
	case !o.isProbe():
		return guardTouched(f, o)
	case n.wasGood(at.key, at.hash):
		return guardGoodBefore
	case n.discovery(f):
		return guardDiscovery
	case f.Hints&schema.HintServerCall != 0:
		return guardServerCall
	case len(n.exceptions) > 0 && n.excepted(f, t):
		return guardException
	}
	return guardNone
}

// guardTouched names what outcomeOf read as touched and no more.
func guardTouched(f *schema.Flow, o outcome) guard {
	switch {
	case o != touched:
	case backscatter(f):
		return guardBackscatter
	case flood(f):
		return guardFlood
	}
	return guardNone
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// icmpReply: everything in ICMP that is not a request of RFC 792, 950 or 4443, nor a reply
// to one that was turned round and so is its answer.
func icmpReply(f *schema.Flow) bool {
	switch f.Proto {
	case schema.ICMP:
		switch f.ICMPType {
		case 8, 13, 15, 17: // echo, timestamp, information, address mask
			return false
		case 0, 14, 16, 18:
			return f.Orientation == schema.OrientNone
		}
		return true
	case schema.ICMPv6:
		return f.ICMPType != 128 && (f.ICMPType != 129 || f.Orientation == schema.OrientNone)
	}
	return false
}

// servicePeers: a flagless flow from a service port to the same port, with no
// word of who started it. An NTP server answering its pool looks like this, and a DHCP
// server answering relays (RFC 2131 section 4.1, RFC 8415 section 7.2).
func servicePeers(f *schema.Flow) bool {
	if f.Orientation != schema.OrientNone || f.Proto == schema.TCP || f.Src.Port != f.Dst.Port {
		return false
	}
	switch f.Src.Port {
	case 67, 547:
		return true
	}
	return slices.Contains(orient.ServicePorts[:], f.Src.Port)
}

// serviceAnswer: what was turned round by its ports alone accuses nobody, neither
// as it is now nor as it came.
func (n *network) serviceAnswer(f *schema.Flow, o outcome) bool {
	came := *f
	came.Swap()
	return o.isProbe() || outcomeOf(&came, n.knowsFlags(f)).isProbe()
}

// backscatter: of a conversation only a SYN+ACK, by which no session began. Whoever
// it answers asked under that address, or somebody else did.
func backscatter(f *schema.Flow) bool {
	return f.Proto == schema.TCP && !sent(&f.Src) && f.Dst.Control() == schema.SYN|schema.ACK
}

// flood: more packets to one target, unanswered, than anybody probes it with.
func flood(f *schema.Flow) bool {
	switch {
	case sent(&f.Dst) || f.Exporter.Sampling > 1:
		return false
	case f.Proto == schema.TCP:
		return f.Src.Control() == schema.SYN && f.Src.Packets > maxProbePackets
	}
	return f.Src.Packets > maxSilent
}

// keepAlive: a lone ACK or FIN+ACK, or the RST of one, from a service's side to a
// client's port, whatever the exporter says of direction. An idle session has been open
// for longer than anybody remembers, and the client's half may be exported elsewhere.
func keepAlive(f *schema.Flow) bool {
	if f.Proto != schema.TCP || sent(&f.Dst) || f.Dst.TCPFlags != 0 || f.Src.Packets > maxSilent {
		return false
	}
	switch f.Src.Control() &^ schema.PSH {
	case schema.ACK, schema.FIN | schema.ACK, schema.RST | schema.ACK, schema.FIN | schema.RST | schema.ACK:
		return orient.TowardsClient(f)
	}
	return false
}

// discovery: hosts of ours are asked for printers and scanners, as drivers do with each
// address of a network: WS-Discovery, mDNS, and BJNP on ports that IANA has for Canon. Or they
// are woken.
func (n *network) discovery(f *schema.Flow) bool {
	if f.Proto != schema.UDP || !n.isInternal(f.Src.Addr) || !n.isInternal(f.Dst.Addr) {
		return false
	}
	switch f.Dst.Port {
	case 3702, 5353, 8610, 8611, 8612:
		return true
	case 7, 9:
		return isMagic(&f.Src)
	}
	return false
}

// isMagic: each packet has the length of one that wakes a computer: 102 bytes, with a
// password 106 or 108 (AMD, "Magic Packet Technology", 1995). Nobody answers it who sleeps.
func isMagic(s *schema.Side) bool {
	const headers = 20 + 8
	for _, n := range [...]uint64{102, 106, 108} {
		if s.Packets > 0 && s.Bytes == s.Packets*(headers+n) {
			return true
		}
	}
	return false
}

// traceroute: UDP to the ports that its common implementations count upwards from,
// three packets to each as they send by default (traceroute(8), -q).
func traceroute(f *schema.Flow) bool {
	return f.Proto == schema.UDP && f.Dst.Port >= 33434 && f.Dst.Port <= 33600 && f.Src.Packets <= maxSilent
}

// undecided: a flagless flow from below the ephemeral ports to one of them is
// more likely a service's answer than a probe. Scanners send from ephemeral ports, and
// little: who is sent much on such a port has asked somebody for it, such as a group. Over
// TCP it takes an exporter that tells no flags: then idle sessions look so, in which now the one
// side asks and now the other.
func undecided(f *schema.Flow) bool {
	if !schema.HasPorts(f.Proto) || f.Dst.Port < orient.FirstEphemeral {
		return false
	}
	if f.Proto == schema.TCP {
		return f.Src.Port < orient.FirstEphemeral && isIdle(f)
	}
	return f.Orientation == schema.OrientNone && (f.Src.Port < orient.FirstEphemeral || f.Src.Packets > 0 && f.Src.Bytes >= f.Src.Packets*leastAnswer)
}

// isIdle: a few packets of an exporter that tells no flags, in which neither side said anything. Of a
// file it is not known whether it would.
func isIdle(f *schema.Flow) bool {
	return f.Exporter.Addr.IsValid() && f.Event == 0 && !denied(f) && f.Src.TCPFlags|f.Dst.TCPFlags == 0 &&
		f.Src.Packets+f.Dst.Packets > 0 && saidNothing(&f.Src) && saidNothing(&f.Dst)
}

// leastAnswer is the size of a datagram that is larger than what scanners send: Nmap's payloads and
// ZMap's have up to 150 bytes, an answer to a search over SSDP 250 to 500, one over WS-Discovery more.
const leastAnswer = 240
