package sliding

func newRegisters(depth int) *registers {
	return &registers{cells: make([]uint16, depth<<precision), depth: depth}
}

func (r *registers) add(hash uint64, pane uint16, w *Window) {
	rank := uint16(1)
	for rest := hash << precision; rest>>63 == 0 && rank <= 64-precision; rest <<= 1 {
		rank++
	}
	at := int(hash>>(64-precision)) * r.depth
	if !w.add(r.cells[at:at+r.depth], rank, pane&paneMask) {
		return
	}
	if r.dropped++; r.dropped > maxDrops && r.depth < maxDepth {
		r.grow()
	}
}

func (r *registers) grow() {
	deeper := newRegisters(2 * r.depth)
	for i := range 1 << precision {
		copy(deeper.cells[i*deeper.depth:], r.cells[i*r.depth:(i+1)*r.depth])
	}
	*r = *deeper
}

// add merges one observation into a register; what it dominates goes, and so
// does it if it is dominated. It reports whether one had to be dropped for room.
func (w *Window) add(register []uint16, rank, pane uint16) (dropped bool) {
	fresh := w.age(pane)
	var kept [maxDepth + 1]uint16
	n, placed := 0, false
	for _, e := range register {
		if e == 0 {
			break
		}
		age := w.age(e & paneMask)
		if age > w.Panes {
			break // expired, and so is all behind it
		}
		if age <= fresh && e>>PaneBits >= rank {
			return false // already known as new and as high; nothing before it was changed
		}
		if !placed && fresh <= age {
			kept[n], placed = rank<<PaneBits|pane, true
			n++
		}
		if age >= fresh && e>>PaneBits <= rank {
			continue
		}
		kept[n] = e
		n++
	}
	if !placed {
		kept[n] = rank<<PaneBits | pane
		n++
	}
	if dropped = n > len(register); dropped {
		w.thin(kept[:n])
	}
	copy(register, kept[:])
	return dropped
}

// thin drops the one of too many pairs that will be missed for the shortest
// time: a pair counts from when its older neighbour expires until it expires
// itself. The oldest has the highest rank, and counts now.
func (w *Window) thin(kept []uint16) {
	drop, shortest := 0, uint16(paneMask)
	for i := range len(kept) - 1 {
		if gap := w.age(kept[i+1]&paneMask) - w.age(kept[i]&paneMask); gap < shortest {
			drop, shortest = i, gap
		}
	}
	copy(kept[drop:], kept[drop+1:])
}

// rank is the highest rank of register i within the last panes panes.
func (r *registers) rank(i int, w *Window, panes uint16) (highest uint16) {
	for _, e := range r.cells[i*r.depth : (i+1)*r.depth] {
		if e == 0 || w.age(e&paneMask) > panes {
			break
		}
		highest = max(highest, e>>PaneBits)
	}
	return highest
}

// hashOfRank is a hash that belongs to register i and has this rank.
func hashOfRank(i uint64, rank uint16) uint64 {
	h := i << (64 - precision)
	if rank <= 64-precision {
		h |= 1 << (64 - precision - rank)
	}
	return h
}
