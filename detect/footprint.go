package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/bits16"
	"github.com/scanhound/scanhound/schema"
)

// footprint is which ports and which addresses a scan touched. While the sets hold
// every contact it is made from them when an alert is said. When they become a
// sample, one is kept beside the sketches of each track, for scans that are about
// all of it, and one by each scan that is about a part.
//
// A map of addresses has 65,536 places. The first two /16s have one each, with a
// place for each address; once there is a third, one more holds all that was
// touched, with a place for each /24 while all lie in one /8, else for each /16.
// So what it says is never wrong or incomplete, only coarser.
type footprint struct {
	v4      bool
	partial bool // it began when the set was a sample already
	many    bool // hosts
	since   schema.Time

	ports  []portMap // or IP protocols
	fine   []addressMap
	coarse *addressMap

	first, last []uint32 // hosts, as long as ends of a sample of targets
}

type portMap struct {
	class   class
	numbers bits16.Set
}

// addressMap is which addresses, or networks, of a prefix of 16, 8 or 0 bits were
// touched: the 16 bits behind the prefix are the number.
type addressMap struct {
	base    uint32 // the prefix, shifted down
	length  uint8
	numbers bits16.Set
}

const (
	maxFine     = 2  // /16s with a map of their own
	worthAMap   = 16 // addresses for which one of them is told beside the coarse one
	listedPorts = 10 // are told by name
)

// newFootprint is that of contacts, which are in the order of time, to be kept.
func (l *ledger) newFootprint(s *suspect, contacts []contact) *footprint {
	f := l.drawFootprint(s, contacts).clone()
	for _, c := range contacts {
		f.visit(c.addr())
	}
	return f
}

// printScratch is the footprint that is drawn again and again.
type printScratch struct {
	footprint
	networks addressMap
	sets     [int(classOther) + 1 + maxFine + 1]bits16.Set
	taken    int
}

// set is an empty one.
func (p *printScratch) set() bits16.Set {
	s := &p.sets[p.taken]
	s.Clear()
	p.taken++
	return *s
}

// drawFootprint is that of contacts, which are in the order of time, until the next is
// drawn: for an alert to be said. The busiest /16s get the fine maps.
func (l *ledger) drawFootprint(s *suspect, contacts []contact) *footprint {
	p := &l.scratch.print
	f := &p.footprint
	*f = footprint{v4: s.isV4(), since: l.oldest(contacts), ports: f.ports[:0], fine: f.fine[:0], first: f.first[:0]}
	p.taken = 0
	bases := &l.scratch.met
	bases.reset()
	seen, differ := uint8(0), uint32(0)
	for _, c := range contacts {
		bases.add(c.addr() >> 16)
		differ |= c.addr() ^ contacts[0].addr()
		if class := c.marks.class(); seen>>class&1 == 0 && class.track() != trackEchoes {
			seen |= 1 << class
			f.ports = append(f.ports, portMap{class: class, numbers: p.set()})
		}
	}
	if f.v4 {
		busiest, n := bases.busiest()
		for _, base := range busiest[:n] {
			f.fine = append(f.fine, addressMap{base: base, length: 16, numbers: p.set()})
		}
		if len(bases.used) > maxFine {
			p.networks = addressMap{numbers: p.set()}
			if differ>>24 == 0 {
				p.networks.base, p.networks.length = contacts[0].addr()>>24, 8
			}
			f.coarse = &p.networks
		}
	}
	for _, c := range contacts {
		f.add(c)
	}
	return f
}

// busiest are the two keys that were counted most, of equal ones the lower, as far as
// there are two.
func (k *counter) busiest() (keys [maxFine]uint32, n int) {
	var top [maxFine]counted
	for e := range k.all {
		for i := range top {
			if e.n > top[i].n || e.n == top[i].n && e.key < top[i].key {
				e, top[i] = top[i], e
			}
		}
	}
	for i, e := range top {
		keys[i] = e.key
	}
	return keys, min(len(top), len(k.used))
}

// clone is a copy that shares nothing.
func (f *footprint) clone() *footprint {
	c := *f
	c.ports, c.fine, c.first, c.last = slices.Clone(f.ports), slices.Clone(f.fine), slices.Clone(f.first), slices.Clone(f.last)
	for i := range c.ports {
		c.ports[i].numbers = f.ports[i].numbers.Clone()
	}
	for i := range c.fine {
		c.fine[i].numbers = f.fine[i].numbers.Clone()
	}
	if f.coarse != nil {
		m := *f.coarse
		m.numbers = f.coarse.numbers.Clone()
		c.coarse = &m
	}
	return &c
}

func (f *footprint) add(c contact) {
	if len(f.first) == 0 {
		f.first = append(f.first, c.addr())
	}
	f.many = f.many || c.addr() != f.first[0]
	if class := c.marks.class(); class.track() != trackEchoes {
		f.portsOf(class).numbers.Add(c.port())
	}
	if f.v4 {
		f.addAddr(c.addr())
	}
}

func (f *footprint) portsOf(k class) *portMap {
	for i := range f.ports {
		if f.ports[i].class == k {
			return &f.ports[i]
		}
	}
	f.ports = append(f.ports, portMap{class: k})
	return &f.ports[len(f.ports)-1]
}

