package detect

import (
	"math/bits"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// numbers is a set of 16-bit numbers: a sorted list while there are few, else a
// bitmap of 8 KiB.
type numbers struct {
	few  []uint16
	bits *bitmap
}

type bitmap [schema.FootprintBits / 64]uint64

const fewNumbers = 128

func (n *numbers) add(i uint16) {
	if n.bits != nil {
		n.bits[i>>6] |= 1 << (i & 63)
		return
	}
	at, known := slices.BinarySearch(n.few, i)
	switch {
	case known:
	case len(n.few) < fewNumbers:
		n.few = slices.Insert(n.few, at, i)
	default:
		n.bits = n.bitmap()
		n.few = nil
		n.add(i)
	}
}

func (n *numbers) has(i uint16) bool {
	if n.bits != nil {
		return n.bits[i>>6]>>(i&63)&1 != 0
	}
	_, known := slices.BinarySearch(n.few, i)
	return known
}

func (n *numbers) merge(o *numbers) {
	if o.bits == nil {
		for _, i := range o.few {
			n.add(i)
		}
		return
	}
	n.bits, n.few = n.bitmap(), nil
	for i, w := range o.bits {
		n.bits[i] |= w
	}
}

// bitmap is the set as a bitmap; what it returns may be its own.
func (n *numbers) bitmap() *bitmap {
	if n.bits != nil {
		return n.bits
	}
	b := new(bitmap)
	for _, i := range n.few {
		b[i>>6] |= 1 << (i & 63)
	}
	return b
}

// each calls f with every number, ascending.
func (n *numbers) each(f func(uint16)) {
	for i, w := range n.bitmap() {
		for ; w != 0; w &= w - 1 {
			f(uint16(64*i + bits.TrailingZeros64(w)))
		}
	}
}

// held is how many there are.
func (n *numbers) held() (count int) {
	if n.bits == nil {
		return len(n.few)
	}
	for _, w := range n.bits {
		count += bits.OnesCount64(w)
	}
	return count
}

func (n *numbers) bytes() uint64 {
	if n.bits != nil {
		return schema.FootprintBits / 8
	}
	return uint64(cap(n.few)) * 2
}
