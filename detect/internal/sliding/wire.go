package sliding

import (
	"encoding/binary"
	"math/bits"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// Wire writes or reads a count:
//
//	depth:1  0: list(hash:8 pane:2)
//	         1, 2 or 4: a bit for each of 16384*depth cells, those taken:2.. dropped:s
//
// list is how many:varint and them, :s a zigzag varint.
func (d *Distinct) Wire(w *wire.Wire) {
	depth := uint8(0)
	if d.regs != nil {
		depth = uint8(d.regs.depth)
	}
	w.U8(&depth)
	if depth == 0 {
		wire.List(w, &d.few, 10, fewHashes, func(h *hashAt) {
			w.U64(&h.hash)
			w.U16(&h.pane)
			w.Check(h.pane <= paneMask, "a pane that is none")
		})
		return
	}
	if w.Reading() {
		if depth > maxDepth || bits.OnesCount8(depth) != 1 {
			w.Fail("registers of a depth that none have")
			return
		}
		d.regs = readRegisters(w, int(depth))
	} else {
		d.regs.write(w)
	}
	if d.regs != nil {
		wire.Signed(w, &d.regs.dropped)
	}
}

// write writes a bit for each cell, and then the cells that are taken.
func (r *registers) write(w *wire.Wire) {
	n := 0
	for _, c := range r.cells {
		if c != 0 {
			n++
		}
	}
	b := w.Raw(len(r.cells)/8 + 2*n)
	cells := b[len(r.cells)/8:]
	for i, c := range r.cells {
		if c != 0 {
			b[i/8] |= 1 << (i % 8)
			binary.BigEndian.PutUint16(cells, c)
			cells = cells[2:]
		}
	}
}

func readRegisters(w *wire.Wire, depth int) *registers {
	taken := w.Raw(depth << precision / 8)
	n := 0
	for _, b := range taken {
		n += bits.OnesCount8(b)
	}
	cells := w.Raw(2 * n)
	if w.Err() != nil {
		return nil
	}
	r := newRegisters(depth)
	for i, b := range taken {
		for ; b != 0; b &= b - 1 {
			at := 8*i + bits.TrailingZeros8(b)
			c := binary.BigEndian.Uint16(cells)
			cells = cells[2:]
			r.cells[at] = c
			if c>>PaneBits == 0 || c>>PaneBits > 64-precision+1 || at%depth > 0 && r.cells[at-1] == 0 {
				w.Fail("a register with a rank that none has")
				return nil
			}
		}
	}
	return r
}
