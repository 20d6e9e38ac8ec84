package netflow_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

func TestTheHeaderSaysHowFarItsDatagramAdvancesTheSequence(t *testing.T) {
	at := schema.TimeOf(exported)
	const up = uptime * time.Millisecond
	usual := set(2, template(256, ends...))
	for _, c := range []struct {
		name string
		b    []byte
		want netflow.Header
	}{
		{"v1", v1(2, v1record, v1record), netflow.Header{Type: schema.NetFlowV5, Version: 1, Units: 2, Records: 2, Export: at + 5e6, Uptime: up}},
		{"v5", v5(2, v5record(6, 1, 2), v5record(6, 1, 2)), netflow.Header{Type: schema.NetFlowV5, Version: 5, Domain: 2<<8 | 3, Sequence: 7, Units: 2, Records: 2, Export: at + 5e6, Uptime: up}},
		{"v5 that is cut", v5(2, v5record(6, 1, 2)), netflow.Header{Type: schema.NetFlowV5, Version: 5, Domain: 2<<8 | 3, Sequence: 7, Units: 2, Records: 2, Export: at + 5e6, Uptime: up}},
		{"v7", v7(1, v7record), netflow.Header{Type: schema.NetFlowV5, Version: 7, Sequence: 7, Units: 1, Records: 1, Export: at + 5e6, Uptime: up}},
		{"v9", v9(1, set(0, template(256, ends...)), set(256, endsOf(), endsOf())), netflow.Header{Type: schema.NetFlowV9, Version: 9, Domain: 1, Sequence: 7, Units: 1, Records: 2, Export: at, Uptime: up}},
		{"IPFIX", ipfix(1, usual, set(256, endsOf(), endsOf())), netflow.Header{Type: schema.IPFIX, Version: 10, Domain: 1, Sequence: 7, Units: 2, Records: 2, Export: at}},
		{"IPFIX of templates", ipfix(1, usual), netflow.Header{Type: schema.IPFIX, Version: 10, Domain: 1, Sequence: 7, Export: at}},
		{"IPFIX with records that cannot be counted", ipfix(1, usual, set(256, endsOf()), set(257, endsOf())),
			netflow.Header{Type: schema.IPFIX, Version: 10, Domain: 1, Sequence: 7, Units: 1, Open: true, Records: 1, Export: at}},
		{"IPFIX with options", ipfix(1, optionsIPFIX(300, []fld{{149, 4, 0}}, []fld{{34, 4, 0}}, u32(1), u32(10)), usual, set(256, endsOf())),
			netflow.Header{Type: schema.IPFIX, Version: 10, Domain: 1, Sequence: 7, Units: 2, Records: 1, Export: at}},
		{"sFlow", sflow5(sampled(10, synFrame), sampled(10, synFrame)),
			netflow.Header{Type: schema.SFlow5, Version: 5, Domain: 3, Agent: netip.MustParseAddr("192.0.2.200"), Sequence: 7, Units: 1, Uptime: up}},
		{"half a header", v9(1)[:19], netflow.Header{}},
		{"text", []byte("<13>Sep  1 12:00:00 host"), netflow.Header{}},
	} {
		d := decoder()
		decode(d, v5(3), c.b)
		if diff := cmp.Diff(c.want, d.Header(), sameAddr); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// A waiting set that is decoded with a datagram does not count for it.
func TestTheHeaderIsThatOfTheDatagramWhateverWaited(t *testing.T) {
	d := decoder()
	late := ipfix(1, set(256, endsOf(), endsOf()))
	be.PutUint32(late[8:], 99)
	flows := decode(d, late, ipfix(1, set(2, template(256, ends...))))
	if h := d.Header(); len(flows) != 2 || h.Units != 0 || h.Sequence != 7 {
		t.Errorf("%d flows, %+v", len(flows), h)
	}
	if flows[0].Exporter.Sequence != 99 {
		t.Errorf("the flows have another datagram's sequence: %+v", flows[0].Exporter)
	}
}

// told are the totals of one Sequence.
type told struct {
	lost, found uint64
	resets      int
}

func follow(s *netflow.Sequence, headers ...netflow.Header) (sum told) {
	for _, h := range headers {
		lost, found, reset := s.Advance(h)
		sum.lost, sum.found = sum.lost+lost, sum.found+found
		if reset {
			sum.resets++
		}
	}
	return sum
}

// at are headers of one unit at these sequence numbers.
func at(sequences ...uint32) (all []netflow.Header) {
	for _, n := range sequences {
		all = append(all, netflow.Header{Version: 9, Sequence: n, Units: 1})
	}
	return all
}

func TestASequenceTellsWhatIsMissing(t *testing.T) {
	up := func(h []netflow.Header, each ...time.Duration) []netflow.Header {
		for i := range h {
			h[i].Uptime = each[i]
		}
		return h
	}
	records := func(sequence, units uint32) netflow.Header {
		return netflow.Header{Version: 10, Sequence: sequence, Units: units, Records: units}
	}
	open := records(100, 4)
	open.Open = true
	for _, c := range []struct {
		name    string
		headers []netflow.Header
		want    told
	}{
		{"nothing", at(5, 6, 7), told{}},
		{"nothing over the wrap", at(0xffff_fffe, 0xffff_ffff, 0, 1), told{}},
		{"three", at(5, 9, 10), told{lost: 3}},
		{"two over the wrap", at(0xffff_fffe, 1), told{lost: 2}},
		{"records", []netflow.Header{records(0, 24), records(24, 24), records(72, 24)}, told{lost: 24}},
		{"templates without records", []netflow.Header{records(0, 24), records(24, 0), records(24, 0), records(24, 24)}, told{}},
		{"one that was overtaken", at(5, 7, 6, 8), told{lost: 1, found: 1}},
		{"two that were overtaken by two", at(5, 8, 9, 6, 7, 10), told{lost: 2, found: 2}},
		{"in the middle of a gap", at(5, 9, 7, 8, 10, 6), told{lost: 3, found: 3}},
		{"duplicates", at(5, 5, 6, 6, 7, 7, 8, 8), told{}},
		{"the same four times", at(5, 5, 5, 5, 6, 7), told{}},
		{"a duplicate of one that was overtaken", at(5, 7, 6, 6, 8), told{lost: 1, found: 1}},
		{"those before the first", at(7, 5, 6, 8, 9), told{}},
		{"a start from 0", at(500, 501, 0, 1, 2, 3, 4, 5, 7), told{lost: 1, resets: 1}},
		{"a start from 0 that says so by its uptime", up(at(500, 501, 0, 1), time.Hour, time.Hour, time.Second, time.Second), told{resets: 1}},
		{"uptime that wraps", up(at(500, 501), 1<<32*time.Millisecond-1, 1), told{}},
		{"slightly less uptime", up(at(500, 502, 501), time.Hour, time.Hour, time.Hour-time.Second), told{lost: 1, found: 1}},
		{"one from nowhere", at(5, 3_000_000_000, 6, 7), told{}},
		{"records that could not be counted", []netflow.Header{open, records(150, 4), records(154, 4)}, told{}},
		{"v1, which has none", []netflow.Header{{Version: 1, Units: 3}, {Version: 1, Units: 3}}, told{}},
		{"no datagram at all", []netflow.Header{{}, {}}, told{}},
	} {
		if got := follow(&netflow.Sequence{}, c.headers...); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever is lost and overtaken on the way, what is lost less what is found is what did not come.
func TestWhatIsMissingOfASequenceIsWhatWasDropped(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		sequence := r.Uint32()
		if seed%4 == 0 {
			sequence = -uint32(r.IntN(1000)) // it wraps
		}
		header := func(units, options uint32) netflow.Header {
			h := netflow.Header{Version: 10, Sequence: sequence, Units: units, Records: units - options}
			sequence += units
			return h
		}
		var sure, sent []netflow.Header
		for i := range uint32(10) { // tells that it counts as it should
			sure = append(sure, header(i%3*7+3, 0))
		}
		for range 300 {
			sent = append(sent, header(uint32(r.IntN(30)+2), uint32(r.IntN(2))))
		}
		// The ends come, and in their place, so that what is between them is known.
		last := header(1, 0)
		var dropped uint64
		come := slices.DeleteFunc(slices.Clone(sent), func(h netflow.Header) bool {
			gone := r.IntN(10) == 0
			if gone {
				dropped += uint64(h.Units)
			}
			return gone
		})
		for i := range len(come) / 10 { // a tenth is overtaken by up to 3
			from := i*10 + r.IntN(6)
			h := come[from]
			to := from + r.IntN(4)
			copy(come[from:to], come[from+1:to+1])
			come[to] = h
			if r.IntN(4) == 0 { // and some come twice
				come = slices.Insert(come, to, h)
			}
		}
		var s netflow.Sequence
		got := follow(&s, slices.Concat(sure, come, []netflow.Header{last})...)
		if got.lost-got.found != dropped || got.resets != 0 {
			t.Fatalf("seed %d: %+v, dropped were %d", seed, got, dropped)
		}
	}
}

func TestAnExporterThatCountsOtherwiseIsFoundOut(t *testing.T) {
	sizes := []uint32{24, 24, 24, 7, 24, 24, 1, 24, 12, 24, 24, 24, 9, 24}
	for name, number := range map[string]func(h *netflow.Header, datagrams, flowsBefore uint32){
		"v9 that counts flows":                   func(h *netflow.Header, _, n uint32) { h.Version, h.Units, h.Sequence = 9, 1, n },
		"IPFIX that does not count options":      func(h *netflow.Header, _, n uint32) { h.Version, h.Sequence = 10, n },
		"IPFIX that counts its own flows too":    func(h *netflow.Header, _, n uint32) { h.Version, h.Sequence = 10, n+h.Records },
		"IPFIX that counts datagrams":            func(h *netflow.Header, n, _ uint32) { h.Version, h.Sequence = 10, n },
		"v5 that counts datagrams":               func(h *netflow.Header, n, _ uint32) { h.Version, h.Units, h.Sequence = 5, h.Records, n },
		"IPFIX as it should be, but for options": func(h *netflow.Header, _, n uint32) { h.Version, h.Units, h.Sequence = 10, h.Records, n },
	} {
		var all []netflow.Header
		var flows, gone uint32
		for i := range uint32(60) {
			size := sizes[i%uint32(len(sizes))]
			h := netflow.Header{Units: size + 1 - min(i%9, 1), Records: size} // each ninth has an option
			number(&h, i, flows)
			flows += size
			if i == 50 {
				gone = size
				continue
			}
			all = append(all, h)
		}
		var s netflow.Sequence
		if got := follow(&s, all[:50]...); got.resets != 0 || got.lost != got.found {
			t.Errorf("%s: %+v, nothing was lost", name, got)
		}
		if got := follow(&s, all[50:]...); got.lost != uint64(gone) && got.lost != 1 || got.found != 0 {
			t.Errorf("%s: %+v, want one datagram of %d", name, got, gone)
		}
	}
}

func TestNothingIsMissingOfTheLabsRecordings(t *testing.T) {
	for _, c := range captures(t) {
		d := decoder()
		var s netflow.Sequence
		var sum told
		for _, g := range labDatagrams(t, c) {
			d.Decode(nil, g.from, g.at, g.payload)
			one := follow(&s, d.Header())
			sum.lost, sum.found, sum.resets = sum.lost+one.lost, sum.found+one.found, sum.resets+one.resets
		}
		if sum != (told{}) {
			t.Errorf("%s: %+v", c.Name, sum)
		}
	}
}

func FuzzSequenceNumbers(f *testing.F) {
	f.Add(cat(u32(1), u32(1), u32(9), u32(1), u32(2), u32(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s netflow.Sequence
		var sum told
		for ; len(b) >= 8; b = b[8:] {
			one := follow(&s, netflow.Header{Version: 9, Sequence: be.Uint32(b), Units: be.Uint32(b[4:]) & 0xffff})
			sum.lost, sum.found = sum.lost+one.lost, sum.found+one.found
			if one.resets == 1 {
				sum = told{}
			}
			if sum.found > sum.lost {
				t.Fatalf("more is found than was lost: %+v", sum)
			}
		}
	})
}
