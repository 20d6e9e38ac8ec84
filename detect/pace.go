package detect

import "github.com/scanhound/scanhound/schema"

// pace finds the minute of event time in which most flows began. Flows come a few
// minutes out of order, as exporters see them end; what comes later than that is
// left out.
type pace struct {
	minute uint32    // the latest, since 1970
	flows  [4]uint32 // in it and those before it, by minute modulo 4
	peak   uint32
}

func (p *pace) add(t schema.Time) {
	m := uint32(t.Seconds() / 60)
	if m > p.minute {
		for i := range min(m-p.minute, uint32(len(p.flows))) {
			p.flows[(m-i)%uint32(len(p.flows))] = 0
		}
		p.minute = m
	}
	if p.minute-m >= uint32(len(p.flows)) {
		return
	}
	n := &p.flows[m%uint32(len(p.flows))]
	*n++
	p.peak = max(p.peak, *n)
}

// flagCounts are flows by the initiator's TCP flags: the first combinations by
// name, a tool having one to three of them, and the rest together.
type flagCounts struct {
	flags [8]uint8
	flows [9]uint32
}

func (n *flagCounts) add(f *schema.Flow) {
	if f.Proto != schema.TCP || f.Src.Packets == 0 && f.Src.TCPFlags == 0 {
		return // of the initiator's side nothing was seen
	}
	flags := uint8(f.Src.TCPFlags)
	at := 0
	for at < len(n.flags) && n.flows[at] > 0 && n.flags[at] != flags {
		at++
	}
	if at < len(n.flags) {
		n.flags[at] = flags
	}
	n.flows[at]++
}

func (n *flagCounts) counts() map[string]uint64 {
	counts := map[string]uint64{}
	for i, flags := range n.flags {
		if n.flows[i] > 0 {
			counts[schema.FlagNames(uint16(flags))] = uint64(n.flows[i])
		}
	}
	if other := n.flows[len(n.flags)]; other > 0 {
		counts[schema.OtherFlags] = uint64(other)
	}
	return counts
}
