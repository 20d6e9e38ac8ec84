package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// guard names a reason to keep a flow silent. The guards stand in the order in
// which they are asked, and each counts what it kept silent.
type guard uint8

const (
	guardNone      guard = iota
	guardNoAddress       // a record without both addresses, such as a layer 2 one
	guardItself          // source and target are the same
	guardGroup           // multicast and broadcast: mDNS, SSDP, LLMNR chatter
	guardReply           // ICMP errors and echo replies answer somebody
	guardPeers           // both ports are the same service: NTP peers, NetBIOS, resolvers
	guardTraceroute
	guardUndecided // no rule said who started it, and it looks like an answer
	guardCount
)

var guardNames = [guardCount]string{"", "no_address", "same_address", "multicast", "icmp_reply", "service_peers", "traceroute", "undecided"}

// silence returns the guard that keeps f out of the counts, or guardNone.
func silence(f *schema.Flow) guard {
	switch {
	case !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() || f.Src.Addr.IsUnspecified() && f.Dst.Addr.IsUnspecified():
		return guardNoAddress
	case f.Src.Addr == f.Dst.Addr:
		return guardItself
	case f.Dst.Addr.IsMulticast() || f.Dst.Addr == broadcast:
		return guardGroup
	case icmpReply(f):
		return guardReply
	case servicePeers(f):
		return guardPeers
	case traceroute(f):
		return guardTraceroute
	case undecided(f):
		return guardUndecided
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

// traceroute: UDP to the ports that its common implementations count upwards from.
func traceroute(f *schema.Flow) bool {
	return f.Proto == schema.UDP && f.Dst.Port >= 33434 && f.Dst.Port <= 33600 && f.Src.Packets <= 3
}

// undecided: a flagless flow from below the ephemeral ports to one of them is
// more likely a service's answer than a probe. Scanners send from ephemeral ports.
func undecided(f *schema.Flow) bool {
	return f.Orientation == schema.OrientNone && f.Proto != schema.TCP && schema.HasPorts(f.Proto) &&
		f.Src.Port < firstEphemeral && f.Dst.Port >= firstEphemeral
}
