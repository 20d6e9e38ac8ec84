package detect

import "github.com/scanhound/scanhound/schema"

// outcome is what one flow says of the contact it belongs to. Those of several
// flows of one contact are ORed: applying a flow again changes nothing.
type outcome uint16

const (
	failed   outcome = 1 << iota // a lone SYN, a half-open, a silent UDP probe, a denied packet
	stealth                      // NULL, FIN, XMAS, SYN+FIN
	weak                         // a lone ACK, FIN+ACK or SYN+ACK
	refused                      // the target answered with RST
	flagless                     // small and one-sided, from an exporter that sends no flags
	touched                      // something answered, no session
	answered                     // a session: data went both ways
	echo                         // an ICMP request: when answered ones count stands in ping.go
	reached                      // a completed TCP handshake in which nobody said a word

	outcomeBits = iota // how many there are
)

const (
	probes = failed | stealth | flagless | echo // evidence that stands alone
	faint  = weak | refused                     // evidence that takes many
)

// isProbe reports whether a contact with these outcomes counts as a failed target.
func (o outcome) isProbe() bool { return o&(probes|faint) != 0 && o&(answered|reached) == 0 }

// outcomeNames are what an alert calls them, by their bit.
var outcomeNames = [...]string{
	failed: "failed", stealth: "stealth", weak: "weak", refused: "refused",
	flagless: "flagless", touched: "touched", answered: "answered", echo: "echo", reached: "reached",
}

const (
	maxProbePackets = 8  // SYN retries of common stacks stay below it
	maxProbeSize    = 80 // bytes per packet of a SYN with options, IPv6 included
	maxSilent       = 3  // packets of a one-sided contact that is no stream

	maxProbeBytes = maxProbePackets * maxProbeSize // where nobody tells packets
)

// outcomeOf reads an oriented flow. knowsFlags says that its exporter has sent
// TCP flags before, so that none at all means something.
func outcomeOf(f *schema.Flow, knowsFlags bool) outcome {
	switch {
	case denied(f):
		return deniedOutcome(f)
	case f.Exporter.Sampling > 1:
		return sampledOutcome(f, knowsFlags)
	case f.Proto == schema.ICMP || f.Proto == schema.ICMPv6:
		return echoOutcome(f)
	case !countsPackets(f):
		return bytesOutcome(f)
	case f.Proto == schema.TCP:
		return tcpOutcome(f, knowsFlags)
	}
	return silentOutcome(f)
}

// sent reports whether the record shows that a side sent something.
func sent(s *schema.Side) bool { return s.Packets > 0 || s.Bytes > 0 }

// countsPackets reports whether the side that sent says in how many packets.
func countsPackets(f *schema.Flow) bool {
	for _, s := range [...]*schema.Side{&f.Src, &f.Dst} {
		if s.Packets > 0 || s.TCPFlags != 0 {
			return true // flags say as much
		}
	}
	return (f.Src.Untold|f.Dst.Untold)&schema.UntoldPackets == 0
}

// echoOutcome: a request, and whether the record or another of the same exporter
// shows its reply.
func echoOutcome(f *schema.Flow) outcome {
	if sent(&f.Dst) {
		return echo | answered
	}
	return echo
}

// sampledOutcome reads a flow of which one packet in many was looked at: what
// was not seen may well have been there. A SYN alone still says something, data
// in flight is a session, and a silent datagram says nothing.
func sampledOutcome(f *schema.Flow, knowsFlags bool) outcome {
	switch f.Proto {
	case schema.ICMP, schema.ICMPv6:
		return echoOutcome(f)
	case schema.TCP:
	default:
		return touched
	}
	switch src := f.Src.Control(); {
	case src == schema.SYN:
		return failed
	case (src|f.Dst.Control())&schema.ACK != 0 && f.Dst.Control()&schema.RST == 0:
		return answered
	case src == 0 && !sent(&f.Src), src == 0 && !knowsFlags:
		return tcpReply(f) &^ answered
	case src == 0, src&schema.ACK == 0 && src&schema.FIN != 0:
		return stealth
	}
	return touched
}

func tcpOutcome(f *schema.Flow, knowsFlags bool) outcome {
	if !sent(&f.Src) && f.Src.TCPFlags == 0 && sent(&f.Dst) {
		return tcpReply(f)
	}
	o := tcpProbe(f, knowsFlags)
	if (sent(&f.Dst) || f.Dst.TCPFlags != 0) && o != answered {
		o |= tcpReply(f)
	}
	switch {
	case o&answered != 0:
		return o &^ reached
	case o&reached != 0:
		return o &^ touched
	}
	return o
}

