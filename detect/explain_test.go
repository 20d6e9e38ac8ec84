package detect_test

import (
	"net/netip"
	"strconv"
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

// rowsOf are the rows of a rule, by their key.
func rowsOf(x detect.Explanation, rule string) map[string]detect.KeyCount {
	of := map[string]detect.KeyCount{}
	for _, k := range x.Keys {
		if k.Rule != rule {
			continue
		}
		name := k.Host.String()
		if !k.Host.IsValid() {
			name = strconv.Itoa(int(k.Port))
		}
		of[name] = k
	}
	return of
}

func TestAnExplanationTellsHowFarASourceOfOursIsFromTheRuleOfSensitivePorts(t *testing.T) {
	d := newDetector(t, func(c *detect.Config) { c.Internal = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	bot, monitor, outside := netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("10.9.9.8"), scanner
	var flows []schema.Flow
	for i, port := range []uint16{22, 23, 445, 3389, 8080, 8081} {
		flows = append(flows, syn(bot, target(1), port, time.Duration(i)*time.Second), syn(outside, target(1), port, time.Duration(i)*time.Second))
	}
	for i := range 7 {
		flows = append(flows, syn(bot, target(10+i), 445, time.Duration(10+i)*time.Second))
	}
	for i := range 40 {
		f := syn(monitor, target(100+i), 22, time.Duration(20+i)*time.Second)
		if i > 5 {
			f = connect(monitor, target(100+i), 22, time.Duration(20+i)*time.Second)
		}
		flows = append(flows, f)
	}
	d.Observe(flows, 0)

	x, _ := d.Explain(bot)
	k := rowsOf(x, "sensitive-vertical")[target(1).String()]
	if k.Counts != [4]uint64{4, 4, 4, 4} || k.Threshold != [4]uint64{5, 6, 8, 10} || k.Fires || k.Why != "below the threshold" {
		t.Errorf("four sensitive ports of a host: %+v", k)
	}
	k = rowsOf(x, "sensitive-horizontal")["445"]
	if k.Counts[0] != 8 || k.Threshold != [4]uint64{10, 12, 20, 30} || k.Fires || k.Why != "below the threshold" {
		t.Errorf("eight hosts on tcp/445: %+v", k)
	}
	x, _ = d.Explain(monitor)
	if k := rowsOf(x, "sensitive-horizontal")["22"]; k.Counts[0] != 40 || k.Fires || k.Why != "too many of its targets answered" {
		t.Errorf("of 40 hosts six failed: %+v", k)
	}
	x, _ = d.Explain(outside)
	if n := len(rowsOf(x, "sensitive-vertical")) + len(rowsOf(x, "sensitive-horizontal")); n != 0 {
		t.Errorf("a source outside has %d rows", n)
	}
	d.Observe([]schema.Flow{syn(bot, target(1), 5900, 30*time.Second)}, 0)
	x, _ = d.Explain(bot)
	if k := rowsOf(x, "sensitive-vertical")[target(1).String()]; !k.Fires || k.Why != "crosses within 5m" || len(x.Open) != 1 || x.Open[0].Rule != "sensitive-vertical" {
		t.Errorf("five: %+v, open %+v", k, x.Open)
	}
}

func TestAnExplanationTellsHowFarASourceIsFromTheRuleOfAFanOut(t *testing.T) {
	d := newDetector(t, func(c *detect.Config) { c.Internal = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	deep, wide := netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("10.9.9.8")
	fanOut := func(n int, after time.Duration) {
		for i := range n {
			at := after + time.Duration(i)*time.Second
			d.Observe([]schema.Flow{connect(deep, target(1), uint16(2000+i), at), connect(wide, target(100+i), 445, at)}, 0)
		}
	}
	check := func(when string, source netip.Addr, rule, key string, threshold, least, most uint64, why string) {
		t.Helper()
		x, _ := d.Explain(source)
		k := rowsOf(x, rule)[key]
		if n := k.Counts[1]; n < least || n > most || k.Threshold != [4]uint64{0, threshold, 0, 0} || k.Why != why || k.Fires != (n >= threshold) {
			t.Errorf("%s: %s: %+v, want %d to %d", when, rule, k, least, most)
		}
	}
	const aDay, below = "it takes a day of memory, and there is less", "below the threshold"
	fanOut(30, 0)
	check("on the first day", deep, "fan-out-vertical", target(1).String(), 100, 30, 30, aDay)
	check("on the first day", wide, "fan-out-horizontal", "445", 200, 30, 30, aDay)
	// Of those that came before a source was watched it is not known whether they are new.
	fanOut(110, 25*time.Hour)
	check("80 are new", deep, "fan-out-vertical", target(1).String(), 100, 80, 80+15, below)
	check("80 are new", wide, "fan-out-horizontal", "445", 200, 80, 80+15, below)
	fanOut(140, 25*time.Hour+10*time.Minute)
	check("110 are new", deep, "fan-out-vertical", target(1).String(), 100, 100, 110, "crosses within 1h")
	x, _ := d.Explain(deep)
	if len(x.Open) != 1 || x.Open[0].Rule != "fan-out-vertical" || !x.Open[0].Reached {
		t.Errorf("open: %+v", x.Open)
	}
}

// connect is a handshake that was torn down without a word.
func connect(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	f := session(src, dst, port, after)
	f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = 4, 220, schema.SYN|schema.ACK|schema.FIN
	f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 3, 164, schema.SYN|schema.ACK|schema.FIN
	return f
}
