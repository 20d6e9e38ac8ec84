package detect

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func tcp(addr uint32, port uint16, s stamp) contact {
	return contact{word: uint64(addr)<<32 | uint64(port)<<16 | uint64(s), marks: markStrong | marks(classTCP+1)<<classShift}
}

// A set holds what a map would, through growing, shrinking, removal and reuse of
// its blocks by another set.
func TestASetHoldsWhatAMapWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b slab
		var sets [2]set
		want := [2]map[uint64]contact{{}, {}}
		for range rapid.IntRange(1, 600).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "set")
			c := tcp(rapid.Uint32Range(0, 40).Draw(t, "addr"), rapid.Uint16Range(0, 9).Draw(t, "port"), stamp(rapid.Uint16Range(0, 100).Draw(t, "stamp")))
			s, w := &sets[i], want[i]
			at := s.find(&b, c, c.hash())
			switch _, known := w[c.target()]; {
			case known != (at >= 0):
				t.Fatalf("%v: in the map %v, found at %d", c, known, at)
			case known && rapid.Bool().Draw(t, "remove"):
				s.remove(&b, at)
				delete(w, c.target())
			case known:
				s.change(&b, at, c)
				w[c.target()] = c
			default:
				s.add(&b, c, c.hash(), 100, 1000)
				w[c.target()] = c
			}
			if rapid.IntRange(0, 50).Draw(t, "expire") == 0 {
				s.keep(&b, func(c contact) bool { return c.stamp() >= 50 })
				for k, c := range w {
					if c.stamp() < 50 {
						delete(w, k)
					}
				}
			}
			if int(s.n) != len(w) || s.level != 0 {
				t.Fatalf("%d contacts at level %d, want %d", s.n, s.level, len(w))
			}
		}
		for i := range sets {
			for _, c := range sets[i].all(&b) {
				if want[i][c.target()] != c {
					t.Fatalf("%v is %v in the map", c, want[i][c.target()])
				}
				delete(want[i], c.target())
			}
			if len(want[i]) != 0 {
				t.Fatalf("missing: %v", want[i])
			}
			sets[i].drop(&b)
		}
		if b.live != 0 {
			t.Fatalf("%d places were never given back", b.live)
		}
	})
}

func TestASampleStandsForTheWholeSet(t *testing.T) {
	var b slab
	var s set
	const n = 50_000
	for i := range n {
		c := tcp(uint32(i>>16), uint16(i), stamp(i))
		h := c.hash()
		if s.find(&b, c, h) < 0 {
			s.add(&b, c, h, stamp(i), 65_000)
		}
		if found := s.find(&b, c, h) >= 0; found != s.sampled(h) {
			t.Fatalf("contact %d: in the set %v, in the sample %v", i, found, s.sampled(h))
		}
	}
	if off := float64(s.estimate())/n - 1; math.Abs(off) > 0.1 || s.n > maxContacts {
		t.Errorf("%d kept, standing for %d of %d", s.n, s.estimate(), n)
	}
}
