package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
)

func TestTheCPUTimeIsReadBehindANameWithSpacesAndParentheses(t *testing.T) {
	const stat = "42 (a) b (c) R 1 42 42 0 -1 4194304 1000 0 0 0 150 25 7 9 20 0 5 0 100 1000000 500"
	if got, err := parseStat(stat); err != nil || got != 1750*time.Millisecond {
		t.Errorf("%v, %v: want 1.75 s", got, err)
	}
	for _, bad := range []string{"", "42 (a) R 1", "42 (a) R 1 42 42 0 -1 4194304 1000 0 0 0 x 25"} {
		if got, err := parseStat(bad); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestOurOwnCPUTimeGrowsAsWeWork(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if now, err := cpuTime(os.Getpid()); err != nil || now > before {
			return
		}
	}
	t.Error("ten seconds of work took no time")
}

const procNetUDP = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 0100007F:0807 00000000:0000 07 00000000:00000900 00:00000000 00000000     0        0 1 2 0000000000000000 7
  100: 0100007F:0807 00000000:0000 07 00000000:00001200 00:00000000 00000000     0        0 2 2 0000000000000000 35
  101: 0100007F:0808 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3 2 0000000000000000 1000
`

func TestDropsAndQueuesAreThoseOfAllSocketsOnThePort(t *testing.T) {
	var got sockets
	if err := got.add(procNetUDP, 2055); err != nil {
		t.Fatal(err)
	}
	if want := (sockets{n: 2, waiting: 0x900 + 0x1200, drops: 42}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := got.add(strings.Replace(procNetUDP, " 35\n", " many\n", 1), 2055); err == nil {
		t.Error("a count that is no number is taken")
	}
}

func TestCountersAreAddedUpOverTheLabelsThatAreNotAskedFor(t *testing.T) {
	c, err := parseCounters(`# HELP x things
# TYPE x counter
goflow2_flow_process_nf_flowset_total{router="a",type="DataFlowSet",version="5"} 280
goflow2_flow_process_nf_flowset_total{router="a",type="DataFlowSet",version="9"} 10
goflow2_flow_process_nf_flowset_records_total{router="a",type="DataFlowSet",version="9"} 2.8e+02
goflow2_flow_process_nf_flowset_records_total{router="b",type="DataFlowSet",version="10"} 240
goflow2_flow_process_nf_flowset_records_total{router="b",type="TemplateFlowSet",version="10"} 3
scanhound_ingest_flows_pending 17
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := goflow2Tally(c).processed; got != 800 {
		t.Errorf("goflow2 processed %v records, want 800: v5 by sets, the others by records", got)
	}
	if got := c.sum("scanhound_ingest_flows_pending"); got != 17 {
		t.Errorf("%v pending, want 17", got)
	}
	for _, bad := range []string{"lonely", "x{} many"} {
		if _, err := parseCounters(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestGoflow2ReadsEveryDatagramAndEachFieldOfTheLoad(t *testing.T) {
	for _, v := range []version{v5, v9, ipfix} {
		t.Run(v.name, func(t *testing.T) {
			templates, records, sources := goflow2.CreateTemplateSystem(), 0, map[string]bool{}
			for _, b := range v.ringOf(3, uint32(time.Now().Unix())) {
				if len(b) > 1472 {
					t.Fatalf("a datagram of %d bytes would be fragmented", len(b))
				}
				if v.number == 5 {
					var p netflowlegacy.PacketNetFlowV5
					if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &p); err != nil {
						t.Fatal(err)
					}
					for _, r := range p.Records {
						sources[string(binary.BigEndian.AppendUint32(nil, uint32(r.SrcAddr)))] = true
					}
					records += len(p.Records)
					continue
				}
				records += decodeSets(t, templates, b, sources)
			}
			datagrams := ring
			if v.fields != nil {
				datagrams-- // the template's
				if len(v.fields) != 18 {
					t.Errorf("%d fields, want 18", len(v.fields))
				}
			}
			if want := datagrams * v.records; records != want {
				t.Errorf("%d records, want %d", records, want)
			}
			if len(sources) < 5000 {
				t.Errorf("only %d sources", len(sources))
			}
		})
	}
}

func decodeSets(t *testing.T, templates goflow2.NetFlowTemplateSystem, b []byte, sources map[string]bool) (records int) {
	t.Helper()
	var nine goflow2.NFv9Packet
	var ten goflow2.IPFIXPacket
	if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(b), templates, &nine, &ten); err != nil {
		t.Fatal(err)
	}
	for _, set := range append(nine.FlowSets, ten.FlowSets...) {
		data, ok := set.(goflow2.DataFlowSet)
		if !ok {
			continue
		}
		records += len(data.Records)
		for _, r := range data.Records {
			sources[string(r.Values[0].Value.([]byte))] = true
		}
	}
	return records
}

func TestTheHighestRateIsFoundBetweenWhatHoldsAndWhatDoesNot(t *testing.T) {
	for _, c := range []struct {
		name            string
		bears, sends    float64 // records/s of the collector and of the sender
		low, high       float64
		limited, failed bool
	}{
		{"above the start", 1_300_000, 1e9, 1_200_000, 1_300_000, false, false},
		{"below the start", 150_000, 1e9, 125_000, 150_000, false, false},
		{"beyond the sender", 1e9, 1_000_000, 1_000_000, 1_000_000, true, false},
		{"nothing", 0, 1e9, 0, 0, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := highest(context.Background(), 400_000, 4, func(rate float64) (attempt, error) {
				a := attempt{asked: rate, sent: min(rate, c.sends)}
				a.lost = max(0, 1-c.bears/a.sent)
				return a, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if f.best.sent < c.low || f.best.sent > c.high*1.02 || f.limited != c.limited || (f.best.sent == 0) != c.failed {
				t.Errorf("found %+v", f)
			}
		})
	}
}

func TestARateThatFailsByLittleIsTriedOnceMore(t *testing.T) {
	tries := map[float64]int{}
	f, err := highest(context.Background(), 100, 0, func(rate float64) (attempt, error) {
		tries[rate]++
		a := attempt{asked: rate, sent: rate}
		if rate > 100 {
			a.lost = 0.9
		} else if tries[rate] == 1 {
			a.lost = 0.03 // somebody else's work
		}
		return a, nil
	})
	if err != nil || f.best.sent != 100 || tries[100] != 2 || tries[200] != 1 {
		t.Errorf("%+v after %v tries, %v", f, tries, err)
	}
}

func TestTheTableComparesOursWithEachPeer(t *testing.T) {
	var b strings.Builder
	writeTable(&b, []row{
		{version: "v9", peer: "ingest", moderate: 300, loaded: 250, found: found{best: attempt{sent: 2e6}}},
		{version: "v9", peer: "goflow2", moderate: 6000, loaded: 5000, found: found{best: attempt{sent: 2e5}}},
		{version: "v9", peer: "nfcapd", moderate: 400, loaded: 300, found: found{best: attempt{sent: 4e6}, limited: true}},
	}, []string{"a note"})
	for _, says := range []string{"0.05 x", "10.00 x", "0.75 x", "<= 0.50 x", ">= 4000 k", "- a note"} {
		if !strings.Contains(b.String(), says) {
			t.Errorf("the table does not say %q:\n%s", says, b.String())
		}
	}
}

func TestOurKafkaSaysWhereItIsAndEndsWithItsParent(t *testing.T) {
	var said strings.Builder
	if err := serveKafka(strings.NewReader(""), &said); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(said.String(), "127.0.0.1:") {
		t.Errorf("it says %q", said.String())
	}
}
