package detect

import "cmp"

// merge joins what another state of a source has counted; w ends with the later
// latest flow. Where both began alike the union is exact, as far as it can be. Where
// they did not, which states of one partition never do, the pairs are those of one.
func (s *sketches) merge(o *sketches, w *paneWindow) {
	s.told = max(s.told, o.told)
	switch {
	case o.mode == sketchNone:
		return
	case s.mode == sketchNone:
		o.told = s.told
		*s = *o
		return
	}
	switch {
	case s.alike(o):
		s.mergePairs(o, w)
	case cmp.Or(cmp.Compare(o.mode, s.mode), cmp.Compare(o.onePort.hash(), s.onePort.hash()), cmp.Compare(o.oneHost, s.oneHost)) > 0:
		s.mode, s.onePort, s.oneHost, s.pairs = o.mode, o.onePort, o.oneHost, o.pairs
	}
	s.hosts.merge(&o.hosts, w)
	s.ports.merge(&o.ports, w)
}

// alike reports whether the pairs of both are the same hashes.
func (s *sketches) alike(o *sketches) bool {
	switch s.mode {
	case sketchOnePort, sketchFromPort:
		return (o.mode == sketchOnePort || o.mode == sketchFromPort) && o.onePort == s.onePort
	case sketchOneHost, sketchFromHost:
		return (o.mode == sketchOneHost || o.mode == sketchFromHost) && o.oneHost == s.oneHost
	}
	return o.mode == s.mode
}

// mergePairs unites what holds the pairs, before hosts and ports are united.
func (s *sketches) mergePairs(o *sketches, w *paneWindow) {
	switch here, there := s.mode >= sketchPairs, o.mode >= sketchPairs; {
	case here:
		s.pairs.merge(o.counted(), w)
	case there:
		s.pairs = s.counted().clone()
		s.pairs.merge(&o.pairs, w)
		s.mode = o.mode
	}
}

// merge joins the hashes of two; what it takes from o is o's no more.
func (d *distinct) merge(o *distinct, w *paneWindow) {
	switch {
	case o.regs == nil:
		for _, h := range o.few {
			d.add(h.hash, h.pane, w)
		}
	case d.regs == nil:
		few := d.few
		*d = o.clone()
		for _, h := range few {
			d.add(h.hash, h.pane, w)
		}
	default:
		d.regs.merge(o.regs, w)
	}
}

// merge unites the pairs of each register.
func (r *registers) merge(o *registers, w *paneWindow) {
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
func (w *paneWindow) unite(into, a, b []uint16) (dropped int) {
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
		if next>>paneBits > highest {
			highest = next >> paneBits
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
func (w *paneWindow) newer(x, y uint16) bool {
	return cmp.Or(cmp.Compare(w.age(x&paneMask), w.age(y&paneMask)), cmp.Compare(y>>paneBits, x>>paneBits)) <= 0
}
