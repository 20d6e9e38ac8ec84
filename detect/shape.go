package detect

import (
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

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

// outline is a shape in the making, with what the shape forgets.
type outline struct {
	pairs uint64
	hosts map[uint32]uint64 // pairs on each
	ports map[portKey]uint64
}

func newOutline() *outline {
	return &outline{hosts: map[uint32]uint64{}, ports: map[portKey]uint64{}}
}

func (o *outline) add(c contact) {
	o.pairs++
	o.hosts[c.addr()]++
	o.ports[c.portKey()]++
}

func (o *outline) shape() shape {
	s := shape{pairs: o.pairs, hosts: uint64(len(o.hosts)), ports: uint64(len(o.ports))}
	if o.pairs == 0 {
		return s
	}
	for _, n := range o.hosts {
		s.mostPorts = max(s.mostPorts, float64(n)/float64(o.pairs))
	}
	for _, n := range o.ports {
		s.mostHosts = max(s.mostHosts, float64(n)/float64(o.pairs))
	}
	return s
}

// topPorts returns the ports with the most hosts; each host counts for weight.
func (o *outline) topPorts(weight uint64) []schema.PortCount {
	top := []schema.PortCount{}
	for k, n := range o.ports {
		if k.class.track() == trackPorts {
			top = append(top, schema.PortCount{Port: k.port, Proto: schema.ProtoName(k.class.proto(k.port)), Hosts: n * weight})
		}
	}
	slices.SortFunc(top, func(a, b schema.PortCount) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return top[:min(len(top), 10)]
}
