package detect

import "github.com/scanhound/scanhound/schema"

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
// and hosts there are. Of most scans all ports are alike: then one look tells that a port
// is not among the first.
func (o *outline) topPorts(pairs, hosts uint64) []schema.PortCount {
	var top [listedPorts + 1]portHosts
	held := 0
	for k, n := range o.eachPort {
		if k.class.track() != trackPorts {
			continue
		}
		if pairs != o.pairs {
			n = (n*pairs + o.pairs/2) / o.pairs
		}
		p := portHosts{k, min(n, hosts)}
		at := held
		for ; at > 0 && p.before(top[at-1]); at-- {
			top[at] = top[at-1]
		}
		top[at] = p
		held = min(held+1, listedPorts)
	}
	told := make([]schema.PortCount, held)
	for i, p := range top[:held] {
		told[i] = schema.PortCount{Port: p.port, Proto: schema.ProtoName(p.class.proto(p.port)), Hosts: p.hosts}
	}
	return told
}

// portHosts is a port and on how many hosts it was tried.
type portHosts struct {
	portKey
	hosts uint64
}

// before orders ports by their hosts, most first, then by number and by protocol's name.
func (p portHosts) before(o portHosts) bool {
	if p.hosts != o.hosts {
		return p.hosts > o.hosts
	}
	if p.port != o.port {
		return p.port < o.port
	}
	return schema.ProtoName(p.class.proto(p.port)) < schema.ProtoName(o.class.proto(o.port))
}

// scratch is what measuring fills again and again.
type scratch struct {
	outline  *outline
	contacts []contact
	hosts    []uint32
	met      counter
	keys     []timeKey // of byTime
	sorted   []timeKey
	print    printScratch
	words    []schema.FootprintWord
	nets     []schema.NetworkCount
}

func newScratch() scratch { return scratch{outline: newOutline(), met: newCounter()} }
