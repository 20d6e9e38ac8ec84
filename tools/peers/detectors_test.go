package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestOnlyTheScannersOfTheDayHaveAHundredTargets(t *testing.T) {
	w := newWorkload(200_000, 20_000, 40)
	if len(w.flows) < 200_000 || len(w.scanners) != 40 {
		t.Fatalf("%d flows, %d scanners", len(w.flows), len(w.scanners))
	}
	type group struct {
		src   uint32
		fixed uint64
	}
	targets := map[group]map[uint32]bool{}
	add := func(g group, v uint32) {
		if targets[g] == nil {
			targets[g] = map[uint32]bool{}
		}
		targets[g][v] = true
	}
	last := uint32(0)
	for i := range w.flows {
		f := &w.flows[i]
		if f.at < last {
			t.Fatal("flows are not in the order of time")
		}
		last = f.at
		add(group{f.src, uint64(f.dport)}, f.dst)
		add(group{f.src, uint64(f.dst) << 16}, uint32(f.dport))
	}
	scans := map[netip.Addr]bool{}
	for g, n := range targets {
		if len(n) >= 100 {
			scans[addr(g.src)] = true
			if !w.scanners[addr(g.src)] {
				t.Errorf("%v has %d targets and is no scanner", addr(g.src), len(n))
			}
		}
	}
	if len(scans) != len(w.scanners) {
		t.Errorf("%d of %d scanners have a hundred targets", len(scans), len(w.scanners))
	}
}

func TestTheDatagramsOfTheDayHoldAllOfItsFlows(t *testing.T) {
	w := newWorkload(1000, 100, 1)
	n, pcap := 0, bytes.Buffer{}
	for d := range w.datagrams {
		for b := d[24:]; len(b) > 0; b = b[48:] {
			f := w.flows[n]
			if got, want := binary.BigEndian.Uint32(b), f.src; got != want || b[38] != f.proto || binary.BigEndian.Uint32(b[28:])-binary.BigEndian.Uint32(b[24:]) != f.took {
				t.Fatalf("record %d is of %v, want %v", n, addr(got), addr(want))
			}
			n++
		}
	}
	if err := w.writePcap(&pcap); err != nil {
		t.Fatal(err)
	}
	packets := 0
	for b := pcap.Bytes()[24:]; len(b) > 0; packets++ {
		b = b[16+binary.LittleEndian.Uint32(b[8:]):]
	}
	if n != len(w.flows) || packets != (n+29)/30 {
		t.Errorf("%d of %d flows in %d packets", n, len(w.flows), packets)
	}
}

func TestAFinderIsJudgedByTheSourcesThatItNames(t *testing.T) {
	w := newWorkload(1000, 100, 2)
	var text strings.Builder
	for a := range w.scanners {
		text.WriteString(`{"id":"x","source":"` + a.String() + `","kind":"vertical"}` + "\n")
	}
	text.WriteString(`{"source":"192.0.2.1"}` + "\n" + `{"source":"192.0.2.1"}` + "\n{}\n")
	f := finder{"echo", []string{"printf", "%s", text.String()}, sourceOfAlert}
	got, err := f.find(context.Background(), w)
	if err != nil || got.right != 2 || got.wrong != 1 || got.scanners != 2 || got.wall == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := (&finder{"none", []string{"sh", "-c", "echo no; exit 3"}, parsed}).find(context.Background(), w); err == nil {
		t.Error("a finder that fails is no error")
	}
}

func TestTheTableComparesReplayWithEachFinder(t *testing.T) {
	var b strings.Builder
	writeFindings(&b, []finding{
		{finder: "ours", flows: 1000, cpu: 2 * time.Second, peak: 100 << 20, right: 9, scanners: 10},
		{finder: "theirs", flows: 1000, cpu: time.Second, peak: 400 << 20, right: 10, wrong: 1, scanners: 10},
	})
	for _, says := range []string{"9 of 10", "2.00 x", "0.25 x", "400", "1 k"} {
		if !strings.Contains(b.String(), says) {
			t.Errorf("the table does not say %q:\n%s", says, b.String())
		}
	}
}
