package netflow_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// counters are those of Stats that are not zero.
func counters(s netflow.Stats) map[string]uint64 {
	all := map[string]uint64{}
	s.Each(func(name string, v uint64) {
		if v != 0 {
			all[name] = v
		}
	})
	return all
}

type counts = map[string]uint64

type outcomeCase struct {
	name string
	b    []byte
	want netflow.Outcome
	more counts // beside datagrams and the outcome
}

func outcomeCases() []outcomeCase {
	usual := template(256, ends...)
	return []outcomeCase{
		{"nothing", nil, netflow.Short, counts{}},
		{"one byte", []byte{0}, netflow.Short, counts{}},
		{"v5 without a header", v5(0)[:23], netflow.Short, counts{}},
		{"v9 without a header", v9(1)[:19], netflow.Short, counts{}},
		{"IPFIX without a header", ipfix(1)[:15], netflow.Short, counts{}},
		{"v1 without a header", cat(u16(1), make([]byte, 13)), netflow.Short, counts{}},
		{"v7 without a header", cat(u16(7), make([]byte, 21)), netflow.Short, counts{}},
		{"v1 that holds less than it says", v1(2, v1record), netflow.Truncated,
			counts{"records": 2, "records_flows": 1, "records_overclaimed": 1}},
		{"v7 of one record and 4 bytes", v7(1, v7record, u32(9)), netflow.Decoded,
			counts{"records": 1, "records_flows": 1, "trailing_bytes": 4}},
		{"sFlow of version 2", cat(u32(2), u32(1), ip("192.0.2.1")), netflow.UnknownVersion, counts{"version_sflow": 1}},
		{"sFlow of version 4", cat(u32(4), u32(1), ip("192.0.2.1")), netflow.UnknownVersion, counts{"version_sflow": 1}},
		{"sFlow without a header", cat(u32(5), u32(1), ip("192.0.2.1")), netflow.Short, counts{}},
		{"sFlow of an agent of no family", cat(u32(5), u32(3), ip("192.0.2.1"), make([]byte, 16)), netflow.Malformed, counts{}},
		{"sFlow of no samples", sflow5(), netflow.Empty, counts{}},
		{"sFlow of every kind of sample", sflow5(sampled(100, synFrame), sampled(100, arpFrame), sampled(100, synFrame[:40]),
			cat(u32(2), u32(4), u32(0)), cat(u32(4), u32(0)), cat(u32(5), u32(4), u32(0)), cat(u32(9<<12|1), u32(4), u32(0))), netflow.Decoded,
			counts{"samples": 7, "samples_flow": 3, "samples_counter": 2, "samples_discard": 1, "samples_other": 1,
				"samples_packets": 4, "samples_packets_flows": 1, "samples_packets_not_ip": 1, "samples_packets_cut": 2,
				"records": 4, "records_flows": 1, "records_no_address": 1, "records_cut": 2}},
		{"sFlow that is cut", sflow5(sampled(100, synFrame))[:90], netflow.Truncated,
			counts{"samples": 1, "samples_flow": 1, "samples_packets": 1, "samples_packets_cut": 1, "records": 1, "records_cut": 1}},
		{"a DNS answer", dns(9, 0x8180, 1, "www.example.net"), netflow.Foreign, counts{}},
		{"v8", cat(u16(8), make([]byte, 66)), netflow.UnknownVersion, counts{"version_8": 1}},
		{"text", []byte("<13>Sep  1 12:00:00 host"), netflow.UnknownVersion, counts{"version_other": 1}},
		{"v5 of no records", v5(0), netflow.Empty, counts{}},
		{"v9 of no sets", v9(1), netflow.Empty, counts{}},
		{"IPFIX of no sets", ipfix(1), netflow.Empty, counts{}},
		{"v9 of padding", v9(1, make([]byte, 100)), netflow.Empty, counts{}},
		{"v5 that holds less than it says", v5(3, v5record(6, 1, 2), v5record(6, 1, 2)[:40]), netflow.Truncated,
			counts{"records": 3, "records_flows": 1, "records_overclaimed": 2}},
		{"v5 that holds more than it says", v5(1, v5record(6, 1, 2), v5(1, v5record(6, 1, 2))), netflow.Decoded,
			counts{"records": 1, "records_flows": 1, "trailing_bytes": 72}},
		{"data before its template", v9(1, set(256, endsOf()), set(0, usual)), netflow.NoTemplate,
			counts{"sets": 2, "sets_no_template": 1, "sets_no_template_bytes": 8, "sets_template": 1, "templates": 1, "templates_new": 1,
				"records": 1, "records_flows": 1}},
		{"a template without fields", v9(1, set(0, template(256)), set(256, u32(1))), netflow.Malformed,
			counts{"sets": 2, "sets_template": 1, "templates": 1, "templates_zero_length": 1, "sets_no_template": 1, "sets_no_template_bytes": 4}},
		{"a template of records without bytes", ipfix(1, set(2, template(256, f(8, 0), f(12, 0)))), netflow.Malformed,
			counts{"sets": 1, "sets_template": 1, "templates": 1, "templates_zero_length": 1}},
		{"a template of records longer than a datagram", ipfix(1, set(2, template(256, f(8, 40000), f(12, 40000)))), netflow.Malformed,
			counts{"sets": 1, "sets_template": 1, "templates": 1, "templates_too_long": 1}},
		{"a template that ends in a field", ipfix(1, set(2, template(256, ends...)[:9])), netflow.Malformed,
			counts{"sets": 1, "sets_template": 1, "templates": 1, "templates_malformed": 1}},
		{"a template with the id of a set", ipfix(1, set(2, template(255, ends...))), netflow.Malformed,
			counts{"sets": 1, "sets_template": 1, "templates": 1, "templates_malformed": 1}},
		{"an options template that ends in its header", v9(1, set(1, u32(256<<16|4))), netflow.Malformed,
			counts{"sets": 1, "sets_template": 1, "templates": 1, "templates_malformed": 1}},
		{"a set of 3 bytes", v9(1, cat(u16(256), u16(3))), netflow.Malformed, counts{"sets": 1, "sets_malformed": 1}},
		{"a set of 2 bytes", v9(1, u16(256)), netflow.Malformed, counts{"sets": 1, "sets_malformed": 1}},
		{"a set of no length", v9(1, cat(u16(256), u16(0))), netflow.Malformed, counts{"sets": 1, "sets_malformed": 1}},
		{"a set of an id that means nothing", v9(1, set(77, u32(1))), netflow.Decoded, counts{"sets": 1, "sets_reserved": 1}},
		{"IPFIX shorter than its header", cat(u16(10), u16(15), u32(uint32(exported.Unix())), make([]byte, 8)), netflow.Malformed, counts{}},
		{"two messages of IPFIX", cat(ipfix(1, set(2, usual)), ipfix(1)), netflow.Decoded,
			counts{"sets": 1, "sets_template": 1, "templates": 1, "templates_new": 1, "trailing_bytes": 16}},
		{"records and 1,220 zeros behind them", v9(1, set(0, usual), set(256, endsOf()), make([]byte, 1220)), netflow.Decoded,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "templates": 1, "templates_new": 1, "records": 1, "records_flows": 1}},
		{"a set that is cut", v9(1, set(0, usual), set(256, endsOf(), endsOf(), endsOf())[:4+8+5]), netflow.Truncated,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "sets_truncated": 1, "templates": 1, "templates_new": 1,
				"records": 3, "records_flows": 1, "records_cut": 2}},
		{"half a record", v9(1, set(0, usual), set(256, endsOf(), endsOf()[:4])), netflow.Truncated,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "templates": 1, "templates_new": 1,
				"records": 2, "records_flows": 1, "records_cut": 1}},
		{"a field that runs past its set", ipfix(1, set(2, template(256, append(ends, f(82, 0xffff))...)), set(256, endsOf(u8(9), u8(1)))), netflow.Truncated,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "templates": 1, "templates_new": 1, "records": 1, "records_cut": 1}},
		{"records without a destination", v9(1, set(0, template(256, f(8, 4))), set(256, u32(1), u32(2))), netflow.Decoded,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "templates": 1, "templates_new": 1, "records": 2, "records_no_address": 2}},
		{"a list of a template that is not known, beside one that is", ipfix(1, set(2, usual, template(300, f(292, 0xffff))),
			set(300, inList(3, 256, endsOf()), inList(3, 999, endsOf()))), netflow.Decoded,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "templates": 2, "templates_new": 2, "records": 2, "records_flows": 1, "records_no_template": 1}},
		{"options", ipfix(1, set(3, u16(256), u16(2), u16(1), u16(149), u16(4), u16(34), u16(4)), set(256, u32(1), u32(100))), netflow.Decoded,
			counts{"sets": 2, "sets_template": 1, "sets_data": 1, "templates": 1, "templates_new": 1, "records": 1, "records_options": 1}},
		{"a template twice", ipfix(1, set(2, usual, usual)), netflow.Decoded,
			counts{"sets": 1, "sets_template": 1, "templates": 2, "templates_new": 1, "templates_refreshed": 1}},
		{"a template withdrawn", ipfix(1, set(2, usual), set(2, template(256))), netflow.Decoded,
			counts{"sets": 2, "sets_template": 2, "templates": 1, "templates_new": 1, "templates_withdrawn": 1}},
	}
}

