package detect

import "github.com/scanhound/scanhound/schema"

// outcome is what one flow says of the contact it belongs to. Those of several
// flows of one contact are ORed: applying a flow again changes nothing.
type outcome uint8

const (
	failed   outcome = 1 << iota // a lone SYN, a half-open, a silent UDP probe, a denied packet
	stealth                      // NULL, FIN, XMAS, SYN+FIN
	weak                         // a lone ACK, FIN+ACK or SYN+ACK
	refused                      // the target answered with RST
	flagless                     // small and one-sided, from an exporter that sends no flags
	touched                      // something answered, no session
	answered                     // a session: data went both ways
	echo                         // an ICMP request: counts answered or not
)

const (
	probes = failed | stealth | flagless | echo // evidence that stands alone
	faint  = weak | refused                     // evidence that takes many
)

// isProbe reports whether a contact with these outcomes counts as a failed target.
func (o outcome) isProbe() bool { return o&(probes|faint) != 0 && o&answered == 0 }

var outcomeNames = [...]string{"failed", "stealth", "weak", "refused", "flagless", "touched", "answered", "echo"}

const (
	maxProbePackets = 8  // SYN retries of common stacks stay below it
	maxProbeSize    = 80 // bytes per packet of a SYN with options, IPv6 included
	maxSilent       = 3  // packets of a one-sided contact that is no stream
)

// outcomeOf reads an oriented flow. knowsFlags says that its exporter has sent
// TCP flags before, so that none at all means something.
func outcomeOf(f *schema.Flow, knowsFlags bool) outcome {
	if denied(f) {
		return failed
	}
	if f.Exporter.Sampling > 1 {
		return sampledOutcome(f, knowsFlags)
	}
	switch f.Proto {
	case schema.TCP:
		return tcpOutcome(f, knowsFlags)
	case schema.ICMP, schema.ICMPv6:
		return echo
	}
	return silentOutcome(f)
}

// denied: firewallEvent 3 (RFC 8158's registry), or forwardingStatus "dropped"
// (RFC 7270: the top two bits are 10).
func denied(f *schema.Flow) bool { return f.Event == 3 || f.Forward>>6 == 2 }

// sampledOutcome reads a flow of which one packet in many was looked at: what
// was not seen may well have been there. A SYN alone still says something, data
// in flight is a session, and a silent datagram says nothing.
func sampledOutcome(f *schema.Flow, knowsFlags bool) outcome {
	switch f.Proto {
	case schema.ICMP, schema.ICMPv6:
		return echo
	case schema.TCP:
	default:
		return touched
	}
	switch src := sideOf(f.Src); {
	case src == schema.SYN:
		return failed
	case (src|sideOf(f.Dst))&schema.ACK != 0 && sideOf(f.Dst)&schema.RST == 0:
		return answered
	case src == 0 && f.Src.Packets == 0, src == 0 && !knowsFlags:
		return tcpReply(f) &^ answered
	case src == 0, src&schema.ACK == 0 && src&schema.FIN != 0:
		return stealth
	}
	return touched
}

func tcpOutcome(f *schema.Flow, knowsFlags bool) outcome {
	if f.Src.Packets == 0 && f.Src.TCPFlags == 0 && f.Dst.Packets > 0 {
		return tcpReply(f)
	}
	o := tcpProbe(f, knowsFlags)
	if f.Dst.Packets > 0 && o != answered {
		o |= tcpReply(f)
	}
	return o
}

// tcpProbe reads the initiator's flags and packets.
func tcpProbe(f *schema.Flow, knowsFlags bool) outcome {
	n := f.Src.Packets
	switch src := sideOf(f.Src); src {
	case 0:
		return nullOutcome(f, knowsFlags)
	case schema.SYN:
		if n <= maxSilent || n <= maxProbePackets && f.Src.Bytes <= n*maxProbeSize {
			return failed // so few packets are no session, and padding buys a scanner nothing
		}
		return touched
	case schema.SYN | schema.RST:
		return failed // half-open: the answer came, the scanner tore it down
	case schema.FIN, schema.FIN | schema.PSH | schema.URG, schema.SYN | schema.FIN:
		if n <= 2 {
			return stealth
		}
	case schema.ACK, schema.FIN | schema.ACK, schema.SYN | schema.ACK:
		if n <= 2 {
			return weak
		}
	}
	if n > 3 {
		return answered
	}
	return touched
}

// nullOutcome: no flags at all is a NULL scan only from an exporter that is
// known to send flags; from any other it says nothing of the session.
func nullOutcome(f *schema.Flow, knowsFlags bool) outcome {
	switch {
	case knowsFlags && f.Src.Packets <= 2:
		return stealth
	case !knowsFlags && f.Src.Packets <= maxSilent && saidNothing(&f.Dst):
		return flagless
	case f.Dst.Packets > 0 && f.Src.Packets > 3:
		return answered
	}
	return touched
}

// saidNothing: no packet, or a few without payload, such as an RST. Packets whose
// size the exporter does not tell may have carried anything.
func saidNothing(s *schema.Side) bool {
	return s.Packets == 0 || s.Packets <= maxSilent && s.Bytes > 0 && s.Bytes <= s.Packets*maxProbeSize
}

// tcpReply reads the answering side alone.
func tcpReply(f *schema.Flow) outcome {
	switch dst := sideOf(f.Dst); {
	case dst == schema.RST || dst == schema.RST|schema.ACK:
		return refused
	case dst&schema.SYN != 0 && f.Dst.Packets <= maxProbePackets && f.Dst.Bytes <= f.Dst.Packets*maxProbeSize:
		return touched // SYN+ACK and its retries: the port is open, nothing was said
	case f.Dst.Packets > 3:
		return answered
	}
	return touched
}

// silentOutcome is for protocols without flags: UDP, SCTP and all the rest.
func silentOutcome(f *schema.Flow) outcome {
	switch {
	case f.Dst.Packets > 0:
		return answered
	case f.Src.Packets <= maxSilent:
		return failed
	}
	return touched
}