func (f *footprint) addAddr(a uint32) {
	at := f.fineOf(a)
	if at < 0 && len(f.fine) < maxFine && f.coarse == nil {
		at = len(f.fine)
		f.fine = append(f.fine, addressMap{base: a >> 16, length: 16})
	}
	if at >= 0 {
		f.fine[at].add(a)
	} else if f.coarse == nil {
		f.coarse = &addressMap{base: a >> 24, length: 8}
		for i := range f.fine {
			for n := range f.fine[i].numbers.Each {
				f.coarse.add(f.fine[i].base<<16 | uint32(n))
			}
		}
	}
	if f.coarse != nil {
		f.coarse.add(a)
	}
}

// add puts an address into a map. That of a /8 becomes one of all /16s when the
// address lies elsewhere.
func (m *addressMap) add(a uint32) {
	if m.length == 8 && m.base != a>>24 {
		m.widen()
	}
	m.numbers.Add(uint16(a >> (16 - m.length)))
}

// widen makes the map of a /8 one of all /16s.
func (m *addressMap) widen() {
	all := addressMap{}
	for n := range m.numbers.Each {
		all.numbers.Add(uint16(m.base<<8 | uint32(n>>8)))
	}
	*m = all
}

// visit notes the first hosts and the last.
func (f *footprint) visit(host uint32) {
	switch {
	case slices.Contains(f.first, host), slices.Contains(f.last, host):
		return
	case len(f.first) < endTargets:
		f.first = append(f.first, host)
		return
	case len(f.last) == endTargets:
		copy(f.last, f.last[1:])
		f.last = f.last[:endTargets-1]
	}
	f.last = append(f.last, host)
}

// counts are what the footprint tells exactly, if it holds all and nothing of
// before since.
func (f *footprint) counts(since schema.Time) (hosts, ports, pairs schema.Count) {
	if f == nil || f.partial || f.since < since {
		return
	}
	exactly := func(n int) schema.Count { return schema.Count{Count: uint64(n), Exact: true} }
	ports = exactly(f.heldPorts())
	switch {
	case !f.many:
		return exactly(1), ports, exactly(max(f.heldPorts(), 1))
	case !f.v4 || f.coarse != nil:
		return
	}
	n := 0
	for i := range f.fine {
		n += f.fine[i].numbers.Len()
	}
	if hosts = exactly(n); ports.Count <= 1 {
		pairs = hosts
	}
	return
}

func (f *footprint) heldPorts() (n int) {
	for i := range f.ports {
		n += f.ports[i].numbers.Len()
	}
	return n
}

func (f *footprint) bytes() (n uint64) {
	if f == nil {
		return 0
	}
	for i := range f.ports {
		n += f.ports[i].numbers.Bytes()
	}
	for i := range f.fine {
		n += f.fine[i].numbers.Bytes()
	}
	if f.coarse != nil {
		n += f.coarse.numbers.Bytes()
	}
	return n
}

// footprintToSchema returns what an alert says: the ports where there is one host, the addresses
// where there are many, and both of a block. Few ports have their place in the
// list of top ports.
func (l *ledger) footprintToSchema(f *footprint, s *suspect) []schema.Footprint {
	var sets [int(classOther) + 1 + maxFine + 1]*bits16.Set
	told := make([]schema.Footprint, 0, len(sets)) // stays on the stack
	tell := func(p schema.Footprint, n *bits16.Set) {
		p.Partial = f.partial
		sets[len(told)] = n
		told = append(told, p)
	}
	where := f.where(s)
	ports := f.heldPorts()
	for i := range f.ports {
		switch m := &f.ports[i]; {
		case m.class == classOther:
			tell(schema.Footprint{Of: schema.FootprintProtocols, Prefix: where}, &m.numbers)
		case !f.many || ports > listedPorts:
			tell(schema.Footprint{Of: schema.FootprintPorts, Prefix: where, Proto: schema.ProtoName(m.class.proto(0))}, &m.numbers)
		}
	}
	if f.many || len(f.ports) == 0 {
		for i := range f.fine {
			if m := &f.fine[i]; f.coarse == nil || m.numbers.Len() >= worthAMap {
				tell(schema.Footprint{Of: schema.FootprintAddresses, Prefix: m.prefix()}, &m.numbers)
			}
		}
		if m := f.coarse; m != nil {
			tell(schema.Footprint{Of: schema.FootprintNetworks, Prefix: m.prefix()}, &m.numbers)
		}
	}
	for i := range told {
		words := l.scratch.words[:0]
		for at, w := range sets[i].Words {
			words = append(words, schema.FootprintWord{At: at, Bits: w})
		}
		l.scratch.words = words
		told[i].SetNumbers(words)
	}
	return slices.Clone(told)
}

// where is the one host, or everywhere.
func (f *footprint) where(s *suspect) netip.Prefix {
	if len(f.first) > 0 && !f.many {
		if a := s.target(contact{word: uint64(f.first[0]) << 32}); a.IsValid() {
			return netip.PrefixFrom(a, a.BitLen())
		}
	}
	if f.v4 {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

func (m *addressMap) prefix() netip.Prefix {
	return netip.PrefixFrom(v4Addr(uint32(uint64(m.base)<<(32-m.length))), int(m.length))
}
