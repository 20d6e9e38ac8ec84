package detect

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// lookedAt looks at one packet in rate of n targets with so many packets each.
func lookedAt(r *rand.Rand, n, each, rate int) (targets, packets uint64) {
	for range n {
		of := 0
		for range each {
			if r.IntN(rate) == 0 {
				of++
			}
		}
		packets += uint64(of)
		targets += uint64(min(of, 1))
	}
	return targets, packets
}

func TestTheEstimateOfTargetsIsWithinThirtyPercentNearlyAlways(t *testing.T) {
	const n, rounds = 65_535, 60
	for _, c := range []struct {
		each, rate, misses int // how many of the rounds may miss
	}{{1, 1000, 4}, {1, 100, 0}, {1, 10, 0}, {2, 100, 6}, {2, 20, 0}, {3, 100, 6}, {10, 100, 0}} {
		r := rand.New(rand.NewPCG(1, uint64(c.each*c.rate)))
		misses := 0
		for range rounds {
			d, m := lookedAt(r, n, c.each, c.rate)
			got := targetsEstimate(schema.Count{Count: d, Exact: true}, m, uint64(c.rate))
			if got < d || got > max(d, m)*uint64(c.rate) {
				t.Fatalf("%d packets each, 1 in %d: %d of %d seen", c.each, c.rate, got, d)
			}
			if share := float64(got) / n; share < 0.7 || share > 1.3 {
				misses++
			}
		}
		t.Logf("%d packets each, 1 in %d: %d of %d miss", c.each, c.rate, misses, rounds)
		if misses > c.misses {
			t.Errorf("%d packets each, 1 in %d: %d of %d miss", c.each, c.rate, misses, rounds)
		}
	}
}

func TestAnExporterThatHasScaledItsPacketsIsKnownByTwentyRecords(t *testing.T) {
	of := func(rate uint32, packets uint64) *schema.Flow {
		return &schema.Flow{Exporter: schema.Exporter{Addr: netip.MustParseAddr("192.0.2.1"), Sampling: rate}, Src: schema.Side{Packets: packets}}
	}
	n := network{scalings: map[netip.Addr]scaling{}}
	e := evidence{sampling: 10, packets: 300, scaled: 2000, exporters: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	for i := range scaledRecords - 1 {
		if n.learnScaling(of(10, 10)) || n.scaledOf(&e) != 2000 {
			t.Fatalf("by record %d", i)
		}
	}
	if !n.learnScaling(of(10, 30)) || n.scaledOf(&e) != 300 {
		t.Error("20 multiples of 10 are not scaled")
	}
	if n.learnScaling(of(10, 12)) || n.learnScaling(of(10, 10)) || n.scaledOf(&e) != 2000 {
		t.Error("one record that is no multiple, and it is scaled still")
	}
}
