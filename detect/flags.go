package detect

import "github.com/scanhound/scanhound/schema"

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
	at := n.placeOf(flags)
	if at < len(n.flags) {
		n.flags[at] = flags
	}
	n.flows[at]++
}

// placeOf is where a combination is counted, or will be; behind all of them there is no room.
func (n *flagCounts) placeOf(flags uint8) (at int) {
	for at < len(n.flags) && n.flows[at] > 0 && n.flags[at] != flags {
		at++
	}
	return at
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
