package detect_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

// delivery is how late an exporter's flows come: all of them so much, each of them up to
// so much more, and those of so long together.
type delivery struct{ lag, jitter, every time.Duration }

func (d delivery) arrival(f *schema.Flow, r *rand.Rand) schema.Time {
	at := f.Start.Add(d.lag + time.Duration(r.Int64N(int64(d.jitter)+1)))
	if every := schema.Time(d.every); every > 0 {
		at = (at + every - 1) / every * every
	}
	return at
}

// scansWithPauses are those of some sources, in bursts, as an exporter has them, and a
// session a minute for so long.
func scansWithPauses(r *rand.Rand, by byte, long time.Duration) (flows []schema.Flow) {
	for i := range 4 {
		who := target(1<<20 + 16*int(by) + i)
		at := time.Duration(r.Int64N(int64(time.Hour)))
		n := 0
		for range 1 + r.IntN(4) {
			step := time.Duration(1+r.IntN(15)) * time.Second
			for range 30 + r.IntN(70) {
				f := syn(who, target(n), 22, at)
				switch i % 3 {
				case 1:
					f = syn(who, target(7), uint16(1000+n), at)
				case 2:
					f = syn(who, target(n%20), uint16(1000+n/20), at)
				}
				flows = append(flows, f)
				n++
				at += step
			}
			// A pause near the hour after which an alert closes may be either.
			if at += time.Duration(1+r.IntN(15)) * time.Minute; r.IntN(2) == 0 {
				at += time.Duration(110+r.IntN(60)) * time.Minute
			}
		}
	}
	for at := time.Duration(0); at < long; at += time.Minute {
		flows = append(flows, session(target(1<<21+int(by)), target(1<<21+100), 443, at))
	}
	for i := range flows {
		flows[i].Exporter.Addr = netip.AddrFrom4([4]byte{192, 0, 2, by})
	}
	return flows
}

// lives are the openings, closes and last counts of each alert of an exporter's scans.
func lives(alerts []schema.Alert, by byte) (of []string) {
	for _, a := range alerts {
		if who := a.Source; who.Less(target(1<<20+16*int(by))) || !who.Less(target(1<<20+16*int(by)+16)) {
			continue
		}
		switch a.State {
		case schema.Open:
			of = append(of, fmt.Sprint(a.Source, " ", a.ID, " opens"))
		case schema.Close:
			of = append(of, fmt.Sprint(a.Source, " ", a.ID, " closes ", a.Kind, a.Hosts, a.Ports, a.Pairs))
		}
	}
	slices.Sort(of)
	return of
}

func TestASlowExporterBesideAFastOneChangesNothingInTheLifeOfAnAlert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
		minutes := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Minute
		}
		const long = 20 * time.Hour
		deliveries := map[byte]delivery{
			1: {0, time.Second, 0},
			2: {minutes("lag", 120), minutes("jitter", 20), minutes("together", 10)},
		}
		var both []schema.Flow
		alone := map[byte][]schema.Flow{}
		for by, d := range deliveries {
			flows := scansWithPauses(r, by, long)
			for i := range flows {
				flows[i].Received = d.arrival(&flows[i], r)
			}
			both, alone[by] = append(both, flows...), flows
		}
		byArrival := func(a, b schema.Flow) int {
			return cmp.Or(cmp.Compare(a.Received, b.Received), a.Exporter.Addr.Compare(b.Exporter.Addr),
				cmp.Compare(a.Start, b.Start), a.Src.Addr.Compare(b.Src.Addr))
		}
		slices.SortFunc(both, byArrival)
		together := alertsOf(t, newDetector(t, nil), both)
		for by, flows := range alone {
			slices.SortFunc(flows, byArrival)
			want, got := lives(alertsOf(t, newDetector(t, nil), flows), by), lives(together, by)
			if diff := gocmp.Diff(want, got); diff != "" || len(want) < 4 {
				t.Fatalf("exporter %d, delivered %+v: (-alone +beside the other)\n%s", by, deliveries[by], diff)
			}
		}
	})
}
