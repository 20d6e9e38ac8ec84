package detect_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// sameCanon: the states are equal but for the order in which things lie in memory.
func sameCanon(t tester, what string, one, two *detect.Detector) {
	t.Helper()
	for part := range detect.Slices {
		if a, b := one.Canon(part), two.Canon(part); !bytes.Equal(a, b) {
			t.Fatalf("%s (-want +got)\n%s", what, gocmp.Diff(strings.Split(detect.Dump(a), "\n"), strings.Split(detect.Dump(b), "\n")))
		}
	}
}

func TestMergingAStateIntoItselfChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		one, two := newDetector(t, nil), newDetector(t, nil)
		flows := life(r, 1500)
		observe(one, flows, 0)
		observe(two, flows, 0)
		mergeAll(t, two, slicesOf(two))
		sameState(t, one, two)
	})
}

// brisk is life without its pauses: nothing leaves the window, though alerts close.
func brisk(r *rand.Rand, n int) []schema.Flow {
	flows := life(r, n)
	span := flows[0].Received
	for i := range flows {
		span = max(span, flows[i].Received)
	}
	shrink := func(t schema.Time) schema.Time {
		return noon.Add(time.Duration(float64(t-noon) * float64(20*time.Hour) / float64(max(span-noon, 1))))
	}
	for i := range flows {
		f := &flows[i]
		f.Start, f.End, f.Received = shrink(f.Start), shrink(f.End), shrink(f.Received)
	}
	return flows
}

func TestMergingAnEarlierStateIntoALaterOneOrTheOtherWayRoundGivesTheLater(t *testing.T) {
	closed := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
		flows := brisk(r, 2000)
		cut := rapid.IntRange(0, len(flows)).Draw(t, "cut") / 16 * 16
		early, late, twice := newDetector(t, nil), newDetector(t, nil), newDetector(t, nil)
		observe(early, flows[:cut], 0)
		observe(late, flows, 0)
		observe(twice, flows, 0)
		closed += late.Stats().Closed - early.Stats().Closed
		before := slicesOf(early)
		mergeAll(t, early, slicesOf(late))
		mergeAll(t, twice, before)
		sameCanon(t, "later into earlier", late, early)
		sameCanon(t, "earlier into later", late, twice)
	})
	if closed == 0 {
		t.Error("no alert closed between the states")
	}
}

// Any flows into one, any into the other, some into both, in any order.
func TestTheUnionOfTwoStatesHoldsTheContactsOfAllTheirFlows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 9))
		flows := mixture(r.Uint64())
		share := rapid.IntRange(0, 9).Draw(t, "tenths in both")
		var a, b []schema.Flow
		for _, f := range flows {
			which := r.IntN(2)
			if both := r.IntN(10) < share; both || which == 0 {
				a = append(a, f)
			} else if both || which == 1 {
				b = append(b, f)
			}
			if r.IntN(10) < share {
				b = append(b, f)
			}
		}
		for _, l := range [][]schema.Flow{flows, a, b} {
			r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		}
		all, one, two := newDetector(t, nil), newDetector(t, nil), newDetector(t, nil)
		observe(all, flows, 0)
		observe(one, a, 0)
		observe(two, b, 0)
		fromOne := slicesOf(one)
		mergeAll(t, one, slicesOf(two))
		mergeAll(t, two, fromOne)
		if diff := gocmp.Diff(all.Contacts(), one.Contacts()); diff != "" {
			t.Fatalf("second into first (-all +merged)\n%s", diff)
		}
		if diff := gocmp.Diff(all.Contacts(), two.Contacts()); diff != "" {
			t.Fatalf("first into second (-all +merged)\n%s", diff)
		}
		sameCanon(t, "either way", one, two)
	})
}

