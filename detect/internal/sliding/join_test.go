package sliding

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestTheRegistersOfASourceJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := at(900)
		type register [maxDepth]uint16
		draw := func() (r register) {
			for range rapid.IntRange(0, maxDepth).Draw(t, "n") {
				w.add(r[:], rapid.Uint16Range(1, 51).Draw(t, "rank"), rapid.Uint16Range(300, 900).Draw(t, "pane"))
			}
			return r
		}
		a, b := draw(), draw()
		united := func(a, b register) (r register) {
			w.unite(r[:], a[:], b[:])
			return r
		}
		if united(a, a) != a || united(a, b) != united(b, a) {
			t.Fatalf("%v and %v: %v or %v", a, b, united(a, b), united(b, a))
		}
		got, dropped := register{}, 0
		dropped = w.unite(got[:], a[:], b[:])
		for panes := range uint16(windowPanes) {
			rank := func(r register) uint16 { return (&registers{cells: r[:], depth: maxDepth}).rank(0, w, panes) }
			if want := max(rank(a), rank(b)); rank(got) != want && dropped == 0 {
				t.Fatalf("%v and %v within %d panes: %d, want %d", a, b, panes, rank(got), want)
			}
		}
	})
}

// Two halves that overlap, of any size, united in either order, count as the whole does.
func TestTheUnionOfTwoCountsIsTheCountOfAll(t *testing.T) {
	for _, c := range []struct{ n, cut, from int }{{100, 60, 40}, {200, 100, 80}, {2000, 1950, 1900}, {2000, 100, 50}, {40_000, 30_000, 10_000}} {
		for _, turned := range []bool{false, true} {
			var all, one, two Distinct
			r := rand.New(rand.NewPCG(uint64(c.n), 6))
			for i := range c.n {
				h, pane := r.Uint64(), uint16(i*300/c.n)
				w := at(pane)
				all.Add(h, pane, w)
				if i < c.cut {
					one.Add(h, pane, w)
				}
				if i >= c.from {
					two.Add(h, pane, w)
				}
			}
			if turned {
				one, two = two, one
			}
			one.Merge(&two, at(299))
			for _, panes := range []uint16{20, 150, windowPanes} {
				want, exactly := all.Count(at(299), panes)
				got, exact := one.Count(at(299), panes)
				if exact != exactly || math.Abs(float64(got)/float64(want)-1) > 0.002 || exact && got != want {
					t.Errorf("%v, turned %v: %d in the last %d panes, want %d", c, turned, got, panes, want)
				}
			}
		}
	}
}