// tcpProbe reads the initiator's flags and packets.
func tcpProbe(f *schema.Flow, knowsFlags bool) outcome {
	n, src := f.Src.Packets, f.Src.Control()
	if f.Orientation == schema.OrientReverse && src&(schema.SYN|schema.ACK|schema.RST) == schema.ACK {
		return answered // an ACK that an ACK answers is a session, of which this is a piece
	}
	switch src {
	case 0:
		return nullOutcome(f, knowsFlags)
	case schema.SYN:
		if n <= maxSilent && n > 0 || f.Src.Bytes <= min(max(n, maxSilent), maxProbePackets)*maxProbeSize && n <= maxProbePackets {
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
		if n <= 2 && (n != 2 || src != schema.SYN|schema.ACK || f.Dst.Control()&schema.SYN == 0) {
			return weak
		}
	}
	switch {
	case handshakeOnly(&f.Src):
		return reached
	case n > 3:
		return answered
	}
	return touched
}

// handshakeOnly: SYN, the ACK of its answer and what tears it down, and no payload:
// a health check, a connect scan. What a program writes is sent with PSH.
func handshakeOnly(s *schema.Side) bool {
	return s.Control()&^(schema.FIN|schema.RST) == schema.SYN|schema.ACK && s.Packets > 1 && s.Packets <= handshake &&
		s.Bytes <= s.Packets*maxProbeSize
}

// nullOutcome: no flags at all is a NULL scan only from an exporter that is
// known to send flags; from any other it says nothing of the session.
func nullOutcome(f *schema.Flow, knowsFlags bool) outcome {
	switch {
	case knowsFlags && f.Src.Packets <= 2:
		return stealth
	case !knowsFlags && openedFlagless(f):
		return reached
	case !knowsFlags && f.Src.Packets <= maxSilent && saidNothing(&f.Dst):
		return flagless
	case sent(&f.Dst) && f.Src.Packets > 3:
		return answered
	}
	return touched
}

// openedFlagless: three packets and no payload, which are no retries of one SYN: these are of one size. Or
// what came back is larger than an RST, which has no options. So the handshake was
// completed. The two packets of a half-open connection are not taken for one.
func openedFlagless(f *schema.Flow) bool {
	if f.Src.Packets != maxSilent || f.Src.Bytes == 0 || !saidNothing(&f.Src) || !saidNothing(&f.Dst) {
		return false
	}
	rst := uint64(40) // headers of IP and TCP
	if f.Src.Addr.Is6() && !f.Src.Addr.Is4In6() {
		rst = 60
	}
	return f.Src.Bytes%f.Src.Packets != 0 || f.Dst.Bytes > f.Dst.Packets*rst
}

// saidNothing: no packet, or a few without payload, such as an RST. Packets whose
// size the exporter does not tell may have carried anything.
func saidNothing(s *schema.Side) bool {
	return !sent(s) || s.Packets > 0 && s.Packets <= maxSilent && s.Bytes > 0 && s.Bytes <= s.Packets*maxProbeSize
}

// tcpReply reads the answering side alone.
func tcpReply(f *schema.Flow) outcome {
	n := f.Dst.Packets
	switch dst := f.Dst.Control(); {
	case dst == schema.RST || dst == schema.RST|schema.ACK:
		return refused
	case dst&^schema.RST == schema.SYN|schema.ACK|schema.FIN && n > 1 && f.Dst.Bytes <= n*maxProbeSize:
		return reached // it ended what had begun
	case dst&schema.SYN != 0 && n <= maxProbePackets && f.Dst.Bytes <= max(n, 1)*maxProbeSize:
		return touched // SYN+ACK and its retries: the port is open, nothing was said
	case dst&schema.ACK != 0 && dst&(schema.SYN|schema.RST) == 0:
		return answered // an ACK of what is said in the midst of a session
	case n > 3:
		return answered
	}
	return touched
}

// silentOutcome is for protocols without flags: UDP, SCTP and all the rest. Where the reverse record
// said who started it there was an answer, which came first, in another datagram of the exporter.
func silentOutcome(f *schema.Flow) outcome {
	switch {
	case sent(&f.Dst), f.Orientation == schema.OrientReverse:
		return answered
	case f.Src.Packets <= maxSilent:
		return failed
	}
	return touched
}