func TestTheCountsOfUnitedSketchesAreWithinThreeInAHundred(t *testing.T) {
	for name, c := range map[string]struct {
		n, cut, from int // the first has those before cut, the second those from from
		flow         func(i int) schema.Flow
	}{
		"one port": {30_000, 15_000, 10_000, func(i int) schema.Flow {
			return syn(scanner, target(i*977%(1<<24)), 22, time.Duration(i)*time.Millisecond)
		}},
		"ports after one port": {30_000, 15_000, 10_000, func(i int) schema.Flow {
			return syn(scanner, target(i%10_000*977), uint16(22+i/10_000), time.Duration(i)*time.Millisecond)
		}},
		"one port with ports after it": {30_000, 9_000, 8_000, func(i int) schema.Flow {
			return syn(scanner, target(i%10_000*977), uint16(22+i/10_000), time.Duration(i)*time.Millisecond)
		}},
		"one host": {30_000, 15_000, 10_000, func(i int) schema.Flow {
			return syn(scanner, target(1), uint16(i), time.Duration(i)*time.Millisecond)
		}},
		"many by many": {40_000, 25_000, 20_000, func(i int) schema.Flow {
			return syn(scanner, target(i%2000*977), uint16(1000+i/2000), time.Duration(i)*time.Millisecond)
		}},
		"one that is exact with one that is not": {3000, 800, 600, func(i int) schema.Flow {
			return syn(scanner, target(i*977), 22, time.Duration(i)*time.Millisecond)
		}},
		"two that are exact": {1200, 600, 500, func(i int) schema.Flow {
			return syn(scanner, target(i*977), 22, time.Duration(i)*time.Millisecond)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			flows := make([]schema.Flow, c.n)
			for i := range flows {
				flows[i] = c.flow(i)
			}
			for _, order := range []bool{true, false} {
				all, one, two := newDetector(t, nil), newDetector(t, nil), newDetector(t, nil)
				observe(all, flows, 0)
				observe(one, flows[:c.cut], 0)
				if c.from > 1000 {
					observe(two, flows[:1000], 0) // states of one source begin alike
				}
				observe(two, flows[c.from:], c.from)
				if order {
					one, two = two, one
				}
				mergeAll(t, one, slicesOf(two))
				want, got := finals(all.Finish("end")), finals(one.Finish("end"))
				if len(want) != 1 || len(got) == 0 {
					t.Fatalf("%d alerts, of all flows %d", len(got), len(want))
				}
				for _, n := range [][2]schema.Count{{want[0].Hosts, got[0].Hosts}, {want[0].Ports, got[0].Ports}, {want[0].Pairs, got[0].Pairs}} {
					if off := float64(n[1].Count)/float64(n[0].Count) - 1; math.Abs(off) > 0.03 {
						t.Errorf("%v of %v, %.1f %% off", n[1], n[0], 100*off)
					}
				}
			}
		})
	}
}

// The state of an alert that closed is behind that of the same one which goes on, though both have
// closed it once.
func TestAStateInWhichAnAlertGoesOnAgainIsAheadOfTheOneInWhichItHadClosed(t *testing.T) {
	var flows []schema.Flow
	burst := func(from int, at time.Duration) {
		for i := range 30 {
			flows = append(flows, syn(scanner, target(from+i), 22, at+time.Duration(i)*time.Second))
		}
	}
	burst(0, 0)
	flows = append(flows, session(target(200), target(201), 443, 3*time.Hour))
	cut := len(flows) // the alert has closed
	burst(60, 4*time.Hour)
	early, late, twice := newDetector(t, nil), newDetector(t, nil), newDetector(t, nil)
	observe(early, flows[:cut], 0)
	observe(late, flows, 0)
	observe(twice, flows, 0)
	if early.Stats().Closed != 1 || late.Stats().Reopened != 1 {
		t.Fatalf("closed %d, reopened %d", early.Stats().Closed, late.Stats().Reopened)
	}
	before := slicesOf(early)
	mergeAll(t, early, slicesOf(late))
	mergeAll(t, twice, before)
	sameCanon(t, "later into earlier", late, early)
	sameCanon(t, "earlier into later", late, twice)
}
