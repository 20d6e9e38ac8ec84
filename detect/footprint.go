package detect

import (
	"cmp"
	"net/netip"
	"slices"

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
	class class
	numbers
}

// addressMap is which addresses, or networks, of a prefix of 16, 8 or 0 bits were
// touched: the 16 bits behind the prefix are the number.
type addressMap struct {
	base   uint32 // the prefix, shifted down
	length uint8
	numbers
}

const (
	maxFine     = 2  // /16s with a map of their own
	worthAMap   = 16 // addresses for which one of them is told beside the coarse one
	listedPorts = 10 // are told by name
)

// newFootprint is that of contacts, which are in the order of time. The busiest
// /16s get the fine maps.
func (d *Detector) newFootprint(s *suspect, contacts []contact) *footprint {
	f := &footprint{v4: s.isV4(), since: d.oldest(contacts)}
	if f.v4 {
		busy := map[uint32]int{}
		for _, c := range contacts {
			busy[c.addr()>>16]++
		}
		bases := make([]uint32, 0, len(busy))
		for base := range busy {
			bases = append(bases, base)
		}
		slices.SortFunc(bases, func(a, b uint32) int { return cmp.Or(busy[b]-busy[a], cmp.Compare(a, b)) })
		for _, base := range bases[:min(len(bases), maxFine)] {
			f.fine = append(f.fine, addressMap{base: base, length: 16})
		}
	}
	for _, c := range contacts {
		f.add(c)
		f.visit(c.addr())
	}
	return f
}

func (f *footprint) add(c contact) {
	if len(f.first) == 0 {
		f.first = append(f.first, c.addr())
	}
	f.many = f.many || c.addr() != f.first[0]
	if class := c.marks.class(); class.track() != trackEchoes {
		f.portsOf(class).add(c.port())
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
	at := slices.IndexFunc(f.fine, func(m addressMap) bool { return m.base == a>>16 })
	if at < 0 && len(f.fine) < maxFine && f.coarse == nil {
		at = len(f.fine)
		f.fine = append(f.fine, addressMap{base: a >> 16, length: 16})
	}
	if at >= 0 {
		f.fine[at].add(a)
	} else if f.coarse == nil {
		f.coarse = &addressMap{base: a >> 24, length: 8}
		for i := range f.fine {
			f.fine[i].each(func(n uint16) { f.coarse.add(f.fine[i].base<<16 | uint32(n)) })
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
	m.numbers.add(uint16(a >> (16 - m.length)))
}

// widen makes the map of a /8 one of all /16s.
func (m *addressMap) widen() {
	all := addressMap{}
	m.each(func(n uint16) { all.numbers.add(uint16(m.base<<8 | uint32(n>>8))) })
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
		n += f.fine[i].held()
	}
	if hosts = exactly(n); ports.Count <= 1 {
		pairs = hosts
	}
	return
}

func (f *footprint) heldPorts() (n int) {
	for i := range f.ports {
		n += f.ports[i].held()
	}
	return n
}

func (f *footprint) bytes() (n uint64) {
	if f == nil {
		return 0
	}
	for i := range f.ports {
		n += f.ports[i].bytes()
	}
	for i := range f.fine {
		n += f.fine[i].bytes()
	}
	if f.coarse != nil {
		n += f.coarse.bytes()
	}
	return n
}

// tell returns what an alert says: the ports where there is one host, the addresses
// where there are many, and both of a block. Few ports have their place in the
// list of top ports.
func (f *footprint) tell(s *suspect) []schema.Footprint {
	var told []schema.Footprint
	where := f.where(s)
	ports := f.heldPorts()
	for i := range f.ports {
		switch m := &f.ports[i]; {
		case m.class == classOther:
			told = append(told, f.print(schema.Footprint{Of: schema.FootprintProtocols, Prefix: where}, &m.numbers))
		case !f.many || ports > listedPorts:
			proto := schema.ProtoName(m.class.proto(0))
			told = append(told, f.print(schema.Footprint{Of: schema.FootprintPorts, Prefix: where, Proto: proto}, &m.numbers))
		}
	}
	if !f.many && len(f.ports) > 0 {
		return told
	}
	for i := range f.fine {
		if m := &f.fine[i]; f.coarse == nil || m.held() >= worthAMap {
			told = append(told, f.print(schema.Footprint{Of: schema.FootprintAddresses, Prefix: m.prefix()}, &m.numbers))
		}
	}
	if m := f.coarse; m != nil {
		told = append(told, f.print(schema.Footprint{Of: schema.FootprintNetworks, Prefix: m.prefix()}, &m.numbers))
	}
	return told
}

func (f *footprint) print(p schema.Footprint, n *numbers) schema.Footprint {
	p.Partial = f.partial
	p.SetNumbers((*[schema.FootprintBits / 64]uint64)(n.bitmap()))
	return p
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

func v4Addr(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}
