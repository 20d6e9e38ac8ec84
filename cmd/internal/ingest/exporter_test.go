package ingest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

var (
	noon   = schema.TimeOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	router = netip.MustParseAddr("192.0.2.1")
)

func TestOnlyTheExportersOfTheListMaySend(t *testing.T) {
	cfg := DefaultExporterConfig()
	cfg.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	x := newExporters(&cfg)
	if x.of(router) == nil || x.of(netip.MustParseAddr("198.51.100.1")) != nil || x.refused != 1 {
		t.Errorf("%+v", x)
	}
}

func TestAFloodOfExportersKeepsTheirAccountsBounded(t *testing.T) {
	cfg := DefaultExporterConfig()
	cfg.Max = 10
	x := newExporters(&cfg)
	for i := range 1000 {
		x.of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})).Datagrams++
	}
	if len(x.by) != 10 || x.others.Datagrams != 990 {
		t.Errorf("%d accounts, %d datagrams of others", len(x.by), x.others.Datagrams)
	}
}

func TestTheRateLimitLetsARateThroughAndCountsTheRest(t *testing.T) {
	var e Exporter
	passed := 0
	for i := range 3000 { // 1000 a second for 3 s
		if e.allow(noon.Add(time.Duration(i)*time.Millisecond), 100) {
			passed++
		}
	}
	if passed < 390 || passed > 410 || e.Limited != uint64(3000-passed) {
		t.Errorf("%d passed, %d limited, want 100 at once and 100 a second", passed, e.Limited)
	}
}

func TestTheFlowsOfAWrongClockAreCountedAndMovedIfToldSo(t *testing.T) {
	flow := func(start, end time.Duration) schema.Flow {
		return schema.Flow{Received: noon, Start: noon.Add(start), End: noon.Add(end)}
	}
	cfg := DefaultExporterConfig()
	flows := []schema.Flow{
		flow(-time.Minute, 0), flow(7*24*time.Hour, 7*24*time.Hour+time.Second), flow(-30*24*time.Hour, -30*24*time.Hour), {Received: noon},
	}
	var e Exporter
	e.check(flows, &cfg)
	if e.Wrong != 2 || e.Corrected != 0 || flows[1].Start != noon.Add(7*24*time.Hour) {
		t.Errorf("%+v", e)
	}
	cfg.CorrectClock = true
	e.check(flows, &cfg)
	if e.Corrected != 2 || flows[1].End != noon || flows[1].Start != noon.Add(-time.Second) || flows[2].Start != noon {
		t.Errorf("%+v, %+v", e, flows)
	}
	if flows[0].Start != noon.Add(-time.Minute) || flows[3].Start != 0 {
		t.Error("a right clock was corrected")
	}
}

func TestAnExporterNameNeedsAnAddress(t *testing.T) {
	cfg := DefaultExporterConfig()
	cfg.Names = map[string]string{"edge": "192.0.2.1"}
	if err := cfg.Validate(); err == nil {
		t.Error("accepted")
	}
}