func TestEveryDatagramHasOneOutcomeAndEveryLossAName(t *testing.T) {
	for _, c := range outcomeCases() {
		t.Run(c.name, func(t *testing.T) {
			d := decoder()
			_, got := d.Decode(nil, exporterA, arrived, c.b)
			if got != c.want {
				t.Errorf("outcome %v, want %v", got, c.want)
			}
			c.more["datagrams"], c.more["datagrams_"+c.want.String()] = 1, 1
			if diff := cmp.Diff(c.more, counters(d.Stats())); diff != "" {
				t.Error(diff)
			}
			checkSums(t, d.Stats())
		})
	}
}

func TestEveryCounterHasItsOwnNameAndIsCountedInACaseAbove(t *testing.T) {
	counted := map[string]bool{}
	for _, c := range outcomeCases() {
		d := decoder()
		d.Decode(nil, exporterA, arrived, c.b)
		for name := range counters(d.Stats()) {
			counted[name] = true
		}
	}
	names := map[string]bool{}
	var s netflow.Stats
	s.Each(func(name string, _ uint64) {
		if names[name] {
			t.Errorf("two counters are named %s", name)
		}
		if !counted[name] {
			t.Errorf("no case counts %s", name)
		}
		names[name] = true
	})
}

func TestStatsOfTwoDecodersAreTheirSum(t *testing.T) {
	a, b := decoder(), decoder()
	decode(a, v5(2, v5record(6, 1, 2)), u16(7))
	decode(b, v5(1, v5record(6, 1, 2)), v9(1, set(256, u32(1))), v5(0, u8(0)))
	sum := a.Stats()
	sum.Add(b.Stats())
	checkSums(t, sum)
	want := counters(a.Stats())
	for name, v := range counters(b.Stats()) {
		want[name] += v
	}
	if diff := cmp.Diff(want, counters(sum)); diff != "" {
		t.Error(diff)
	}
}

