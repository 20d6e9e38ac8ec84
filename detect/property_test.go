package detect_test

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

// mixture is scans of every shape among ordinary traffic, in the order of time.
func mixture(seed uint64) []schema.Flow {
	r := rand.New(rand.NewPCG(seed, 1))
	var flows []schema.Flow
	scan := func(who int, f []schema.Flow) {
		delay := time.Duration(r.Int64N(int64(2 * time.Minute)))
		for i := range f {
			f[i].Src.Addr = target(1<<20 + who)
			f[i].Start, f[i].End, f[i].Received = f[i].Start.Add(delay), f[i].End.Add(delay), f[i].Received.Add(delay)
		}
		flows = append(flows, f...)
	}
	scan(1, verticalScan(40+r.IntN(300), 100*time.Millisecond))
	scan(2, horizontalScan(60+r.IntN(300), 22, 100*time.Millisecond))
	scan(3, blockScan(10+r.IntN(10), 30, 50*time.Millisecond))
	for i := range 2000 {
		after := time.Duration(r.Int64N(int64(3 * time.Minute)))
		if who := target(1<<21 + r.IntN(50)); i%10 == 0 {
			flows = append(flows, syn(who, target(r.IntN(5)), 443, after))
		} else {
			flows = append(flows, session(who, target(r.IntN(200)), 443, after))
		}
	}
	slices.SortStableFunc(flows, byStart)
	return flows
}

// laterSessions are those of the mixture's scanners with what they had probed, in
// either direction, while their alerts are open and after these have closed; and those
// of one whose scan is larger than the sets, which closes between.
func laterSessions(seed uint64) []schema.Flow {
	r := rand.New(rand.NewPCG(seed, 4))
	flows := inNoOrder(horizontalScan(1000+r.IntN(2000), 23, 20*time.Millisecond))
	for i := range flows {
		flows[i].Src.Addr = target(1<<20 + 4)
	}
	quiet := scanOfPort(25, horizontalScan(60, 22, time.Second)) // its scan closes for certain
	for i := range quiet {
		quiet[i].Src.Addr = target(1<<20 + 5)
	}
	flows = append(append(flows, quiet...), session(target(1<<20+5), target(7), 25, 3*time.Hour))
	for range 40 {
		who, host := target(1<<20+1+r.IntN(4)), target(1+r.IntN(100))
		at := time.Duration(r.Int64N(int64(34 * time.Hour)))
		if r.IntN(2) == 0 {
			flows = append(flows, session(who, host, []uint16{22, 23}[r.IntN(2)], at))
			continue
		}
		back := connectBackTo(host, who, at)
		flows = append(flows, back)
		back.Hints |= schema.HintCopy
		flows = append(flows, back)
	}
	for i := range 34 * 6 {
		flows = append(flows, session(target(1<<22), target(1<<22+1), 443, time.Duration(i)*10*time.Minute))
	}
	return flows
}

func byStart(a, b schema.Flow) int { return cmp.Compare(a.Start, b.Start) }

// outcomeOf is what must not depend on the order in which flows arrive.
type finding struct {
	source string
	kind   schema.Kind
	hosts  schema.Count
	ports  schema.Count
	pairs  schema.Count
}

func findings(alerts []schema.Alert) (found []finding) {
	for _, a := range finals(alerts) {
		found = append(found, finding{a.Source.String(), a.Kind, a.Hosts, a.Ports, a.Pairs})
	}
	slices.SortFunc(found, func(a, b finding) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.kind, b.kind)) })
	return found
}

func TestAnyOrderAnyDuplicatesAndAnyExportersGiveTheSameAlertedSourcesClassesAndCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		flows := mixture(seed)
		want := findings(alertsOf(t, newDetector(t, nil), flows))
		r := rand.New(rand.NewPCG(seed, 2))
		for range len(flows) / 3 {
			flows = append(flows, flows[r.IntN(len(flows))])
		}
		for i := range flows {
			flows[i].Exporter.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + r.IntN(3))})
		}
		r.Shuffle(len(flows), func(i, j int) { flows[i], flows[j] = flows[j], flows[i] })
		got := findings(alertsOf(t, newDetector(t, nil), flows))
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(finding{})); diff != "" {
			t.Fatalf("seed %d (-in order +shuffled)\n%s", seed, diff)
		}
		if len(want) != 3 {
			t.Fatalf("seed %d: %d scans found, want 3: %v", seed, len(want), want)
		}
	})
}

func TestTheSameOrderGivesTheSameAlertsHoweverItIsCutIntoBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		flows := append(mixture(seed), laterSessions(seed)...)
		slices.SortStableFunc(flows, byStart)
		one, many := newDetector(t, nil), newDetector(t, nil)
		want := slices.Clone(one.Observe(flows, 0))
		var got []schema.Alert
		for len(flows) > 0 {
			n := min(rapid.IntRange(1, 500).Draw(t, "batch"), len(flows))
			got = append(got, many.Observe(flows[:n], 0)...)
			flows = flows[n:]
		}
		want, got = append(want, one.Finish("end")...), append(got, many.Finish("end")...)
		if diff := gocmp.Diff(want, got, cmpopts.EquateComparable(exporter, netip.Prefix{})); diff != "" {
			t.Fatalf("(-at once +in batches)\n%s", diff)
		}
	})
}

// A detector that starts in the middle and reads the window's flows again must
// go on with the ids and revisions of the one before it.
func TestADetectorThatReadsTheWindowAgainSaysTheSameFromThereOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		var flows []schema.Flow
		for i := range 3 { // hours of it, so that updates and closes fall due
			for _, f := range mixture(seed + uint64(i)) {
				shift := time.Duration(i) * 50 * time.Minute
				f.Start, f.End, f.Received = f.Start.Add(shift), f.End.Add(shift), f.Received.Add(shift)
				flows = append(flows, f)
			}
		}
		flows = append(flows, laterSessions(seed)...)
		slices.SortStableFunc(flows, byStart)
		// Before it, flows that the window has forgotten when the second starts.
		old := session(target(1), target(2), 443, -47*time.Hour)
		cut := rapid.IntRange(1, len(flows)-1).Draw(t, "cut")
		if rapid.Bool().Draw(t, "late") { // most flows are of the first hours
			cut = max(1, len(flows)-cut%200)
		}
		one, two := newDetector(t, nil), newDetector(t, nil)
		one.Observe([]schema.Flow{old}, 0)
		one.Observe(flows[:cut], 0)
		two.Observe(flows[:cut], 0) // silently: what it says was said before
		want, got := slices.Clone(one.Observe(flows[cut:], 1)), slices.Clone(two.Observe(flows[cut:], 1))
		want, got = append(want, one.Finish("end")...), append(got, two.Finish("end")...)
		if one.Stats().Reopened == 0 {
			t.Fatalf("seed %d: nobody got in after a close", seed)
		}
		if diff := gocmp.Diff(want, got, cmpopts.EquateComparable(exporter, netip.Prefix{})); diff != "" {
			t.Fatalf("(-first +second)\n%s", diff)
		}
	})
}
