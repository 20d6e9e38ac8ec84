package detect

import "github.com/scanhound/scanhound/schema"

// What is not told is not zero. This file reads records that leave out what a flow
// record usually has: packets, flags, or everything but that something happened.

// Events of firewalls (IPFIX element 233, RFC 8158's registry).
const (
	eventCreated = 1
	eventDeleted = 2
	eventDenied  = 3
	eventUpdate  = 5
)

// reasonNoSYN: Cisco ASA dropped a packet that belongs to no connection it knows
// (element 33002; "ASA NetFlow Implementation Guide": first packet not a SYN).
const reasonNoSYN = 1004

// denied: a firewall's event, or forwardingStatus "dropped" (RFC 7270: the top two
// bits are 10).
func denied(f *schema.Flow) bool { return f.Event == eventDenied || f.Forward>>6 == 2 }

// deniedOutcome: what was denied failed. But a packet in the midst of a session that
// the firewall has forgotten is what a lone ACK is.
func deniedOutcome(f *schema.Flow) outcome {
	if f.Proto == schema.TCP && f.EventReason == reasonNoSYN {
		return weak
	}
	return failed
}

// saysNothing: an event by which nobody can tell whether anybody answered. A flow was
// created, or goes on and nothing came back so far: when it ends, that is told.
func saysNothing(f *schema.Flow) bool {
	return (f.Event == eventCreated || f.Event == eventUpdate) && !sent(&f.Dst)
}

// isTranslation: an address translator's record of what it made or removed (natEvent,
// RFC 8158; Cisco's HSL), which has no counters.
func isTranslation(f *schema.Flow) bool {
	return f.NATEvent != 0 && !denied(f) && !sent(&f.Src) && !sent(&f.Dst)
}

// hasNoPort: the target's port was not told, or there is none: both are 0 in later
// fragments of a datagram and in records of host pairs.
func hasNoPort(f *schema.Flow) bool {
	return schema.HasPorts(f.Proto) && (f.Dst.Untold&schema.UntoldPort != 0 || f.Src.Port == 0 && f.Dst.Port == 0)
}

// bytesOutcome reads a record without packets and flags, by its bytes. Some back is an
// answer, and more out than a probe has is none. Otherwise it proves nothing, but where
// both were counted to the end of the flow and nothing came back.
func bytesOutcome(f *schema.Flow) outcome {
	switch {
	case f.Dst.Bytes > 0:
		return answered
	case f.Src.Bytes > maxProbeBytes:
		return touched
	case f.Event != eventDeleted || (f.Src.Untold|f.Dst.Untold)&schema.UntoldBytes != 0:
		return touched
	case f.Proto == schema.TCP:
		return flagless
	}
	return failed
}
