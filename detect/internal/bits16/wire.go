package bits16

import (
	"encoding/binary"
	"math/bits"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// Wire writes or reads a set:
//
//	n:1 gap:varint..   each number less the lowest that it can be
//	129 bitmap         8 KiB, big-endian words
func (s *Set) Wire(w *wire.Wire) {
	count := uint8(len(s.few))
	if s.bits != nil {
		count = fewNumbers + 1
	}
	w.U8(&count)
	if count > fewNumbers {
		w.Check(count == fewNumbers+1, "a list is longer than it can be")
		s.wireBitmap(w)
		return
	}
	if w.Reading() && count > 0 {
		if int(count) > len(w.Bytes()) {
			w.Fail("a list is longer than it can be")
			return
		}
		s.few = make([]uint16, count)
	}
	next := uint32(0) // the lowest that may come
	for i := range s.few {
		gap := uint32(s.few[i]) - next
		wire.Num(w, &gap)
		next += gap
		w.Check(gap <= 1<<16 && next < 1<<16, "a number beyond 65,535")
		s.few[i] = uint16(next)
		next++
	}
}

func (s *Set) wireBitmap(w *wire.Wire) {
	b := w.Raw(len(Bitmap{}) * 8)
	switch {
	case b == nil:
	case w.Reading():
		s.bits = new(sheet)
		for i := range s.bits.words {
			word := binary.BigEndian.Uint64(b[8*i:])
			if s.bits.words[i] = word; word != 0 {
				s.bits.used[i/64] |= 1 << (i % 64)
				s.held += bits.OnesCount64(word)
			}
		}
	default:
		for i, word := range s.bits.words {
			binary.BigEndian.PutUint64(b[8*i:], word)
		}
	}
}
