package detect_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// sampledScan is what an exporter shows of n targets with so many packets each, of which it
// looks at one in rate. It may multiply what it sees.
func sampledScan(seed uint64, n, packets, rate int, multiplies bool, flow func(i int, after time.Duration) schema.Flow) (flows []schema.Flow) {
	r := rand.New(rand.NewPCG(seed, uint64(rate)))
	for i := range n {
		for range packets {
			if r.IntN(rate) > 0 {
				continue
			}
			f := flow(i, time.Duration(i)*2*time.Millisecond)
			f.Exporter.Sampling = uint32(rate)
			if multiplies {
				f.Src.Packets, f.Src.Bytes = uint64(rate), f.Src.Bytes*uint64(rate)
			}
			flows = append(flows, f)
		}
	}
	return flows
}

func TestASampledScanIsEstimatedAndItsPacketsAreScaledOnce(t *testing.T) {
	vertical := func(i int, after time.Duration) schema.Flow { return syn(scanner, target(1), uint16(i), after) }
	horizontal := func(i int, after time.Duration) schema.Flow { return syn(scanner, target(i), 23, after) }
	for _, c := range []struct {
		packets, rate int
		multiplies    bool
	}{{1, 1000, false}, {1, 1000, true}, {1, 100, false}, {1, 100, true}, {1, 20, true}, {2, 20, false}} {
		for name, flow := range map[string]func(int, time.Duration) schema.Flow{"vertical": vertical, "horizontal": horizontal} {
			t.Run(fmt.Sprintf("%s, %d packets each, 1 in %d, %v", name, c.packets, c.rate, c.multiplies), func(t *testing.T) {
				const targets = 65_535
				flows := sampledScan(7, targets, c.packets, c.rate, c.multiplies, flow)
				a := finalOf(t, flows)
				near(t, "targets", a.TargetsEstimate, targets, 0.3)
				near(t, "packets scaled", a.Scaled, uint64(targets*c.packets), 0.3)
				if c.multiplies && a.Scaled != a.Packets {
					t.Errorf("%d packets are %d scaled, and were already", a.Packets, a.Scaled)
				}
				if a.Sampling != uint32(c.rate) || a.Severity == schema.High {
					t.Errorf("1 in %d, %s", a.Sampling, a.Severity)
				}
			})
		}
	}
}

func TestSampledAndUnsampledEvidenceIsJudgedApart(t *testing.T) {
	var flows []schema.Flow
	for i := range 20 { // of 25 that it takes
		f := syn(scanner, target(i), 23, time.Duration(i)*time.Second)
		flows = append(flows, f)
		if i%5 == 0 { // a sampled exporter has seen some of them, too
			f.Exporter.Sampling = 100
			flows = append(flows, f)
		}
	}
	if alerts := alertsOf(t, newDetector(t, nil), flows); len(alerts) != 0 {
		t.Errorf("four sampled flows made 20 a scan: %s", alerts[0].Reason)
	}
	for i := 20; i < 40; i++ {
		flows = append(flows, syn(scanner, target(i), 23, time.Duration(i)*time.Second))
	}
	closed := finals(alertsOf(t, newDetector(t, ours), flows))
	if len(closed) != 1 || closed[0].Sampling != 0 || closed[0].Severity != schema.High {
		t.Errorf("%+v", closed)
	}
}

func TestWhatSampledExportersShowIsExplainedWhereNoOthersShowAny(t *testing.T) {
	d := newDetector(t, nil)
	var opened string
	flows := sampled(horizontalScan(12, 22, time.Second))
	for _, a := range d.Observe(flows, 0) {
		opened = a.ID
	}
	if x, ok := d.Explain(scanner); !ok || !x.Sampled || len(x.Open) != 1 {
		t.Errorf("%v: %+v", ok, x)
	}
	d.Observe([]schema.Flow{syn(scanner, target(99), 22, time.Minute)}, 1)
	if x, ok := d.Explain(scanner); !ok || x.Sampled || x.Failed.Count != 1 {
		t.Errorf("of an unsampled exporter, %v: %+v", ok, x)
	}
	if x, ok := d.ExplainAlert(opened); !ok || !x.Sampled || x.Failed.Count != 12 || x.Keys[0].Threshold[0] > 10 {
		t.Errorf("the alert %q, %v: %+v", opened, ok, x)
	}
}
