package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

const windowPanes = windowUnits>>paneShift + 1

func at(pane uint16) *paneWindow { return &paneWindow{now: pane & paneMask, window: windowPanes} }

func TestADistinctCountIsExactWhileSmallAndWithinItsErrorBeyond(t *testing.T) {
	for _, n := range []int{1, 100, fewHashes, 1000, 10_000, 65_536, 200_000} {
		var squares float64
		const runs = 6
		for run := range runs {
			r := rand.New(rand.NewPCG(uint64(n), uint64(run)))
			var d distinct
			for i := range n {
				h := r.Uint64()
				pane := uint16(i * windowPanes / n)
				d.add(h, pane, at(pane))
				d.add(h, pane, at(pane))
			}
			c := d.count(at(windowPanes-1), windowPanes)
			off := float64(c.Count)/float64(n) - 1
			squares += off * off
			if c.Exact != (n <= fewHashes) || c.Exact && off != 0 {
				t.Errorf("%d counted as %v", n, c)
			}
		}
		if rms := math.Sqrt(squares / runs); rms > 0.025 {
			t.Errorf("%d: off by %.2f %% rms", n, 100*rms)
		}
	}
}

func TestAnEstimateIsThatOfAxiomhqsSketch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(fewHashes+1, 300_000).Draw(t, "n")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
		var d distinct
		for i := range n {
			pane := uint16(i * windowPanes / n)
			d.add(r.Uint64(), pane, at(pane))
		}
		for _, panes := range []uint16{1, 20, windowPanes} {
			w := at(windowPanes - 1)
			got, want := d.count(w, panes).Count, d.sketch(precision, w, panes).Estimate()
			if got != want {
				t.Fatalf("the last %d panes of %d: %d, axiomhq says %d", panes, n, got, want)
			}
		}
	})
}

func TestADistinctCountSlides(t *testing.T) {
	var d distinct
	r := rand.New(rand.NewPCG(1, 1))
	for pane := range uint16(1500) {
		for range 100 {
			d.add(r.Uint64(), pane&paneMask, at(pane))
		}
	}
	for _, panes := range []uint16{9, 99, 399} {
		want := 100 * (float64(panes) + 1)
		if got := float64(d.count(at(1499), panes).Count); math.Abs(got/want-1) > 0.05 {
			t.Errorf("the last %d panes: %v, want %v", panes+1, got, want)
		}
	}
}

// A register must answer every horizon like the whole list of what it was told.
func TestARegisterForgetsOnlyWhatCannotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type seen struct{ rank, pane uint16 }
		var all []seen
		var r [maxDepth]uint16
		now := rapid.Uint16Range(0, paneMask).Draw(t, "start")
		for range rapid.IntRange(1, maxDepth).Draw(t, "n") { // up to depth nothing is dropped for room
			now = (now + rapid.Uint16Range(0, 50).Draw(t, "step")) & paneMask
			s := seen{rapid.Uint16Range(1, 51).Draw(t, "rank"), (now - rapid.Uint16Range(0, 60).Draw(t, "late")) & paneMask}
			all = append(all, s)
			at(now).add(r[:], s.rank, s.pane)
		}
		for panes := range uint16(260) {
			var want uint16
			for _, s := range all {
				if at(now).age(s.pane) <= panes {
					want = max(want, s.rank)
				}
			}
			if got := (&registers{cells: r[:], depth: maxDepth}).rank(0, at(now), panes); got != want {
				t.Fatalf("%d panes: rank %d, want %d of %v in %v", panes, got, want, all, r)
			}
		}
	})
}

func TestAStampTellsEveryAgeWithinAWindow(t *testing.T) {
	for _, window := range []time.Duration{time.Hour, 48 * time.Hour, 100 * time.Hour, 192 * time.Hour} {
		u := newUnits(window)
		if u.window > windowUnits || time.Duration(u.window+1)*u.length < window {
			t.Errorf("%v: %d units of %v", window, u.window, u.length)
		}
		now := schema.TimeOf(time.Date(2026, 11, 21, 7, 0, 1, 5, time.UTC))
		for _, ago := range []time.Duration{0, time.Minute, window / 2, window} {
			s := u.stamp(now.Add(-ago))
			back := u.timeOf(s, now)
			if d := now.Add(-ago).Sub(back); d < 0 || d >= u.length {
				t.Errorf("%v: %v ago came back %v off", window, ago, d)
			}
			if n := u.stamp(now); s.age(n) > u.window+1 || ago >= u.length && !n.after(s, n) {
				t.Errorf("%v: %v ago has age %d", window, ago, s.age(n))
			}
		}
	}
}
