package wire

import (
	"encoding/binary"
	"net/netip"
)

// Unsigned is any unsigned number.
type Unsigned interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Num is an unsigned number as a varint.
func Num[T Unsigned](w *Wire, v *T) {
	if !w.reading {
		w.b = binary.AppendUvarint(w.b, uint64(*v))
		return
	}
	u, n := binary.Uvarint(w.b)
	if n <= 0 || uint64(T(u)) != u {
		w.Fail("a number out of range")
		return
	}
	*v, w.b = T(u), w.b[n:]
}

// Signed is a number, or a time that is one, as a zigzag varint.
func Signed[T ~int | ~int64](w *Wire, v *T) {
	u := uint64(*v)<<1 ^ uint64(int64(*v)>>63)
	Num(w, &u)
	*v = T(int64(u>>1) ^ -int64(u&1))
}

// Back is a second of Unix time, as how long before another it lies.
func (w *Wire) Back(v *uint32, from uint32) {
	ago := from - *v
	Num(w, &ago)
	*v = from - ago
	w.Check(ago <= from, "a time before 1970")
}

// Since is such a second too, or 0 for none.
func (w *Wire) Since(v *uint32, from uint32) {
	ago := uint64(0)
	if *v != 0 {
		ago = uint64(from-*v) + 1
	}
	Num(w, &ago)
	*v = 0
	if ago != 0 {
		w.Check(ago <= uint64(from), "a time before 1970")
		*v = from - uint32(ago-1)
	}
}

// Gap is a place of so many, in an ascending list of them, as how many lie between it and
// next, the first that may be taken; next moves on.
func (w *Wire) Gap(place, next *uint32, places uint32) {
	gap := *place - *next
	Num(w, &gap)
	w.Check(gap < places && *next+gap < places, "a place that there is not")
	*place = *next + gap
	*next = *place + 1
}

// Count is the length of a list of which each element takes at least size bytes.
func (w *Wire) Count(n *int, size, most int) {
	u := uint64(*n)
	Num(w, &u)
	if w.reading && (u > uint64(most) || u > uint64(len(w.b)/size)) {
		w.Fail("a list is longer than it can be")
		u = 0
	}
	*n = int(u)
}

// List is a list of at most most elements of at least size bytes each.
func List[T any](w *Wire, l *[]T, size, most int, element func(*T)) {
	n := len(*l)
	w.Count(&n, size, most)
	if w.reading {
		*l = nil
		if n > 0 {
			*l = make([]T, n)
		}
	}
	for i := range *l {
		element(&(*l)[i])
	}
}

// MaxText is how many bytes a text may have: an address with its zone, the name of a
// protocol.
const MaxText = 64

// Text is a short string behind its length.
func (w *Wire) Text(s *string) {
	n := len(*s)
	w.Count(&n, 1, MaxText)
	if !w.reading {
		w.b = append(w.b, *s...)
		return
	}
	*s = string(w.take(n))
}

// Addr is an address as netip writes it, behind its length.
func (w *Wire) Addr(a *netip.Addr) {
	var s string
	if !w.reading {
		b, _ := a.MarshalBinary() // it never fails
		s = string(b[:min(len(b), MaxText)])
	}
	w.Text(&s)
	if w.reading && w.err == nil && a.UnmarshalBinary([]byte(s)) != nil {
		w.Fail("an address of a length that none has")
	}
}
