package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestADistinctCountIsExactWhileSmallAndWithinItsErrorBeyond(t *testing.T) {
	for _, n := range []int{1, 100, fewHashes, 1000, 10_000, 65_536, 200_000} {
		var squares float64
		const runs = 6
		for run := range runs {
			r := rand.New(rand.NewPCG(uint64(n), uint64(run)))
			var d distinct
			for i := range n {
				h := r.Uint64()
				pane := uint16(i * windowMax / n)
				d.add(h, pane, pane)
				d.add(h, pane, pane)
			}
			c := d.count(windowMax-1, windowMax)
			off := float64(c.Count)/float64(n) - 1
			squares += off * off
			if c.Exact != (n <= fewHashes) || c.Exact && off != 0 {
				t.Errorf("%d counted as %v", n, c)
			}
		}
		if rms := math.Sqrt(squares / runs); rms > 2*stderrShare {
			t.Errorf("%d: off by %.2f %% rms", n, 100*rms)
		}
	}
}

func TestADistinctCountSlides(t *testing.T) {
	var d distinct
	r := rand.New(rand.NewPCG(1, 1))
	for pane := range uint16(900) {
		for range 100 {
			d.add(r.Uint64(), pane, pane)
		}
	}
	for _, panes := range []uint16{9, 99, 399} {
		want := 100 * (float64(panes) + 1)
		if got := float64(d.count(899, panes).Count); math.Abs(got/want-1) > 0.04 {
			t.Errorf("the last %d panes: %v, want %v", panes+1, got, want)
		}
	}
}

// A register must answer every horizon like the whole list of what it was told.
func TestARegisterForgetsOnlyWhatCannotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type seen struct{ rank, pane uint16 }
		var all []seen
		var r register
		now := rapid.Uint16Range(0, paneMask).Draw(t, "start")
		for range rapid.IntRange(1, 4).Draw(t, "n") { // up to depth nothing is dropped for room
			now = (now + rapid.Uint16Range(0, 50).Draw(t, "step")) & paneMask
			s := seen{rapid.Uint16Range(1, 51).Draw(t, "rank"), (now - rapid.Uint16Range(0, 60).Draw(t, "late")) & paneMask}
			all = append(all, s)
			r.add(s.rank, s.pane, now)
		}
		for panes := range uint16(260) {
			var want uint16
			for _, s := range all {
				if age(now, s.pane) <= panes {
					want = max(want, s.rank)
				}
			}
			if got := r.rank(now, panes); got != want {
				t.Fatalf("%d panes: rank %d, want %d of %v in %v", panes, got, want, all, r)
			}
		}
	})
}

func TestAPaneIsFiveMinutesOrAFractionOfALongWindow(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Hour: 5 * time.Minute, 24 * time.Hour: 5 * time.Minute, 512 * 10 * time.Minute: 10 * time.Minute,
	} {
		if got := paneLength(window); got != want {
			t.Errorf("%v: %v, want %v", window, got, want)
		}
	}
}

func TestASampleStandsForTheWholeSet(t *testing.T) {
	var s contacts
	const n = 50_000
	for i := range n {
		c := contact{port: uint16(i), proto: 6, stamp: stamp(i), bits: failed}
		c.addr[15] = byte(i >> 16)
		h := c.hash()
		if s.find(&c, h) == nil {
			s.add(c, h, 0)
		}
		if found := s.find(&c, h); (found != nil) != s.sampled(h) {
			t.Fatalf("contact %d: in the set %v, in the sample %v", i, found != nil, s.sampled(h))
		}
	}
	if off := float64(s.estimate())/n - 1; math.Abs(off) > 0.1 || len(s.list) > maxContacts {
		t.Errorf("%d kept, standing for %d of %d", len(s.list), s.estimate(), n)
	}
	s.expire(n - 10_000)
	for _, c := range s.list {
		if c.stamp < n-10_000 || s.find(&c, c.hash()) == nil {
			t.Errorf("%v after the window", c)
		}
	}
}
