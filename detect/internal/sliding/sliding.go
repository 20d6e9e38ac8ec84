// Package sliding counts distinct hashes over a window of event time that slides:
// exactly while there are few, with a HyperLogLog beyond whose registers remember when.
//
// Time is a pane, a number that wraps at Panes: whoever counts says which pane is now,
// with each call, and calls Expire several times a window. A Distinct has one owner.
package sliding

import (
	"cmp"
	"slices"
)

// Distinct counts distinct hashes. Its zero value has none.
//
// Each register keeps up to depth pairs of rank and pane, newest first, without
// those that a newer and no lower rank makes irrelevant: the "list of future
// possible maxima" of Chabchoub and Hebrail, "Sliding HyperLogLog" (2010).
type Distinct struct {
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

// Panes is how many panes can be told apart: a window has far fewer.
const Panes = 1 << PaneBits

// PaneBits is the size of a pane's number.
const PaneBits = 10

// RegisterBytes is what a count takes once it has registers.
const RegisterBytes = 2 << precision

const (
	fewHashes = 128
	precision = 14 // standard error 1.04/sqrt(2^14) = 0.81 %; 32 KiB, 128 at full depth
	maxDepth  = 4
	paneMask  = Panes - 1
	maxDrops  = 1 << precision / 64
)

// Window is what is asked, as the clock has it.
type Window struct {
	Now   uint16 // pane
	Panes uint16 // in the window
}

// AllPanes is a window that sees every pane there can be.
const AllPanes = paneMask

func (w *Window) age(pane uint16) uint16 { return (w.Now - pane) & paneMask }

// Add counts hash as seen in pane, which is never after w.Now.
func (d *Distinct) Add(hash uint64, pane uint16, w *Window) {
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
		d.few = slices.DeleteFunc(d.few, func(h hashAt) bool { return w.age(h.pane) > w.Panes })
	}
	if len(d.few) > fewHashes {
		d.regs = newRegisters(1)
		for _, h := range d.few {
			d.regs.add(h.hash, h.pane, w)
		}
		d.few = nil
	}
}

// Bytes is what the count takes beside itself.
func (d *Distinct) Bytes() uint64 {
	if d.regs != nil {
		return uint64(len(d.regs.cells)) * 2
	}
	return uint64(cap(d.few)) * 16
}

// Expire drops what was older than the window extra panes after w.Now. Panes
// wrap: it has to be called several times a window.
func (d *Distinct) Expire(w *Window, extra uint32) {
	old := func(pane uint16) bool { return uint32(w.age(pane))+extra > uint32(w.Panes) }
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

// Clone is a copy that goes its own way.
func (d *Distinct) Clone() Distinct {
	if d.regs == nil {
		return Distinct{few: slices.Clone(d.few)}
	}
	r := *d.regs
	r.cells = slices.Clone(r.cells)
	return Distinct{regs: &r}
}

// PrefetchDepth reads where the registers lie. It and PrefetchCell are for whoever knows
// beforehand what will be added, and waits for memory once for many counts. What they
// return means nothing, but must be used.
func (d *Distinct) PrefetchDepth() (sum uint64, registers bool) {
	if d.regs == nil {
		return 0, false
	}
	return uint64(d.regs.depth), true
}

// PrefetchCell reads what Add of a hash will read of the registers.
func (d *Distinct) PrefetchCell(hash uint64) uint64 {
	if d.regs == nil {
		return 0
	}
	return uint64(d.regs.cells[int(hash>>(64-precision))*d.regs.depth])
}

// Canon gives all that were told the same in any order the same bytes: tests compare
// states so. It does not change what is counted.
func (d *Distinct) Canon() {
	slices.SortFunc(d.few, func(a, b hashAt) int { return cmp.Compare(a.hash, b.hash) })
	if d.regs != nil {
		d.regs.dropped = 0
	}
}
