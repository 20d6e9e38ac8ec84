package sliding

import "cmp"

// Merge joins the hashes of two; what it takes from o is o's no more.
func (d *Distinct) Merge(o *Distinct, w *Window) {
	switch {
	case o.regs == nil:
		for _, h := range o.few {
			d.Add(h.hash, h.pane, w)
		}
	case d.regs == nil:
		few := d.few
		*d = o.Clone()
		for _, h := range few {
			d.Add(h.hash, h.pane, w)
		}
	default:
		d.regs.merge(o.regs, w)
	}
}

// merge unites the pairs of each register.
func (r *registers) merge(o *registers, w *Window) {
	united, dropped := newRegisters(max(r.depth, o.depth)), 0
	for {
		for i := range 1 << precision {
			dropped += w.unite(united.of(i), r.of(i), o.of(i))
		}
		if dropped <= maxDrops || united.depth == maxDepth {
			break
		}
		united, dropped = newRegisters(2*united.depth), 0
	}
	united.dropped = max(r.dropped, o.dropped) + dropped
	*r = *united
}

// of is the cells of register i.
func (r *registers) of(i int) []uint16 { return r.cells[i*r.depth : (i+1)*r.depth] }

// unite fills an empty register with the pairs of two, without those that are
// dominated, and returns how many had to be dropped for room.
func (w *Window) unite(into, a, b []uint16) (dropped int) {
	var kept [2 * maxDepth]uint16
	n, highest := 0, uint16(0)
	for {
		var next uint16
		switch x, y := head(a), head(b); {
		case x == 0 && y == 0:
			for ; n > len(into); n-- {
				w.thin(kept[:n])
				dropped++
			}
			copy(into, kept[:n])
			return dropped
		case y == 0 || x != 0 && w.newer(x, y):
			next, a = x, a[1:]
		default:
			next, b = y, b[1:]
		}
		if next>>PaneBits > highest {
			highest = next >> PaneBits
			kept[n] = next
			n++
		}
	}
}

// head is the first pair of what is left of a register, 0 for none.
func head(register []uint16) uint16 {
	if len(register) == 0 {
		return 0
	}
	return register[0]
}

// newer orders pairs by pane, and those of one pane by rank.
func (w *Window) newer(x, y uint16) bool {
	return cmp.Or(cmp.Compare(w.age(x&paneMask), w.age(y&paneMask)), cmp.Compare(y>>PaneBits, x>>PaneBits)) <= 0
}
