// Package wire names each field of a state once, for writing and for reading: what is
// written is what is read.
//
// A Wire belongs to whoever writes or reads one piece of bytes. It knows nothing of what
// the fields mean, and promises that reading ends with an error, never with a panic or
// with more memory than the bytes are worth, whatever they are.
package wire

import (
	"encoding/binary"
	"fmt"
)

// Wire writes fields behind bytes, or reads them from their beginning. After an error
// all that is read is zero.
type Wire struct {
	b       []byte
	reading bool
	err     error

	// Version is for whoever reads what an earlier program wrote: fields that it did not
	// know are not there.
	Version uint8
}

// Writer writes behind b.
func Writer(b []byte) *Wire { return &Wire{b: b} }

// Reader reads b from its beginning.
func Reader(b []byte) *Wire { return &Wire{b: b, reading: true, Version: newest} }

// Bytes is what was written, or what is still to be read.
func (w *Wire) Bytes() []byte { return w.b }

// newest has every field.
const newest = 255

// Has reports whether a field is there that came with a version. What is written has all.
func (w *Wire) Has(version uint8) bool { return !w.reading || w.Version >= version }

// Reading says whether fields are read, not written.
func (w *Wire) Reading() bool { return w.reading }

// Err is the first thing that was wrong.
func (w *Wire) Err() error { return w.err }

// Fail ends the reading: what is wrong, such as "a port of no protocol".
func (w *Wire) Fail(what string) {
	if w.err == nil {
		w.err = fmt.Errorf("%s, %d bytes before the end", what, len(w.b))
	}
	w.b = nil
}

// Check fails the reading with what unless ok.
func (w *Wire) Check(ok bool, what string) {
	if !ok && w.reading {
		w.Fail(what)
	}
}

// Raw is the next n bytes: to be filled, or to be read. It is nil if there are not so
// many, and good until the next field.
func (w *Wire) Raw(n int) []byte {
	if !w.reading {
		at := len(w.b)
		w.b = append(w.b, make([]byte, n)...)
		return w.b[at:]
	}
	return w.take(n)
}

// take is the next n bytes, or nil.
func (w *Wire) take(n int) []byte {
	if n > len(w.b) {
		w.Fail("it ends early")
		return nil
	}
	b := w.b[:n:n]
	w.b = w.b[n:]
	return b
}

// U8 is a byte.
func (w *Wire) U8(v *uint8) {
	if !w.reading {
		w.b = append(w.b, *v)
	} else if b := w.take(1); b != nil {
		*v = b[0]
	}
}

// U16 is two bytes, big-endian.
func (w *Wire) U16(v *uint16) {
	if !w.reading {
		w.b = binary.BigEndian.AppendUint16(w.b, *v)
	} else if b := w.take(2); b != nil {
		*v = binary.BigEndian.Uint16(b)
	}
}

// U32 is four bytes, big-endian.
func (w *Wire) U32(v *uint32) {
	if !w.reading {
		w.b = binary.BigEndian.AppendUint32(w.b, *v)
	} else if b := w.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

// U64 is eight bytes, big-endian.
func (w *Wire) U64(v *uint64) {
	if !w.reading {
		w.b = binary.BigEndian.AppendUint64(w.b, *v)
	} else if b := w.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

// Bits are up to eight booleans in a byte, the first in the lowest bit.
func (w *Wire) Bits(flags ...*bool) {
	var b uint8
	for i, f := range flags {
		if *f {
			b |= 1 << i
		}
	}
	w.U8(&b)
	for i, f := range flags {
		*f = b>>i&1 != 0
	}
	w.Check(b>>len(flags) == 0, "a flag that nobody knows")
}
