// Package lossy holds fixed tables that forget. In a slot, which a hash chooses, one
// thing takes another's place: memory and time are bounded whatever is sent, and nobody
// has to look for room. So what they hold may only ever spare somebody: what is
// forgotten costs a guard, never an alert. What asks a table must live with "I do not
// know", and what is in the slot may be of another: it bears a key or a tag of its own.
//
// A table has one owner, and takes nothing until it is first needed.
package lossy

import "iter"

// Table is a table of slots of E, of which the zero value is free. Which slot a hash has
// is part of what is kept of a table: it is hash modulo the size.
type Table[E any] struct {
	slots []E // a power of two, or nil
}

// Make makes the table, of at least size slots, unless it is made.
func (t *Table[E]) Make(size int) {
	if t.slots == nil {
		t.slots = makeSlots[E](size)
	}
}

func makeSlots[E any](size int) []E {
	n := 1
	for n < size {
		n <<= 1
	}
	return make([]E, n)
}

// Slot is where what has this hash lies, or another in its place; nil while the table
// is not made.
func (t *Table[E]) Slot(hash uint64) *E {
	if len(t.slots) == 0 {
		return nil
	}
	return &t.slots[hash&uint64(len(t.slots)-1)]
}

// All yields every slot with its place, free or not.
func (t *Table[E]) All() iter.Seq2[int, *E] { return each(t.slots) }

// Part is All of one of so many equal parts, with the place in the part.
func (t *Table[E]) Part(part, parts int) iter.Seq2[int, *E] {
	n := len(t.slots) / parts
	return each(t.slots[part*n : (part+1)*n])
}

func each[E any](slots []E) iter.Seq2[int, *E] {
	return func(yield func(int, *E) bool) {
		for i := range slots {
			if !yield(i, &slots[i]) {
				return
			}
		}
	}
}
