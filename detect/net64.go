package detect

import (
	"cmp"
	"net/netip"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// A host with IPv6 has a /64 to itself and can take a fresh address for each
// probe. So a /64 is a source too, once several of its addresses were seen: its
// state is the union of theirs. It is judged only while no single address makes
// most of what it does, or a lone scanner would be reported twice.

// net64 is what is known of a /64 beside its state.
type net64 struct {
	members  [netMembers]member // those with most failed contacts, roughly
	distinct int                // addresses seen while it had fewer than netFrom
	failed   uint32             // contacts of all addresses
	seen     uint32             // second
}

// nets are the /64s by the segments of their keys: those of a segment are written with it.
type nets struct {
	of   [1 << segmentBits]map[uint64]*net64
	held int
}

// get returns what is known of a /64, a new one if nothing; nil if there are too many.
func (n *nets) get(key uint64) *net64 {
	seg, _ := home(key)
	at := n.of[seg][key]
	if at != nil || n.held >= maxNets {
		return at
	}
	if n.of[seg] == nil {
		n.of[seg] = map[uint64]*net64{}
	}
	at = new(net64)
	n.of[seg][key] = at
	n.held++
	return at
}

type member struct {
	key    uint64
	failed uint32
}

const (
	netFrom    = 3 // addresses that make a /64 a source
	netMembers = 8
	netShare   = 0.6     // of the failed contacts, that one address may have
	maxNets    = 1 << 16 // 150 bytes each
	netKeyMark = 0x5ca1ab1e
)

// countNet adds a contact of an IPv6 source to the state of its /64.
func (d *Detector) countNet(source uint64, c contact, hash uint64, g *sighting) {
	prefix, err := g.f.Src.Addr.WithZone("").Prefix(64)
	if err != nil {
		return
	}
	key := netKeyOf(prefix.Addr())
	if g.f.Exporter.Sampling > 1 {
		key = sampledKey(key)
	}
	if d.ledger.awaits(key) {
		return
	}
	n := d.ledger.nets.get(key)
	if n == nil {
		return
	}
	n.seen = d.second
	if isNew := n.contribute(source, c.marks.isProbe()); n.distinct < netFrom {
		if !isNew {
			return
		}
		if n.distinct++; n.distinct < netFrom {
			return
		}
		d.unite(key, n, prefix.Addr(), g)
	}
	row := *g
	row.source, row.net, row.eligible = prefix.Addr(), true, n.shared()
	d.add(d.ledger.table.find(key), key, c, hash, &row)
}

// netKeyOf is the address of a /64 as a table key, other than that of the address itself.
func netKeyOf(prefix netip.Addr) uint64 { return keyOf(prefix) ^ netKeyMark | keyV6 }

// contribute notes that an address was active, and whether it is one that is not
// among those remembered. A newcomer takes the place of the one with least.
func (n *net64) contribute(source uint64, probe bool) (isNew bool) {
	least := 0
	at := -1
	for i := range n.members {
		if n.members[i].key == source {
			at = i
		}
		if n.members[i].failed < n.members[least].failed || n.members[i].key == 0 && n.members[least].key != 0 {
			least = i
		}
	}
	if isNew = at < 0; isNew {
		at = least
		n.members[at] = member{key: source}
	}
	if probe {
		n.members[at].failed++
		n.failed++
	}
	return isNew
}

// shared reports whether no address has most of the failed contacts.
func (n *net64) shared() bool {
	most := uint32(0)
	for _, m := range n.members {
		most = max(most, m.failed)
	}
	return float64(most) < netShare*float64(n.failed)
}

// unite gives the /64 what its first addresses hold.
func (d *Detector) unite(key uint64, n *net64, prefix netip.Addr, g *sighting) {
	for _, m := range n.members {
		s := d.ledger.table.find(m.key)
		if s == nil {
			continue
		}
		var held []contact
		if s.bits&slotAccount == 0 {
			held = append(held, contact{s.word, s.one})
		} else {
			d.ledger.each(d.ledger.accounts.at(uint32(s.word)), func(c contact) { held = append(held, c) })
		}
		for _, c := range held {
			row := *g
			row.source, row.net, row.eligible, row.o = prefix, true, false, c.outcome()
			row.t = d.units.timeOf(c.stamp(), d.clock.now)
			d.add(d.ledger.table.find(key), key, c, c.hash(), &row)
		}
	}
}

// merge joins another state of the /64: counts are no union, who is further on stays.
func (n *net64) merge(o *net64) {
	order := cmp.Or(cmp.Compare(o.seen, n.seen), cmp.Compare(o.failed, n.failed), cmp.Compare(o.distinct, n.distinct))
	for i := range n.members {
		order = cmp.Or(order, cmp.Compare(o.members[i].key, n.members[i].key), cmp.Compare(o.members[i].failed, n.members[i].failed))
	}
	if order > 0 {
		*n = *o
	}
}

// forgetNets drops the networks that the window has nothing of.
func (l *ledger) forgetNets() {
	for _, of := range l.nets.of {
		for key, n := range of {
			if l.second-n.seen > l.windowSeconds {
				delete(of, key)
				l.nets.held--
			}
		}
	}
}

// netState is what is held of a /64 beside its state.
type netState struct {
	key uint64
	net64
}

// wireNets writes or reads those of a part (in the words of slice.go):
//
//	/64       key:8 (key:8 failed:u)*8 distinct:s failed:u seen:ago
func (x *slice) wireNets(w *wire.Wire) {
	wire.List(w, &x.nets, minNet, maxNets, func(n *netState) {
		w.U64(&n.key)
		for i := range n.members {
			w.U64(&n.members[i].key)
			wire.Num(w, &n.members[i].failed)
		}
		wire.Signed(w, &n.distinct)
		wire.Num(w, &n.failed)
		w.Back(&n.seen, x.second())
		seg, _ := home(n.key)
		w.Check(seg == uint64(x.part) && n.key&keyV6 != 0, "a /64 of another part")
	})
}
