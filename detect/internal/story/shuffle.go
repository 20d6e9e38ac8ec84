package story

import (
	"math/bits"

	"github.com/scanhound/scanhound/schema"
)

// shuffle is the numbers below size in an order without pattern: a Feistel network over the
// next even power of two, walked until it lands below size (Black and Rogaway, "Ciphers with
// Arbitrary Finite Domains", 2002). It is how masscan orders its targets, and holds nothing.
type shuffle struct {
	size uint64
	half uint // bits of each half
	seed uint64
}

// shuffleRounds is enough that neighbours have nothing in common (Luby and Rackoff, 1988: four).
const shuffleRounds = 4

func newShuffle(size, seed uint64) shuffle {
	return shuffle{size: size, half: uint(bits.Len64(max(size, 2)-1)+1) / 2, seed: schema.Mix64(seed)}
}

// at is the i-th number. Behind the last one all come again, in another order.
func (s *shuffle) at(i uint64) uint64 {
	turn, n := i/s.size, i%s.size
	for n = s.mix(turn, n); n >= s.size; {
		n = s.mix(turn, n)
	}
	return n
}

func (s *shuffle) mix(turn, n uint64) uint64 {
	mask := uint64(1)<<s.half - 1
	left, right := n>>s.half, n&mask
	for round := range uint64(shuffleRounds) {
		left, right = right, left^schema.Mix64(s.seed+turn<<8+round^schema.Mix64(right))&mask
	}
	return left<<s.half | right
}
