package detect

import (
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// outline is a shape in the making, with what the shape forgets: how many pairs
// lie on each host and on each port. A Detector has one that it fills again and
// again, so that measuring a scan allocates nothing.
type outline struct {
	pairs        uint64
	hosts, ports counter
}

func newOutline() *outline { return &outline{hosts: newCounter(), ports: newCounter()} }

func (o *outline) reset() {
	o.pairs = 0
	o.hosts.reset()
	o.ports.reset()
}

func (o *outline) add(c contact) {
	o.pairs++
	o.hosts.add(c.addr())
	o.ports.add(uint32(c.port()) | uint32(c.marks.class())<<16)
}

func (o *outline) shape() shape {
	s := shape{pairs: o.pairs, hosts: uint64(len(o.hosts.used)), ports: uint64(len(o.ports.used))}
	if o.pairs > 0 {
		s.mostPorts = float64(o.hosts.most()) / float64(o.pairs)
		s.mostHosts = float64(o.ports.most()) / float64(o.pairs)
	}
	return s
}

// eachPort yields every port with the number of its hosts, in no order.
func (o *outline) eachPort(yield func(portKey, uint64) bool) {
	for e := range o.ports.all {
		if !yield(portKey{uint16(e.key), class(e.key >> 16)}, uint64(e.n)) {
			return
		}
	}
}

// topPorts returns the ports with the most hosts, in proportion to how many pairs
// and hosts there are.
func (o *outline) topPorts(pairs, hosts uint64) []schema.PortCount {
	top := make([]schema.PortCount, 0, listedPorts+1)
	for k, n := range o.eachPort {
		n = min((n*pairs+o.pairs/2)/o.pairs, hosts)
		if k.class.track() != trackPorts || len(top) == listedPorts && n < top[listedPorts-1].Hosts {
			continue
		}
		p := schema.PortCount{Port: k.port, Proto: schema.ProtoName(k.class.proto(k.port)), Hosts: n}
		at, _ := slices.BinarySearchFunc(top, p, func(a, b schema.PortCount) int {
			return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
		})
		top = slices.Insert(top, at, p)
		top = top[:min(len(top), listedPorts)]
	}
	return top
}

// scratch is what measuring fills again and again.
type scratch struct {
	outline  *outline
	contacts []contact
	hosts    []uint32
	met      counter
}

func newScratch() scratch { return scratch{outline: newOutline(), met: newCounter()} }
