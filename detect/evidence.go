package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// evidence is what a track's flows add up to since its last alert closed.
type evidence struct {
	flows, packets, bytes uint64
	scaled                uint64 // packets times each flow's sampling rate

	first, last             schema.Time
	firstOffset, lastOffset int64

	outcomes  [outcomeBits]uint32 // by the number of the bit
	oriented  [5]uint32           // by schema.Orientation
	flags     flagCounts
	pace      pace
	ports     sourcePorts
	exporter  uint32 // short form of the latest
	sampling  uint32
	exporters []netip.Addr // at most maxExporters; last, for mostly nobody looks
}

const maxExporters = 8

// sourcePorts finds the source ports that many flows share.
type sourcePorts struct {
	flows uint64 // whose port is known: not those from before there was evidence
	top   [4]sourcePort
}

// sourcePort is one candidate for a source port that most flows share
// (Misra and Gries, 1982: what more than a fifth of all flows use survives).
type sourcePort struct {
	port  uint16
	count uint32 // a lower bound
}

func (e *evidence) add(g *sighting) {
	f, t, o, offset := g.f, g.t, g.o, g.offset
	if e.flows == 0 {
		e.first, e.firstOffset = t, offset
	}
	e.flows++
	e.packets += f.Src.Packets
	e.bytes += f.Src.Bytes
	e.scaled += scaledPackets(f, g.scaled)
	e.first, e.last = min(e.first, t), max(e.last, t)
	e.lastOffset = offset
	e.outcomesOf(o)
	e.oriented[f.Orientation]++
	e.flags.add(f)
	e.pace.add(t)
	e.sampling = max(e.sampling, f.Exporter.Sampling)
	if schema.HasPorts(f.Proto) {
		e.ports.add(f.Src.Port)
	}
	if f.Exporter.Addr.IsValid() {
		e.reported(f.Exporter.Addr)
	}
}

// outcomesOf counts a flow under each of its outcomes.
func (e *evidence) outcomesOf(o outcome) {
	for i := range e.outcomes {
		if o>>i&1 != 0 {
			e.outcomes[i]++
		}
	}
}

// turned counts a target that had failed and held a session, whichever came first. The
// flows of sessions are not the scan's.
func (e *evidence) turned(offset int64) {
	if e.flows > 0 {
		e.outcomes[answeredBit]++
		e.lastOffset = offset
	}
}

// reported notes an exporter; mostly it is the one that reported before.
func (e *evidence) reported(by netip.Addr) {
	s := short(by)
	if s == e.exporter && s != 0 {
		return
	}
	e.exporter = s
	if len(e.exporters) < maxExporters && !slices.Contains(e.exporters, by) {
		e.exporters = append(e.exporters, by)
	}
}

func (s *sourcePorts) add(port uint16) {
	s.flows++
	free := -1
	for i := range s.top {
		switch p := &s.top[i]; {
		case p.count > 0 && p.port == port:
			p.count++
			return
		case p.count == 0:
			free = i
		}
	}
	if free >= 0 {
		s.top[free] = sourcePort{port, 1}
		return
	}
	for i := range s.top {
		s.top[i].count--
	}
}

// commonShare of the flows must have a source port for it to be common: tools keep one
// or a few, ordinary clients take a fresh one for each connection. FlowTuple v4 asks for
// 0.33, so that three ports which are used alike are all common.
const commonShare = 0.33

// commonPorts are the source ports that at least a third of the flows share.
func (e *evidence) commonPorts() []uint16 {
	common := []uint16{}
	for _, p := range e.ports.top {
		if p.count > 0 && float64(p.count) >= commonShare*float64(e.ports.flows) && e.flows >= 10 {
			common = append(common, p.port)
		}
	}
	slices.Sort(common)
	return common
}

// orientation is the rule that decided for most flows who started them.
func (e *evidence) orientation() schema.Orientation {
	most := 0
	for i, n := range e.oriented {
		if n > e.oriented[most] {
			most = i
		}
	}
	return schema.Orientation(most)
}

func (e *evidence) outcomeCounts() map[string]uint64 {
	counts := map[string]uint64{}
	for i, n := range e.outcomes {
		if n > 0 {
			counts[outcomeNames[1<<i]] = uint64(n)
		}
	}
	return counts
}

// confidence says how much the flows themselves prove.
func (e *evidence) confidence() string {
	count := func(o outcome) (n uint32) {
		for i, c := range e.outcomes {
			if o>>i&1 != 0 {
				n += c
			}
		}
		return n
	}
	certain, guessed := count(failed|stealth|echo), count(flagless|weak|refused)
	switch {
	case certain < guessed && count(failed) == 0:
		return "low"
	case e.sampling > 1, e.orientation() == schema.OrientNone:
		return "medium"
	}
	return "high"
}
