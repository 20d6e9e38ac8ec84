package detect

import (
	"encoding/binary"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// The bytes of a set (in the words of slice.go):
//
//	set       n<<1|odd:u  [odd: level:1 size:1]  n > 0: same:1 columns
//	  same    0 marks, 1 port, 2 address, 3 stamp: the column is one value, else n
//	  columns marks:1.. port:2.. address:4.. stamp:2..
//
// odd are those of a level, or whose block has not the smallest size that fits.

// setState is a set outside of the slab. Its contacts are in the order that gives
// the same block when they are put into an empty one of its size.
type setState struct {
	level, size uint8
	contacts    []contact
}

// shrinkBy is how many sizes too large a block is restored: after so many contacts
// left it, it is not worth its bytes.
const shrinkBy = 5

// copySet appends what a set holds to into, which has room.
func (l *ledger) copySet(s *set, into []contact) setState {
	x := setState{level: s.level, size: s.size, contacts: into[:0]}
	if s.n == 0 {
		return x
	}
	words, marks := s.places(&l.slab)
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
	made := newSet(s, x.size, x.level)
	for _, c := range x.contacts {
		made.insert(s, c, c.hash())
	}
	return made
}

// wire writes or reads one; those of failed targets have a kind of their own.
func (x *setState) wire(w *wire.Wire, failed bool) {
	n := uint64(len(x.contacts))
	usual := x.level == 0 && x.size == fitting(len(x.contacts))
	head := n << 1
	if !usual {
		head |= 1
	}
	wire.Num(w, &head)
	n = head >> 1
	if w.Reading() {
		if n > maxContacts || n > uint64(len(w.Bytes())) {
			w.Fail("a set is larger than it can be")
			return
		}
		x.level, x.size = 0, fitting(int(n))
	}
	if head&1 != 0 {
		w.U8(&x.level)
		w.U8(&x.size)
		if w.Reading() {
			x.readSize(w, int(n))
		}
	}
	if n == 0 {
		return
	}
	if w.Reading() {
		x.contacts = make([]contact, n)
	}
	wireContacts(w, x.contacts)
	if !w.Reading() {
		return
	}
	s := set{level: x.level}
	for _, c := range x.contacts {
		w.Check(c.marks.class() <= classOther, "a contact of no protocol")
		w.Check(c.marks.isProbe() == failed && s.sampled(c.hash()), "a contact in a set that is not its own")
	}
}

// readSize checks the size of the block of n contacts. In version 1 the small blocks had 2, 4, 8
// and 16 places.
func (x *setState) readSize(w *wire.Wire, n int) {
	holds := x.size <= largest && room(x.size) >= n
	if !w.Has(2) && x.size < firstTable {
		holds = 1<<x.size >= n
		x.size = fitting(n)
	}
	w.Check(x.level <= maxLevel && holds && (x.size == 0 || x.size >= smallest), "a set that does not fit its block")
	x.size = min(x.size, max(fitting(n), smallest)+shrinkBy, largest)
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

// wireContacts writes or reads the columns of a list that is not empty.
func wireContacts(w *wire.Wire, l []contact) {
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
	w.U8(&same)
	w.Check(same < 1<<4 && (len(l) == 1 || same&oneTarget != oneTarget), "columns of a set that cannot be")
	if w.Reading() {
		readColumns(w, l, same)
		return
	}
	column := func(bit uint8, size int, put func(c contact, b []byte)) {
		of := l
		if same&bit != 0 {
			of = l[:1]
		}
		b := w.Raw(len(of) * size)
		for i, c := range of {
			put(c, b[i*size:])
		}
	}
	column(oneMarks, 1, func(c contact, b []byte) { b[0] = byte(c.marks) })
	column(onePort, 2, func(c contact, b []byte) { binary.BigEndian.PutUint16(b, c.port()) })
	column(oneAddress, 4, func(c contact, b []byte) { binary.BigEndian.PutUint32(b, c.addr()) })
	column(oneStamp, 2, func(c contact, b []byte) { binary.BigEndian.PutUint16(b, uint16(c.stamp())) })
}

// readMarks: in version 1 classes began at 0, and the bit of what was reached stood for
// anything that was touched.
func readMarks(w *wire.Wire, b uint8) marks {
	if w.Has(2) {
		w.Check(b>>classShift != 0, "a contact of no protocol")
		return marks(b)
	}
	w.Check(b>>classShift <= uint8(classOther), "a contact of no protocol")
	return marks(b)&^markReached + 1<<classShift
}

// wireMarks writes or reads those of one contact.
func wireMarks(w *wire.Wire, m *marks) {
	b := uint8(*m)
	w.U8(&b)
	if w.Reading() {
		*m = readMarks(w, b)
	}
}

func readColumns(w *wire.Wire, l []contact, same uint8) {
	column := func(bit uint8, size int, set func(c *contact, b []byte)) {
		n := len(l)
		if same&bit != 0 {
			n = 1
		}
		b := w.Raw(n * size)
		for i := range l {
			if b != nil {
				set(&l[i], b[i%n*size:])
			}
		}
	}
	column(oneMarks, 1, func(c *contact, b []byte) { c.marks = readMarks(w, b[0]) })
	column(onePort, 2, func(c *contact, b []byte) { c.word |= uint64(binary.BigEndian.Uint16(b)) << 16 })
	column(oneAddress, 4, func(c *contact, b []byte) { c.word |= uint64(binary.BigEndian.Uint32(b)) << 32 })
	column(oneStamp, 2, func(c *contact, b []byte) { c.word |= uint64(binary.BigEndian.Uint16(b)) })
}
