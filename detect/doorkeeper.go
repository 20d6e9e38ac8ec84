package detect

import "github.com/scanhound/scanhound/schema"

// doorkeeper lets a new source in, once memory is short, only after it has
// touched several distinct targets: a spoofed flood of sources with one contact
// each stays outside, and costs the doorkeeper's own fixed memory.
//
// It remembers (source, target) pairs in two bit filters, the older of which is
// forgotten when the newer is full, and counts distinct targets of a source in a
// small table whose counters halve at the same time.
type doorkeeper struct {
	recent, older []uint64
	targets       []uint8 // by hash of the source
	fill          int
}

const (
	doorBits     = 1 << 23 // of each filter: 1 MiB
	doorFill     = doorBits / 8
	doorCounters = 1 << 20
)

// pass counts a contact of a source outside and says whether it may come in:
// whether it has touched want distinct targets.
func (k *doorkeeper) pass(source, contact uint64, want uint8) bool {
	if want <= 1 {
		return true
	}
	if k.recent == nil {
		k.recent, k.older = make([]uint64, doorBits/64), make([]uint64, doorBits/64)
		k.targets = make([]uint8, doorCounters)
	}
	who := &k.targets[schema.Mix64(source)%doorCounters]
	pair := schema.Mix64(source ^ schema.Mix64(contact))
	if seen(k.recent, pair) || seen(k.older, pair) {
		return *who >= want
	}
	mark(k.recent, pair)
	if k.fill++; k.fill >= doorFill {
		k.turn()
	}
	if *who < 255 {
		*who++
	}
	return *who >= want
}

func (k *doorkeeper) turn() {
	k.recent, k.older, k.fill = k.older, k.recent, 0
	clear(k.recent)
	for i := range k.targets {
		k.targets[i] /= 2
	}
}

// Two bits of a hash: with an eighth of the bits set, one pair in 20 is taken for
// one that was seen, which only costs it a contact.
func seen(filter []uint64, h uint64) bool {
	a, b := h%doorBits, h>>32%doorBits
	return filter[a/64]>>(a%64)&1 != 0 && filter[b/64]>>(b%64)&1 != 0
}

func mark(filter []uint64, h uint64) {
	a, b := h%doorBits, h>>32%doorBits
	filter[a/64] |= 1 << (a % 64)
	filter[b/64] |= 1 << (b % 64)
}