// goflow2 2.2 reads this for ever: a template of no fields, then data of it.
func TestTheDatagramThatHangsOthersIsRefused(t *testing.T) {
	b := v9(1, set(0, template(256)), set(256, u32(1)))
	if len(b) != 36 {
		t.Fatalf("it has %d bytes", len(b))
	}
	if flows := decode(decoder(), b, b); len(flows) != 0 {
		t.Errorf("decoded %d flows", len(flows))
	}
}

func TestRandomBytesHaveAnOutcome(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d := decoder()
	for i := range 20_000 {
		b := make([]byte, r.IntN(200))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		if len(b) > 1 && i%4 > 0 {
			be.PutUint16(b, []uint16{5, 9, 10}[i%4-1])
		}
		if len(b) > 4 && i%8 == 0 {
			be.PutUint32(b, 5)
		}
		d.Decode(nil, exporterA, arrived, b)
	}
	checkSums(t, d.Stats())
}

func TestADatagramCutAnywhereLosesOnlyWhatIsBehindTheCut(t *testing.T) {
	whole := ipfix(1, set(2, template(256, usualIPFIX...)), set(256, repeat(3, func(i int) []byte { return usualRecord(i, true) })))
	all := decode(decoder(), whole)
	for n := range whole {
		d := decoder()
		flows, _ := d.Decode(nil, exporterA, arrived, whole[:n])
		checkSums(t, d.Stats())
		if len(flows) > len(all) || len(flows) > 0 && !cmp.Equal(flows, all[:len(flows)], sameAddr) {
			t.Fatalf("cut at %d: %d flows that differ", n, len(flows))
		}
	}
}

func TestADatagramIsNotKept(t *testing.T) {
	buffer := make([]byte, 2048)
	d := decoder()
	var flows []schema.Flow
	for _, b := range [][]byte{ipfix(1, set(2, template(256, usualIPFIX...))), ipfix(1, set(256, usualRecord(1, true)))} {
		n := copy(buffer, b)
		flows, _ = d.Decode(flows, exporterA, arrived, buffer[:n])
		for i := range buffer {
			buffer[i] = 0xff
		}
	}
	if want := decode(decoder(), ipfix(1, set(2, template(256, usualIPFIX...)), set(256, usualRecord(1, true)))); !cmp.Equal(want, flows, sameAddr) {
		t.Error(cmp.Diff(want, flows, sameAddr))
	}
}

// What is behind it in the buffer may be another worker's datagram; the race detector sees who reads it.
func TestNothingIsReadBehindTheEndOfADatagram(t *testing.T) {
	buffer := bytes.Repeat([]byte{0xff}, 2048)
	n := copy(buffer, ipfix(1, set(2, template(256, ends...)), set(256, endsOf())))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := n; i < len(buffer); i++ {
			buffer[i]++
		}
	}()
	if flows := decode(decoder(), buffer[:n]); len(flows) != 1 {
		t.Errorf("decoded %d flows", len(flows))
	}
	<-done
}
