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
