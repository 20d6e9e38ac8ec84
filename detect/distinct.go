package detect

import "slices"

// distinct counts distinct hashes over the window, which slides: exactly up to
// fewHashes, with a HyperLogLog beyond whose registers remember when.
//
// Each register keeps up to depth pairs of rank and pane, newest first, without
// those that a newer and no lower rank makes irrelevant: the "list of future
// possible maxima" of Chabchoub and Hebrail, "Sliding HyperLogLog" (2010).
type distinct struct {
	few  []hashAt
	regs *registers
}

type hashAt struct {
	hash uint64
	pane uint16
}

// registers are the cells of all registers, depth of them each. A cell is
// rank<<10 | pane, newest first; 0 is empty, since a rank is at least 1.
//
// A scan that runs for minutes needs one cell, a slow one up to four: depth
// doubles when too often one has to be dropped.
type registers struct {
	cells   []uint16
	depth   int
	dropped int // since the depth last grew
}

const (
	fewHashes = 128
	precision = 14 // standard error 1.04/sqrt(2^14) = 0.81 %; 32 KiB, 128 at full depth
	maxDepth  = 4
	paneBits  = 10
	paneMask  = 1<<paneBits - 1
	paneShift = 16 - paneBits // a pane is 64 units: 4 min 16 s of a window of 48 h
	maxDrops  = 1 << precision / 64

	stderrShare = 1.04 / (1 << (precision / 2))
)

// paneOf is the pane of a stamp; panes wrap where stamps do.
func paneOf(s stamp) uint16 { return uint16(s) >> paneShift }

// paneWindow is the window in panes as the clock has it.
type paneWindow struct {
	now    uint16
	window uint16 // panes in the window
}

func (w *paneWindow) age(pane uint16) uint16 { return (w.now - pane) & paneMask }

// add counts hash as seen in pane, which is never after w.now.
func (d *distinct) add(hash uint64, pane uint16, w *paneWindow) {
	if d.regs != nil {
		d.regs.add(hash, pane, w)
		return
	}
	for i := range d.few {
		if h := &d.few[i]; h.hash == hash {
			if w.age(pane) < w.age(h.pane) {
				h.pane = pane
			}
			return
		}
	}
	d.few = append(d.few, hashAt{hash, pane})
	if len(d.few) > fewHashes {
		d.few = slices.DeleteFunc(d.few, func(h hashAt) bool { return w.age(h.pane) > w.window })
	}
	if len(d.few) > fewHashes {
		d.regs = newRegisters(1)
		for _, h := range d.few {
			d.regs.add(h.hash, h.pane, w)
		}
		d.few = nil
	}
}

func (d *distinct) bytes() uint64 {
	if d.regs != nil {
		return uint64(len(d.regs.cells)) * 2
	}
	return uint64(cap(d.few)) * 16
}

// expire drops what was older than the window extra panes after w.now. Panes
// wrap: it has to be called several times a window.
func (d *distinct) expire(w *paneWindow, extra uint32) {
	old := func(pane uint16) bool { return uint32(w.age(pane))+extra > uint32(w.window) }
	d.few = slices.DeleteFunc(d.few, func(h hashAt) bool { return old(h.pane) })
	if d.regs == nil {
		return
	}
	cells := d.regs.cells
	for i := 0; i < len(cells); i += d.regs.depth {
		register := cells[i : i+d.regs.depth]
		kept := register[:0] // newest first: what is kept is a prefix
		for _, e := range register {
			if e != 0 && !old(e&paneMask) {
				kept = append(kept, e)
			}
		}
		clear(register[len(kept):])
	}
}

// clone is a copy that goes its own way.
func (d *distinct) clone() distinct {
	if d.regs == nil {
		return distinct{few: slices.Clone(d.few)}
	}
	r := *d.regs
	r.cells = slices.Clone(r.cells)
	return distinct{regs: &r}
}

func newRegisters(depth int) *registers {
	return &registers{cells: make([]uint16, depth<<precision), depth: depth}
}

func (r *registers) add(hash uint64, pane uint16, w *paneWindow) {
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
func (w *paneWindow) add(register []uint16, rank, pane uint16) (dropped bool) {
	fresh := w.age(pane)
	var kept [maxDepth + 1]uint16
	n, placed := 0, false
	for _, e := range register {
		if e == 0 {
			break
		}
		age := w.age(e & paneMask)
		if age > w.window {
			break // expired, and so is all behind it
		}
		if age <= fresh && e>>paneBits >= rank {
			return false // already known as new and as high; nothing before it was changed
		}
		if !placed && fresh <= age {
			kept[n], placed = rank<<paneBits|pane, true
			n++
		}
		if age >= fresh && e>>paneBits <= rank {
			continue
		}
		kept[n] = e
		n++
	}
	if !placed {
		kept[n] = rank<<paneBits | pane
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
func (w *paneWindow) thin(kept []uint16) {
	drop, shortest := 0, uint16(paneMask)
	for i := range len(kept) - 1 {
		if gap := w.age(kept[i+1]&paneMask) - w.age(kept[i]&paneMask); gap < shortest {
			drop, shortest = i, gap
		}
	}
	copy(kept[drop:], kept[drop+1:])
}

// rank is the highest rank of register i within the last panes panes.
func (r *registers) rank(i int, w *paneWindow, panes uint16) (highest uint16) {
	for _, e := range r.cells[i*r.depth : (i+1)*r.depth] {
		if e == 0 || w.age(e&paneMask) > panes {
			break
		}
		highest = max(highest, e>>paneBits)
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
