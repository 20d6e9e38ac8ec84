package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// guard names a reason to keep a flow silent. The guards stand in the order in
// which they are asked, and each counts what it kept silent.
type guard uint8

const (
	guardNone guard = iota
	// Of these a contact cannot be told.
	guardNoAddress // a record without both addresses, such as a layer 2 one
	guardItself    // source and target are the same
	guardGroup     // multicast and broadcast: mDNS, SSDP, LLMNR chatter

	guardUndecided   // no rule said who started it, and it looks like an answer
	guardPeers       // nor here, both ports being the same service: NTP peers, NetBIOS, resolvers
	guardReply       // ICMP errors and echo replies answer somebody
	guardBackscatter // a lone SYN+ACK answers somebody, or a spoofed address
	guardService     // turned round by its ports alone: more likely an answer than a probe
	guardRepeat      // the same target again: it failed before and counts once
	guardGood        // the target was good for this source within 7 days
	guardOutage      // the targets are down: they fail for others too
	guardCallBack    // the target had just opened a session that is answered so
	guardTraceroute
	guardFlood // many packets to one target are no probe
	guardException
	guardCount
)

// guards are the rows in that order. What leaves is no contact at all; any other
// flow is counted as one that is not a failed target, and kept in mind.
var guards = [guardCount]struct {
	name   string
	leaves bool
}{
	guardNoAddress:   {"no_address", true},
	guardItself:      {"same_address", true},
	guardGroup:       {"multicast", true},
	guardUndecided:   {"undecided", true},
	guardPeers:       {"service_peers", true},
	guardReply:       {"icmp_reply", true},
	guardBackscatter: {"backscatter", false},
	guardService:     {"service_answer", false},
	guardRepeat:      {"same_target", false},
	guardGood:        {"good_before", false},
	guardOutage:      {"outage", false}, // crossings, not flows
	guardCallBack:    {"call_back", false},
	guardTraceroute:  {"traceroute", true},
	guardFlood:       {"flood", false},
	guardException:   {"exception", false},
}

// silence returns the guard that keeps f out of the counts, or guardNone.
func silence(f *schema.Flow) guard {
	switch {
	case !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() || f.Src.Addr.IsUnspecified() && f.Dst.Addr.IsUnspecified():
		return guardNoAddress
	case f.Src.Addr == f.Dst.Addr:
		return guardItself
	case f.Dst.Addr.IsMulticast() || f.Dst.Addr == broadcast:
		return guardGroup
	case undecided(f):
		return guardUndecided
	case servicePeers(f):
		return guardPeers
	case icmpReply(f):
		return guardReply
	case traceroute(f):
		return guardTraceroute
	}
	return guardNone
}

// spare returns the guard that keeps a flow from being a failed target while it
// counts as a contact, or guardNone.
func (d *Detector) spare(f *schema.Flow, at *lookup, t schema.Time, o outcome) guard {
	switch {
	case f.Orientation == schema.OrientService && d.serviceAnswer(f, o):
		return guardService
	case !o.isProbe():
		return spared(f, o)
	case d.wasGood(at.key, at.hash):
		return guardGood
	case f.Hints&schema.HintCallBack != 0:
		return guardCallBack
	case len(d.exceptions) > 0 && d.excepted(f, t):
		return guardException
	}
	return guardNone
}

// spared names what outcomeOf read as touched and no more.
func spared(f *schema.Flow, o outcome) guard {
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

// icmpReply: everything in ICMP that is not a request of RFC 792, 950 or 4443.
func icmpReply(f *schema.Flow) bool {
	switch f.Proto {
	case schema.ICMP:
		switch f.ICMPType {
		case 8, 13, 15, 17: // echo, timestamp, information, address mask
			return false
		}
		return true
	case schema.ICMPv6:
		return f.ICMPType != 128
	}
	return false
}

// servicePeers: a flagless flow from a service port to the same port, with no
// word of who started it. An NTP server answering its pool looks like this.
func servicePeers(f *schema.Flow) bool {
	if f.Orientation != schema.OrientNone || f.Proto == schema.TCP || f.Src.Port != f.Dst.Port {
		return false
	}
	for _, s := range ServicePorts {
		if s == f.Src.Port {
			return true
		}
	}
	return false
}

// serviceAnswer: what was turned round by its ports alone accuses nobody, neither
// as it is now nor as it came.
func (d *Detector) serviceAnswer(f *schema.Flow, o outcome) bool {
	came := *f
	came.Swap()
	return o.isProbe() || outcomeOf(&came, d.knowsFlags(f)).isProbe()
}

// backscatter: of a conversation only a SYN+ACK, by which no session began. Whoever
// it answers asked under that address, or somebody else did.
func backscatter(f *schema.Flow) bool {
	return f.Proto == schema.TCP && f.Src.Packets == 0 && sideOf(f.Dst) == schema.SYN|schema.ACK
}

// flood: more packets to one target, unanswered, than anybody probes it with.
func flood(f *schema.Flow) bool {
	switch {
	case f.Dst.Packets > 0 || f.Exporter.Sampling > 1:
		return false
	case f.Proto == schema.TCP:
		return sideOf(f.Src) == schema.SYN && f.Src.Packets > maxProbePackets
	}
	return f.Src.Packets > maxSilent
}

// traceroute: UDP to the ports that its common implementations count upwards from,
// three packets to each as they send by default (traceroute(8), -q).
func traceroute(f *schema.Flow) bool {
	return f.Proto == schema.UDP && f.Dst.Port >= 33434 && f.Dst.Port <= 33600 && f.Src.Packets <= maxSilent
}

// undecided: a flagless flow from below the ephemeral ports to one of them is
// more likely a service's answer than a probe. Scanners send from ephemeral ports.
func undecided(f *schema.Flow) bool {
	return f.Orientation == schema.OrientNone && f.Proto != schema.TCP && schema.HasPorts(f.Proto) &&
		f.Src.Port < firstEphemeral && f.Dst.Port >= firstEphemeral
}
