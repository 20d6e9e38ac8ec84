package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

func TestAnExceptionHidesWhatItCoversUntilItEndsAndCountsIt(t *testing.T) {
	one := func(p string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(p)} }
	for name, c := range map[string]struct {
		exception detect.Exception
		alerts    int
	}{
		"by source":          {detect.Exception{Sources: one("198.51.100.0/24")}, 0},
		"by target":          {detect.Exception{Targets: one("10.0.0.0/8")}, 0},
		"by port":            {detect.Exception{Ports: []uint16{22}}, 0},
		"by exporter":        {detect.Exception{Exporters: one("192.0.2.1/32")}, 0},
		"by all of them":     {detect.Exception{Sources: one("198.51.100.7/32"), Targets: one("10.0.0.0/8"), Ports: []uint16{22, 23}}, 0},
		"of another source":  {detect.Exception{Sources: one("203.0.113.0/24")}, 1},
		"of another port":    {detect.Exception{Sources: one("198.51.100.0/24"), Ports: []uint16{80}}, 1},
		"that ended before":  {detect.Exception{Sources: one("198.51.100.0/24"), Until: noon}, 1},
		"that ends in a day": {detect.Exception{Sources: one("198.51.100.0/24"), Until: noon.Add(24 * time.Hour)}, 0},
	} {
		d := newDetector(t, nil)
		d.SetExceptions([]detect.Exception{c.exception})
		alerts := finals(alertsOf(t, d, horizontalScan(100, 22, time.Second)))
		hidden := d.Hidden()[0]
		if len(alerts) != c.alerts || (hidden == 100) != (c.alerts == 0) {
			t.Errorf("%s: %d alerts, %d flows hidden", name, len(alerts), hidden)
		}
	}
}

func TestAnExplanationTellsWhatIsHeldAndWhatKeepsEachRule(t *testing.T) {
	d := newDetector(t, nil)
	busy := target(1 << 20)
	var flows []schema.Flow
	for i := range 100 {
		flows = append(flows, session(busy, target(i), 8080, time.Duration(i)*time.Second))
	}
	for i := range 30 {
		flows = append(flows, syn(busy, target(200+i), 8080, time.Duration(100+i)*time.Second))
	}
	d.Observe(append(flows, horizontalScan(40, 22, time.Second)...), 0)
	d.Observe([]schema.Flow{session(target(77), target(1), 443, time.Minute)}, 0)

	rule := func(x detect.Explanation, name string) detect.KeyCount {
		for _, k := range x.Keys {
			if k.Rule == name {
				return k
			}
		}
		t.Fatalf("no %s in %+v", name, x)
		return detect.KeyCount{}
	}
	x, ok := d.Explain(scanner)
	if k := rule(x, "horizontal"); !ok || x.Failed.Count != 40 || len(x.Open) != 1 || !k.Fires || k.Port != 22 || k.Counts[0] != 40 || k.Threshold[0] != 25 {
		t.Errorf("%+v", x)
	}
	x, ok = d.Explain(busy)
	if k := rule(x, "horizontal"); !ok || k.Fires || k.Good != 100 || k.Counts[0] != 30 || k.Why != "too many of its targets answered" || x.Answered != 100 {
		t.Errorf("%+v", x)
	}
	if x, ok := d.Explain(target(77)); !ok || x.Answered != 1 || len(x.Keys) != 0 {
		t.Errorf("%+v", x)
	}
	if _, ok := d.Explain(target(12345)); ok {
		t.Error("a source that was never seen is explained")
	}
}
