package detect

import (
	"encoding/binary"
	"math/bits"
)

func (w *wire) sketches(s *sketches, v4 bool) {
	w.u8((*uint8)(&s.mode))
	num(w, &s.told)
	w.check(s.mode <= sketchFromHost, "sketches of a kind that nobody knows")
	if s.mode == sketchNone {
		return
	}
	w.u32(&s.oneHost)
	w.portKey(&s.onePort)
	w.distinct(&s.hosts)
	w.distinct(&s.ports)
	w.distinct(&s.pairs)
	if w.reading {
		s.footprint = new(footprint)
	}
	w.footprint(s.footprint, v4)
	w.failures(&s.failures)
}

func (w *wire) failures(f *failures) {
	for i := range f.fine {
		w.numbers(&f.fine[i])
	}
	list(w, &f.latest, 8, latestFailures, func(l *failure) {
		w.u32(&l.addr)
		w.u32(&l.ms)
	})
	signed(w, &f.next)
	w.check(f.next == 0 || f.next > 0 && f.next < len(f.latest) && len(f.latest) == latestFailures, "failures that begin nowhere")
}

// distinct is the depth of its registers and these, or 0 and the few hashes.
func (w *wire) distinct(d *distinct) {
	depth := uint8(0)
	if d.regs != nil {
		depth = uint8(d.regs.depth)
	}
	w.u8(&depth)
	if depth == 0 {
		list(w, &d.few, 10, fewHashes, func(h *hashAt) {
			w.u64(&h.hash)
			w.u16(&h.pane)
			w.check(h.pane <= paneMask, "a pane that is none")
		})
		return
	}
	if w.reading {
		if depth > maxDepth || bits.OnesCount8(depth) != 1 {
			w.fail("registers of a depth that none have")
			return
		}
		d.regs = w.readRegisters(int(depth))
	} else {
		w.writeRegisters(d.regs)
	}
	if d.regs != nil {
		signed(w, &d.regs.dropped)
	}
}

// writeRegisters writes a bit for each cell, and then the cells that are taken.
func (w *wire) writeRegisters(r *registers) {
	at := len(w.b)
	w.b = append(w.b, make([]byte, len(r.cells)/8)...)
	for i, c := range r.cells {
		if c != 0 {
			w.b[at+i/8] |= 1 << (i % 8)
			w.b = binary.BigEndian.AppendUint16(w.b, c)
		}
	}
}

func (w *wire) readRegisters(depth int) *registers {
	taken := w.take(depth << precision / 8)
	n := 0
	for _, b := range taken {
		n += bits.OnesCount8(b)
	}
	cells := w.take(2 * n)
	if w.err != nil {
		return nil
	}
	r := newRegisters(depth)
	for i, b := range taken {
		for ; b != 0; b &= b - 1 {
			at := 8*i + bits.TrailingZeros8(b)
			c := binary.BigEndian.Uint16(cells)
			cells = cells[2:]
			r.cells[at] = c
			if c>>paneBits == 0 || c>>paneBits > 64-precision+1 || at%depth > 0 && r.cells[at-1] == 0 {
				w.fail("a register with a rank that none has")
				return nil
			}
		}
	}
	return r
}

// footprint: whose source is v4 is told by its address.
func (w *wire) footprint(f *footprint, v4 bool) {
	coarse := f.coarse != nil
	f.v4 = v4
	w.bits(&f.partial, &f.many, &coarse)
	w.time(&f.since)
	list(w, &f.ports, 2, int(classOther)+1, func(m *portMap) {
		w.u8((*uint8)(&m.class))
		w.check(m.class <= classOther, "a port of no protocol")
		w.numbers(&m.numbers)
	})
	list(w, &f.fine, 3, maxFine, func(m *addressMap) {
		m.length = 16
		w.addressMap(m)
	})
	if coarse {
		if w.reading {
			f.coarse = new(addressMap)
		}
		w.u8(&f.coarse.length)
		w.check(f.coarse.length == 8 || f.coarse.length == 0, "a map of networks of no length")
		w.addressMap(f.coarse)
	}
	list(w, &f.first, 4, endTargets, w.u32)
	list(w, &f.last, 4, endTargets, w.u32)
	w.check(v4 || len(f.fine) == 0 && f.coarse == nil, "a map of IPv4 addresses of an IPv6 source")
}

func (w *wire) addressMap(m *addressMap) {
	num(w, &m.base)
	w.check(m.base>>m.length == 0, "a map of a network that is none")
	w.numbers(&m.numbers)
}

// numbers is how many there are and the gaps between them, or one more than such a
// list can have and a bitmap.
func (w *wire) numbers(n *numbers) {
	many := n.bits != nil
	count := uint8(len(n.few))
	if many {
		count = fewNumbers + 1
	}
	w.u8(&count)
	if count > fewNumbers {
		w.bitmap(n, count)
		return
	}
	if w.reading && count > 0 {
		if int(count) > len(w.b) {
			w.fail("a list is longer than it can be")
			return
		}
		n.few = make([]uint16, count)
	}
	next := uint32(0) // the lowest that may come
	for i := range n.few {
		gap := uint32(n.few[i]) - next
		num(w, &gap)
		next += gap
		w.check(gap <= 1<<16 && next < 1<<16, "a number beyond 65,535")
		n.few[i] = uint16(next)
		next++
	}
}

func (w *wire) bitmap(n *numbers, count uint8) {
	w.check(count == fewNumbers+1, "a list is longer than it can be")
	if !w.reading {
		for _, word := range n.bits {
			w.b = binary.BigEndian.AppendUint64(w.b, word)
		}
		return
	}
	b := w.take(len(bitmap{}) * 8)
	if b == nil {
		return
	}
	n.bits = new(bitmap)
	for i := range n.bits {
		n.bits[i] = binary.BigEndian.Uint64(b[8*i:])
	}
}
