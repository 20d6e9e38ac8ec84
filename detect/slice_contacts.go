package detect

import (
	"encoding/binary"
	"slices"
)

// setState is a set outside of the slab. Its contacts are in the order that gives
// the same block when they are put into an empty one of its size.
type setState struct {
	level, size uint8
	contacts    []contact
}

// fitting is the smallest size of block for n contacts.
func fitting(n int) (size uint8) {
	for room(size) < n {
		size++
	}
	return size
}

// spare is how many sizes too large a block is restored: after so many contacts
// left it, it is not worth its bytes.
const spare = 6

// copySet appends what a set holds to into, which has room.
func (d *Detector) copySet(s *set, into []contact) setState {
	x := setState{level: s.level, size: s.size, contacts: into[:0]}
	if s.n == 0 {
		return x
	}
	words, marks := d.slab.block(s.block, s.size)
	if s.size <= denseSize {
		for i := range int(s.n) {
			x.contacts = append(x.contacts, contact{words[i], marks[i]})
		}
		return x
	}
	// Behind a free place nobody was pushed on by those at the end of the block.
	first := 0
	for marks[first] != 0 {
		first++
	}
	for i := range words {
		if at := (first + i) & (len(words) - 1); marks[at] != 0 {
			x.contacts = append(x.contacts, contact{words[at], marks[at]})
		}
	}
	return x
}

// fill makes a set of what copySet gave.
func (s *slab) fill(x *setState) set {
	made := set{level: x.level, size: x.size}
	if made.size != 0 {
		made.block = s.get(made.size)
	}
	for _, c := range x.contacts {
		made.place(s, c, c.hash())
	}
	return made
}

// set writes or reads one; those of failed targets have a kind of their own.
func (w *wire) set(x *setState, failed bool) {
	n := uint64(len(x.contacts))
	usual := x.level == 0 && x.size == fitting(len(x.contacts))
	head := n << 1
	if !usual {
		head |= 1
	}
	num(w, &head)
	n = head >> 1
	if w.reading {
		if n > maxContacts || n > uint64(len(w.b)) {
			w.fail("a set is larger than it can be")
			return
		}
		x.level, x.size = 0, fitting(int(n))
	}
	if head&1 != 0 {
		w.u8(&x.level)
		w.u8(&x.size)
		w.check(x.level <= maxLevel && x.size <= largest && room(x.size) >= int(n), "a set that does not fit its block")
		x.size = min(x.size, fitting(int(n))+spare, largest)
	}
	if n == 0 {
		return
	}
	if w.reading {
		x.contacts = make([]contact, n)
	}
	w.contacts(x.contacts)
	if !w.reading {
		return
	}
	s := set{level: x.level}
	for _, c := range x.contacts {
		w.check(c.marks&^markTold&outcomeMarks != 0 && c.marks.class() <= classOther, "a contact without an outcome")
		w.check(c.marks.isProbe() == failed && s.sampled(c.hash()), "a contact in a set that is not its own")
	}
}

// distinctTargets reports whether no target is twice in two lists.
func distinctTargets(a, b []contact) bool {
	if len(a)+len(b) <= 1<<denseSize {
		all := slices.Concat(a, b)
		for i, c := range all {
			if slices.ContainsFunc(all[:i], c.same) {
				return false
			}
		}
		return true
	}
	known := make(map[contact]bool, len(a)+len(b))
	for _, l := range [][]contact{a, b} {
		for _, c := range l {
			known[c.targetOnly()] = true
		}
	}
	return len(known) == len(a)+len(b)
}

// maxLevel is a sample of one in 2^48: more targets than a source can have.
const maxLevel = 48

// What all contacts of a set share is written once.
const (
	oneMarks = 1 << iota
	onePort
	oneAddress
	oneStamp
	oneTarget = oneMarks | onePort | oneAddress
)

// contacts writes or reads the columns of a list that is not empty.
func (w *wire) contacts(l []contact) {
	var differ contact
	for _, c := range l {
		differ.word |= c.word ^ l[0].word
		differ.marks |= c.marks ^ l[0].marks
	}
	var same uint8
	for i, is := range [...]bool{differ.marks == 0, differ.port() == 0, differ.addr() == 0, differ.stamp() == 0} {
		if is {
			same |= 1 << i
		}
	}
	w.u8(&same)
	w.check(same < 1<<4 && (len(l) == 1 || same&oneTarget != oneTarget), "columns of a set that cannot be")
	if w.reading {
		w.readColumns(l, same)
		return
	}
	column := func(bit uint8) []contact {
		if same&bit != 0 {
			return l[:1]
		}
		return l
	}
	for _, c := range column(oneMarks) {
		w.b = append(w.b, byte(c.marks))
	}
	for _, c := range column(onePort) {
		w.b = binary.BigEndian.AppendUint16(w.b, c.port())
	}
	for _, c := range column(oneAddress) {
		w.b = binary.BigEndian.AppendUint32(w.b, c.addr())
	}
	for _, c := range column(oneStamp) {
		w.b = binary.BigEndian.AppendUint16(w.b, uint16(c.stamp()))
	}
}

func (w *wire) readColumns(l []contact, same uint8) {
	column := func(bit uint8, size int, set func(c *contact, b []byte)) {
		n := len(l)
		if same&bit != 0 {
			n = 1
		}
		b := w.take(n * size)
		for i := range l {
			if b != nil {
				set(&l[i], b[i%n*size:])
			}
		}
	}
	column(oneMarks, 1, func(c *contact, b []byte) { c.marks = marks(b[0]) })
	column(onePort, 2, func(c *contact, b []byte) { c.word |= uint64(binary.BigEndian.Uint16(b)) << 16 })
	column(oneAddress, 4, func(c *contact, b []byte) { c.word |= uint64(binary.BigEndian.Uint32(b)) << 32 })
	column(oneStamp, 2, func(c *contact, b []byte) { c.word |= uint64(binary.BigEndian.Uint16(b)) })
}
