package sflow

// Stats counts what was in the datagrams. What adds up:
//
//	Samples.Seen = Flow + Discard + Counter + Other
//	Flow + Discard = Packets.Seen = Flows + NotIP + Cut
type Stats struct {
	Samples Samples
	Packets Packets
}

// Samples counts samples by their kind.
type Samples struct {
	Seen    uint64
	Flow    uint64 // a packet, of one in so many
	Discard uint64 // a packet that was dropped
	Counter uint64 // interface counters and the like: skipped
	Other   uint64 // of a vendor, or of a kind that we do not know: skipped
}

// Packets counts what became of the packets sampled.
type Packets struct {
	Seen  uint64
	Flows uint64
	NotIP uint64 // ARP, LLDP, ... or the sample holds no packet
	Cut   uint64 // the bytes sampled end before addresses, ports or flags
}

// Each calls yield with the name and the value of every counter, always in the same order.
func (s *Stats) Each(yield func(name string, v *uint64)) {
	yield("samples", &s.Samples.Seen)
	yield("samples_flow", &s.Samples.Flow)
	yield("samples_discard", &s.Samples.Discard)
	yield("samples_counter", &s.Samples.Counter)
	yield("samples_other", &s.Samples.Other)
	yield("samples_packets", &s.Packets.Seen)
	yield("samples_packets_flows", &s.Packets.Flows)
	yield("samples_packets_not_ip", &s.Packets.NotIP)
	yield("samples_packets_cut", &s.Packets.Cut)
}
