package detect

import (
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// The bytes of a footprint (in the words of slice.go):
//
//	footprint flags:1 (0 partial, 1 many, 2 coarse) since:s list(class:1 numbers)
//	          list(base:u numbers) [coarse length:1 base:u numbers] list(first:4) list(last:4)
//
// For numbers see internal/bits16.

// wire: whether the source is v4 is told by its address.
func (f *footprint) wire(w *wire.Wire, v4 bool) {
	coarse := f.coarse != nil
	f.v4 = v4
	w.Bits(&f.partial, &f.many, &coarse)
	wire.Signed(w, &f.since)
	wire.List(w, &f.ports, 2, int(classOther)+1, func(m *portMap) {
		w.U8((*uint8)(&m.class))
		w.Check(m.class <= classOther, "a port of no protocol")
		m.numbers.Wire(w)
	})
	wire.List(w, &f.fine, 3, maxFine, func(m *addressMap) {
		m.length = 16
		m.wire(w)
	})
	if coarse {
		if w.Reading() {
			f.coarse = new(addressMap)
		}
		w.U8(&f.coarse.length)
		w.Check(f.coarse.length == 8 || f.coarse.length == 0, "a map of networks of no length")
		f.coarse.wire(w)
	}
	wire.List(w, &f.first, 4, endTargets, w.U32)
	wire.List(w, &f.last, 4, endTargets, w.U32)
	w.Check(v4 || len(f.fine) == 0 && f.coarse == nil, "a map of IPv4 addresses of an IPv6 source")
}

func (m *addressMap) wire(w *wire.Wire) {
	wire.Num(w, &m.base)
	w.Check(m.base>>m.length == 0, "a map of a network that is none")
	m.numbers.Wire(w)
}

// merge joins what another state of the scan has touched; later says that its last
// hosts are the last of both.
func (f *footprint) merge(o *footprint, later bool) {
	f.partial = f.partial || o.partial
	f.many = f.many || o.many || len(f.first) > 0 && len(o.first) > 0 && f.first[0] != o.first[0]
	for i := range o.ports {
		f.portsOf(o.ports[i].class).numbers.Merge(&o.ports[i].numbers)
	}
	f.mergeAddresses(o)
	if o.since < f.since || o.since == f.since && len(o.first) > len(f.first) {
		f.first = o.first
	}
	if later {
		f.last = o.last
	}
	f.last = slices.DeleteFunc(slices.Clone(f.last), func(h uint32) bool { return slices.Contains(f.first, h) })
	f.since = min(f.since, o.since)
}

func (f *footprint) mergeAddresses(o *footprint) {
	var fine []addressMap
	for _, m := range slices.Concat(f.fine, o.fine) {
		at := slices.IndexFunc(fine, func(known addressMap) bool { return known.base == m.base })
		if at < 0 {
			at = len(fine)
			fine = append(fine, addressMap{base: m.base, length: 16})
		}
		fine[at].numbers.Merge(&m.numbers)
	}
	if len(fine) <= maxFine && f.coarse == nil && o.coarse == nil {
		f.fine = fine
		return
	}
	fine = slices.DeleteFunc(fine, func(m addressMap) bool { return !f.hasAll(m.base) || !o.hasAll(m.base) })
	slices.SortStableFunc(fine, func(a, b addressMap) int {
		if len(fine) <= maxFine {
			return 0
		}
		return cmp.Or(cmp.Compare(b.numbers.Len(), a.numbers.Len()), cmp.Compare(a.base, b.base))
	})
	f.coarse = uniteNetworks(f.networks(), o.networks())
	f.fine = fine[:min(len(fine), maxFine)]
}

// hasAll reports whether nothing that was touched of a /16 is in the coarse map alone.
func (f *footprint) hasAll(base uint32) bool {
	return f.coarse == nil || slices.ContainsFunc(f.fine, func(m addressMap) bool { return m.base == base })
}

// networks is the coarse map, or what it would be; nil if nothing was touched.
func (f *footprint) networks() *addressMap {
	all := f.coarse
	for i := 0; f.coarse == nil && i < len(f.fine); i++ {
		for n := range f.fine[i].numbers.Each {
			a := f.fine[i].base<<16 | uint32(n)
			if all == nil {
				all = &addressMap{base: a >> 24, length: 8}
			}
			all.add(a)
		}
	}
	return all
}

func uniteNetworks(a, b *addressMap) *addressMap {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	if a.length != b.length || a.base != b.base {
		for _, m := range []*addressMap{a, b} {
			if m.length == 8 {
				m.widen()
			}
		}
	}
	a.numbers.Merge(&b.numbers)
	return a
}
