package detect

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// wire writes the fields of a slice behind b, or reads them from its beginning.
// One function for each part of the state names its fields once for both ways, so
// what is written is what is read. After an error all that is read is zero.
type wire struct {
	b       []byte
	reading bool
	err     error
}

// fail ends the reading: what is wrong, such as "a port of no protocol".
func (w *wire) fail(what string) {
	if w.err == nil {
		w.err = fmt.Errorf("%s, %d bytes before the end", what, len(w.b))
	}
	w.b = nil
}

// check fails with what unless ok.
func (w *wire) check(ok bool, what string) {
	if !ok && w.reading {
		w.fail(what)
	}
}

// take returns the next n bytes, or nil.
func (w *wire) take(n int) []byte {
	if n > len(w.b) {
		w.fail("it ends early")
		return nil
	}
	b := w.b[:n:n]
	w.b = w.b[n:]
	return b
}

type unsigned interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

// num is an unsigned number as a varint.
func num[T unsigned](w *wire, v *T) {
	if !w.reading {
		w.b = binary.AppendUvarint(w.b, uint64(*v))
		return
	}
	u, n := binary.Uvarint(w.b)
	if n <= 0 || uint64(T(u)) != u {
		w.fail("a number out of range")
		return
	}
	*v, w.b = T(u), w.b[n:]
}

// signed is a number as a zigzag varint.
func signed[T ~int | ~int64](w *wire, v *T) {
	u := uint64(*v)<<1 ^ uint64(int64(*v)>>63)
	num(w, &u)
	*v = T(int64(u>>1) ^ -int64(u&1))
}

// back is a second of Unix time, as how long before another it lies.
func (w *wire) back(v *uint32, from uint32) {
	ago := from - *v
	num(w, &ago)
	*v = from - ago
	w.check(ago <= from, "a time before 1970")
}

// count is the length of a list of which each element takes at least size bytes.
func (w *wire) count(n *int, size, most int) {
	u := uint64(*n)
	num(w, &u)
	if w.reading && (u > uint64(most) || u > uint64(len(w.b)/size)) {
		w.fail("a list is longer than it can be")
		u = 0
	}
	*n = int(u)
}

// list is a list of at most most elements of at least size bytes each.
func list[T any](w *wire, l *[]T, size, most int, element func(*T)) {
	n := len(*l)
	w.count(&n, size, most)
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

func (w *wire) u8(v *uint8) {
	if !w.reading {
		w.b = append(w.b, *v)
	} else if b := w.take(1); b != nil {
		*v = b[0]
	}
}

func (w *wire) u16(v *uint16) {
	if !w.reading {
		w.b = binary.BigEndian.AppendUint16(w.b, *v)
	} else if b := w.take(2); b != nil {
		*v = binary.BigEndian.Uint16(b)
	}
}

func (w *wire) u32(v *uint32) {
	if !w.reading {
		w.b = binary.BigEndian.AppendUint32(w.b, *v)
	} else if b := w.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

func (w *wire) u64(v *uint64) {
	if !w.reading {
		w.b = binary.BigEndian.AppendUint64(w.b, *v)
	} else if b := w.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

// bits are up to eight booleans in a byte, the first in the lowest bit.
func (w *wire) bits(flags ...*bool) {
	var b uint8
	for i, f := range flags {
		if *f {
			b |= 1 << i
		}
	}
	w.u8(&b)
	for i, f := range flags {
		*f = b>>i&1 != 0
	}
	w.check(b>>len(flags) == 0, "a flag that nobody knows")
}

// text is a short string behind its length.
func (w *wire) text(s *string) {
	n := len(*s)
	w.count(&n, 1, maxText)
	if !w.reading {
		w.b = append(w.b, *s...)
		return
	}
	*s = string(w.take(n))
}

const maxText = 64 // bytes; an address with its zone, the name of a protocol

// addr is an address as netip writes it, behind its length.
func (w *wire) addr(a *netip.Addr) {
	var s string
	if !w.reading {
		b, _ := a.MarshalBinary() // it never fails
		s = string(b[:min(len(b), maxText)])
	}
	w.text(&s)
	if w.reading && w.err == nil && a.UnmarshalBinary([]byte(s)) != nil {
		w.fail("an address of a length that none has")
	}
}

func (w *wire) time(t *schema.Time) { signed(w, t) }
