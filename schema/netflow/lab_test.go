package netflow_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/producer"
	goflow2pb "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// seen is what both decoders must say of a flow.
type seen struct {
	Src, Dst     netip.Addr
	Sport, Dport uint16
	Proto        uint8
	Packets      uint64
	Bytes        uint64
	Flags        uint16
	Start, End   schema.Time
}

func seenBy(f *schema.Flow) seen {
	return seen{f.Src.Addr, f.Dst.Addr, f.Src.Port, f.Dst.Port, f.Proto, f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags, f.Start, f.End}
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func labDatagrams(tb testing.TB, c lab.Capture) []datagram {
	tb.Helper()
	r, err := c.Open()
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	return datagrams(tb, r)
}

func captures(tb testing.TB) []lab.Capture {
	tb.Helper()
	all, err := lab.Captures()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// otherTimes are the captures whose times goflow2 2.2 does not place, with the reason;
// TestFlowsOfTheLabHappenedWhenItsScansDid looks at all.
var otherTimes = map[string]string{
	"softflowd-ipfix": "elements 21 and 22 in IPFIX, which count from a start that an options record gives",
	"nfprobe-v9":      "elements 152 and 153 in v9",
}

func TestFlowsOfTheLabAreThoseThatGoflow2Decodes(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			all := labDatagrams(t, c)
			d := decoder()
			flows := decodeAll(d, all)
			checkSums(t, d.Stats())
			var ours []seen
			for i := range flows {
				ours = append(ours, seenBy(&flows[i]))
			}
			theirs := byGoflow2(t, all)
			if reason := otherTimes[c.Name]; reason != "" {
				if cmp.Equal(theirs, ours, sameAddr) {
					t.Errorf("equal, so that this exception is stale: %s", reason)
				}
				for _, s := range [][]seen{ours, theirs} {
					for i := range s {
						s[i].Start, s[i].End = 0, 0
					}
				}
			}
			if diff := cmp.Diff(theirs, ours, sameAddr); diff != "" {
				t.Errorf("goflow2 (-) and we (+) differ:\n%.4000s", diff)
			}
			if s := d.Stats(); s.Outcomes[netflow.Decoded] != s.Datagrams || s.Records.Flows != uint64(len(flows)) || len(flows) == 0 {
				t.Errorf("not all was decoded: %+v", s)
			}
		})
	}
}

// byGoflow2 decodes with goflow2, with the ports and times that we promise.
func byGoflow2(t *testing.T, all []datagram) []seen {
	t.Helper()
	cfg, err := (&goflow2pb.ProducerConfig{}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := goflow2pb.CreateProtoProducer(cfg, goflow2pb.CreateSamplingSystem)
	if err != nil {
		t.Fatal(err)
	}
	templates := goflow2.CreateTemplateSystem()
	var flows []seen
	for _, g := range all {
		messages, err := p.Produce(goflow2Packet(t, templates, g.payload), &producer.ProduceArgs{
			Src: netip.AddrPortFrom(g.from, 2055), SamplerAddress: g.from, TimeReceived: g.at.Std(),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			flows = append(flows, ofGoflow2(m.(*goflow2pb.ProtoProducerMessage)))
		}
	}
	return flows
}

func goflow2Packet(t *testing.T, templates goflow2.NetFlowTemplateSystem, b []byte) any {
	t.Helper()
	var (
		v5    netflowlegacy.PacketNetFlowV5
		v9    goflow2.NFv9Packet
		ipfix goflow2.IPFIXPacket
	)
	if be.Uint16(b) == 9 {
		// goflow2 reads no more sets than the header counts. Beside templates softflowd counts too few.
		b = slices.Clone(b)
		be.PutUint16(b[2:], 0xffff)
	}
	if be.Uint16(b) == 5 {
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &v5); err != nil {
			t.Fatal(err)
		}
		return &v5
	}
	if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(b), templates, &v9, &ipfix); err != nil {
		t.Fatal(err)
	}
	if v9.Version == 9 {
		return &v9
	}
	return &ipfix
}

func ofGoflow2(m *goflow2pb.ProtoProducerMessage) seen {
	src, _ := netip.AddrFromSlice(m.SrcAddr)
	dst, _ := netip.AddrFromSlice(m.DstAddr)
	s := seen{src, dst, uint16(m.SrcPort), uint16(m.DstPort), uint8(m.Proto), m.Packets, m.Bytes, uint16(m.TcpFlags),
		schema.Time(m.TimeFlowStartNs), schema.Time(m.TimeFlowEndNs)}
	if !schema.HasPorts(s.Proto) {
		s.Sport, s.Dport = 0, 0
	}
	return s
}

func TestFlowsOfTheLabHappenedWhenItsScansDid(t *testing.T) {
	truth, err := lab.Truth()
	if err != nil {
		t.Fatal(err)
	}
	scans := map[netip.Addr]lab.Scan{}
	for _, s := range truth {
		scans[s.Source] = s
	}
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			of, outside := 0, 0
			for _, f := range decodeAll(decoder(), labDatagrams(t, c)) {
				s, ok := scans[f.Src.Addr]
				if !ok {
					continue
				}
				of++
				// Exporters have whole seconds or milliseconds, and their clocks' start.
				const off = 2e9
				if f.Start < schema.TimeOf(s.First)-off || f.Start > schema.TimeOf(s.Last)+off || f.End < f.Start {
					outside++
					if outside < 4 {
						t.Logf("%s: %v to %v, but %v to %v", s.Name, f.Start.Std(), f.End.Std(), s.First, s.Last)
					}
				}
			}
			if of == 0 || outside > 0 {
				t.Errorf("%d of %d flows of known sources lie outside of the time in which they were active", outside, of)
			}
		})
	}
}

func TestABiflowHasWhatBothEndsSent(t *testing.T) {
	for _, c := range captures(t) {
		if c.Name != "softflowd-ipfix-biflow" {
			continue
		}
		truth, err := lab.Truth()
		if err != nil {
			t.Fatal(err)
		}
		known := map[netip.Addr]bool{}
		for _, s := range truth {
			known[s.Source] = true
		}
		back := 0
		for _, f := range decodeAll(decoder(), labDatagrams(t, c)) {
			if f.Initiator != schema.InitiatorSrc || known[f.Dst.Addr] {
				t.Fatalf("%+v: who started it is not said, or it is who did not", f)
			}
			if f.Dst.Packets > 0 && f.Dst.Bytes > 0 {
				back++
			}
		}
		if back == 0 {
			t.Error("no flow has a way back")
		}
	}
}
