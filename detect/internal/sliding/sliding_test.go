package sliding

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

const windowPanes = 676 // of a window of 48 h

func at(pane uint16) *Window { return &Window{Now: pane & paneMask, Panes: windowPanes} }

func TestADistinctCountIsExactWhileSmallAndWithinItsErrorBeyond(t *testing.T) {
	for _, n := range []int{1, 100, fewHashes, 1000, 10_000, 65_536, 200_000} {
		var squares float64
		const runs = 6
		for run := range runs {
			r := rand.New(rand.NewPCG(uint64(n), uint64(run)))
			var d Distinct
			for i := range n {
				h := r.Uint64()
				pane := uint16(i * windowPanes / n)
				d.Add(h, pane, at(pane))
				d.Add(h, pane, at(pane))
			}
			c, exact := d.Count(at(windowPanes-1), windowPanes)
			off := float64(c)/float64(n) - 1
			squares += off * off
			if exact != (n <= fewHashes) || exact && off != 0 {
				t.Errorf("%d counted as %d, exactly: %v", n, c, exact)
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
		var d Distinct
		for i := range n {
			pane := uint16(i * windowPanes / n)
			d.Add(r.Uint64(), pane, at(pane))
		}
		for _, panes := range []uint16{1, 20, windowPanes} {
			w := at(windowPanes - 1)
			got, _ := d.Count(w, panes)
			if want := d.Sketch(precision, w, panes).Estimate(); got != want {
				t.Fatalf("the last %d panes of %d: %d, axiomhq says %d", panes, n, got, want)
			}
		}
	})
}

func TestADistinctCountSlides(t *testing.T) {
	var d Distinct
	r := rand.New(rand.NewPCG(1, 1))
	for pane := range uint16(1500) {
		for range 100 {
			d.Add(r.Uint64(), pane&paneMask, at(pane))
		}
	}
	for _, panes := range []uint16{9, 99, 399} {
		want := 100 * (float64(panes) + 1)
		if got, _ := d.Count(at(1499), panes); math.Abs(float64(got)/want-1) > 0.05 {
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

func TestWhatIsOlderThanTheWindowIsDropped(t *testing.T) {
	for _, n := range []int{100, 20_000} {
		r := rand.New(rand.NewPCG(uint64(n), 3))
		var d Distinct
		for i := range n {
			pane := uint16(i * 200 / n)
			d.Add(r.Uint64(), pane, at(pane))
		}
		before := d.Clone()
		d.Expire(at(199), windowPanes-99) // as if so many panes had gone by
		all, _ := before.Count(at(199), windowPanes)
		kept, _ := d.Count(at(199), windowPanes)
		if last, _ := before.Count(at(199), 99); kept != last || kept == 0 || kept >= all {
			t.Errorf("%d of %d are kept, the last 100 panes have %d", kept, all, last)
		}
		if d.Expire(at(199), windowPanes+1); d.Bytes() > 0 && func() uint64 { n, _ := d.Count(at(199), windowPanes); return n }() != 0 {
			t.Errorf("of %d something is left when all is too old", n)
		}
	}
}

func TestACopyGoesItsOwnWay(t *testing.T) {
	for _, n := range []int{10, 1000} {
		var d Distinct
		r := rand.New(rand.NewPCG(1, 4))
		for range n {
			d.Add(r.Uint64(), 5, at(5))
		}
		was, _ := d.Count(at(5), windowPanes)
		c := d.Clone()
		for range 5000 {
			c.Add(r.Uint64(), 5, at(5))
		}
		if now, _ := d.Count(at(5), windowPanes); now != was {
			t.Errorf("%d became %d when a copy grew", was, now)
		}
	}
}

func TestACountSaysWhatItTakesAndWhatItsErrorIs(t *testing.T) {
	var d Distinct
	if _, registers := d.PrefetchDepth(); registers || d.Bytes() != 0 || d.PrefetchCell(1<<63) != 0 {
		t.Errorf("an empty count takes %d bytes", d.Bytes())
	}
	for i := range uint64(1000) {
		d.Add(i<<50|1<<40, 7, at(7))
	}
	depth, registers := d.PrefetchDepth()
	if d.Bytes() != RegisterBytes || !registers || depth != 1 || d.PrefetchCell(5<<50) != uint64(d.regs.of(5)[0]) {
		t.Errorf("1000 hashes take %d bytes, in registers of depth %d", d.Bytes(), depth)
	}
	if got := Stderr(10_000); got != 81.3 {
		t.Errorf("the error of 10,000 is %v", got)
	}
}
