package ingest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

var (
	noon   = schema.TimeOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	router = netip.MustParseAddr("192.0.2.1")
)

func TestOnlyTheExportersOfTheListMaySend(t *testing.T) {
	cfg := defaults.Of[ExporterConfig]()
	cfg.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	x := newExporters(&cfg)
	if x.of(router, noon) == nil || x.of(netip.MustParseAddr("198.51.100.1"), noon) != nil || x.refused != 1 {
		t.Errorf("%+v", x)
	}
}

func TestAFloodOfExportersKeepsTheirAccountsBounded(t *testing.T) {
	cfg := defaults.Of[ExporterConfig]()
	cfg.Max = 10
	x := newExporters(&cfg)
	for i := range 1000 {
		e := x.of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), noon)
		e.Datagrams++
		e.Last = noon
	}
	if len(x.by) != 10 || len(x.ring) != 10 || x.others.Datagrams != 990 {
		t.Errorf("%d accounts, %d datagrams of others", len(x.by), x.others.Datagrams)
	}
}

func TestAnExporterThatComesLateTakesThePlaceOfAnIdleOne(t *testing.T) {
	cfg := defaults.Of[ExporterConfig]()
	cfg.Max = 10
	cfg.Names = map[string]string{"10.0.0.3": "core"}
	x := newExporters(&cfg)
	hear := func(last byte, at time.Duration) {
		e := x.of(netip.AddrFrom4([4]byte{10, 0, 0, last}), noon.Add(at))
		e.Datagrams++
		e.Last = noon.Add(at)
	}
	sent := uint64(0)
	for m := range 30 { // minutes
		for i := range byte(5) { // two of them stop
			if i < 3 || m < 5 {
				hear(i, time.Duration(m)*time.Minute)
				sent++
			}
		}
		for i := range byte(7) { // and each minute others are heard once
			hear(50+byte(m)*7+i, time.Duration(m)*time.Minute+time.Second)
			sent++
		}
	}
	hear(255, 30*time.Minute)
	var sum Exporter
	for _, e := range x.by {
		sum.add(e)
	}
	sum.add(&x.others)
	if sum.Datagrams != sent+1 || len(x.by) != 10 || len(x.ring) != 10 {
		t.Errorf("%d datagrams of %d, %d accounts in %d places", sum.Datagrams, sent+1, len(x.by), len(x.ring))
	}
	for last, want := range map[byte]bool{0: true, 1: true, 2: true, 3: true, 4: false, 255: true} {
		if x.by[netip.AddrFrom4([4]byte{10, 0, 0, last})] != nil != want {
			t.Errorf("10.0.0.%d has an account: %v", last, !want)
		}
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
	cfg := defaults.Of[ExporterConfig]()
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
	cfg := defaults.Of[ExporterConfig]()
	cfg.Names = map[string]string{"edge": "192.0.2.1"}
	if err := cfg.Validate(); err == nil {
		t.Error("accepted")
	}
}

func TestSequencesAreFollowedByPortAndTheOldestIsForgotten(t *testing.T) {
	e := Exporter{Addr: router}
	say := func(port uint16, sequence uint32) {
		e.follow(netflow.Header{Type: schema.NetFlowV9, Version: 9, Port: port, Sequence: sequence, Units: 1}, noon.Add(time.Duration(port)*time.Second))
	}
	for n := range uint32(10) { // two exporters behind one address
		say(1, n)
		say(2, 5000+n)
	}
	if e.Lost != 0 {
		t.Errorf("%d are missing", e.Lost)
	}
	for port := range uint16(2 * maxSequences) {
		say(3+port, 7)
	}
	say(2+2*maxSequences, 10) // 8 and 9 did not come
	if e.Lost != 2 || len(e.sequences) != maxSequences {
		t.Errorf("%d are missing, %d sequences are followed", e.Lost, len(e.sequences))
	}
}
