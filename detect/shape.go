package detect

import "github.com/scanhound/scanhound/schema"

// shape is what a set of contacts looks like from afar.
type shape struct {
	pairs, hosts, ports uint64
	mostPorts           float64 // share of the pairs that lie on the busiest host
	mostHosts           float64 // share of the pairs that lie on the busiest port
}

// kind names the shape. Thresholds and order are those of the class rules in
// DESIGN.md.
func (s shape) kind() schema.Kind {
	switch {
	case s.hosts <= 2 || s.mostPorts >= 0.6:
		return schema.Vertical
	case s.ports <= 2 || s.mostHosts >= 0.6:
		return schema.Horizontal
	case s.hosts < 10 && s.ports >= 50*s.hosts:
		return schema.Vertical
	case s.ports < 10 && s.hosts >= 50*s.ports:
		return schema.Horizontal
	case s.isBlock():
		return schema.Block
	case s.ports <= 20 && s.hosts >= 5*s.ports:
		return schema.Horizontal
	}
	return schema.Mixed
}

func (s shape) isBlock() bool {
	return s.hosts >= 5 && s.ports >= 5 && s.pairs >= 3*s.hosts && s.pairs >= 3*s.ports
}

// untilBlock is a lower bound of how many more contacts could make it a block.
func (s shape) untilBlock() int {
	missing := func(want, have uint64) uint64 {
		if have >= want {
			return 0
		}
		return want - have
	}
	return int(max(missing(5, s.hosts), missing(5, s.ports), missing(3*s.hosts, s.pairs), missing(3*s.ports, s.pairs), 1))
}
