package sliding

import (
	"fmt"
	"math"

	"github.com/axiomhq/hyperloglog"
)

// Count returns the distinct hashes of the last panes panes, and whether that is exact.
func (d *Distinct) Count(w *Window, panes uint16) (n uint64, exact bool) {
	if d.regs != nil {
		return d.regs.estimate(w, panes), false
	}
	for _, h := range d.few {
		if w.age(h.pane) <= panes {
			n++
		}
	}
	return n, true
}

// Stderr is the standard error of a count of n that is not exact.
func Stderr(n uint64) float64 {
	const share = 1.04 / (1 << (precision / 2))
	return math.Ceil(float64(n)*share*10) / 10
}

// estimate is what axiomhq's sketch of the same registers says, to the digit, in
// a fiftieth of the time: it takes half a millisecond for its powers of two and
// its feeding, and a scan is measured each time that it has grown.
//
// Both are LogLog-Beta of Qin, Kim and Tung (2016): the number of registers of
// each rank is all that it takes.
func (r *registers) estimate(w *Window, panes uint16) uint64 {
	var ranks [64 - precision + 2]uint32
	for i := range 1 << precision {
		ranks[r.rank(i, w, panes)]++
	}
	const m = 1 << precision
	sum := 0.0
	for rank, n := range ranks {
		sum += float64(n) * math.Ldexp(1, -rank)
	}
	empty := float64(ranks[0])
	alpha := 0.7213 / (1 + 1.079/m)
	return uint64(alpha*m*(m-empty)/(sum+beta14(empty)) + 0.5)
}

// beta14 is the paper's correction for 2^14 registers of which some are empty.
func beta14(empty float64) float64 {
	powers := [...]float64{
		0.00978811941207509, 0.185796293324165, 0.203015527328432, -0.116710521803686,
		0.0431106699492820, -0.00599583540511831, 0.000449704299509437,
	}
	z := math.Log(empty + 1)
	beta, power := -0.371009760230692*empty, 1.0
	for _, p := range powers {
		power *= z
		beta += p * power
	}
	return beta
}

// Sketch is axiomhq's sketch of the last panes panes, of any precision up to ours,
// for whoever merges what several sources touched. It is fed one made-up hash for
// each register, and must be the dense form: the sparse one would count the
// registers instead.
func (d *Distinct) Sketch(precision uint8, w *Window, panes uint16) *hyperloglog.Sketch {
	sketch, err := hyperloglog.NewSketch(precision, false)
	if err != nil {
		panic(fmt.Sprintf("BUG: precision %d: %v", precision, err))
	}
	for _, h := range d.few {
		if w.age(h.pane) <= panes {
			sketch.InsertHash(h.hash)
		}
	}
	if d.regs == nil {
		return sketch
	}
	for i := range uint64(len(d.regs.cells) / d.regs.depth) {
		if rank := d.regs.rank(int(i), w, panes); rank > 0 {
			sketch.InsertHash(hashOfRank(i, rank))
		}
	}
	return sketch
}
