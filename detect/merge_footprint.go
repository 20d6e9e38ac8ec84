package detect

import (
	"cmp"
	"slices"
)

// merge joins what another state of the scan has touched; later says that its last
// hosts are the last of both.
func (f *footprint) merge(o *footprint, later bool) {
	f.partial = f.partial || o.partial
	f.many = f.many || o.many || len(f.first) > 0 && len(o.first) > 0 && f.first[0] != o.first[0]
	for i := range o.ports {
		f.portsOf(o.ports[i].class).merge(&o.ports[i].numbers)
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
		fine[at].merge(&m.numbers)
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
		return cmp.Or(cmp.Compare(b.held(), a.held()), cmp.Compare(a.base, b.base))
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
		f.fine[i].each(func(n uint16) {
			a := f.fine[i].base<<16 | uint32(n)
			if all == nil {
				all = &addressMap{base: a >> 24, length: 8}
			}
			all.add(a)
		})
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
	a.merge(&b.numbers)
	return a
}
