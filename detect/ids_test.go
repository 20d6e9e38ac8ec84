package detect_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Clocks go wrong: flows of one source come hours late, in any order, and its scans open,
// close and go on within the same few minutes of event time. checkLives, in alertsOf, holds
// each id to one opening and to revisions that count up.
func TestNoIDAndRevisionComeTwiceWhateverTheClocksSay(t *testing.T) {
	opened := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 12))
		var flows []schema.Flow
		now := 40 * time.Hour
		for range 3 + r.IntN(12) {
			base, port := r.IntN(1<<20), uint16(1+r.IntN(3000))
			late := []time.Duration{0, time.Minute, 3 * time.Hour, now - 40*time.Hour}[r.IntN(4)] // or back at the beginning
			for i := range 20 + r.IntN(60) {
				at := now - late
				f := syn(scanner, target(base+i), port, at)
				if r.IntN(3) == 0 {
					f = syn(scanner, target(base), port+uint16(i), at)
				}
				f.Received = noon.Add(now)
				flows = append(flows, f)
				now += time.Duration(r.IntN(3000)) * time.Millisecond
			}
			now += []time.Duration{0, 5 * time.Minute, 2 * time.Hour, 5 * time.Hour}[r.IntN(4)]
			flows = append(flows, session(target(1), target(2), 443, now)) // time goes on
		}
		for _, a := range alertsOf(t, newDetector(t, nil), flows) {
			if a.State == schema.Open {
				opened++
			}
		}
	}
	if opened < 200 {
		t.Errorf("%d alerts opened: too few to show anything", opened)
	}
}
