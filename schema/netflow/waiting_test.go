package netflow_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema/netflow"
)

// shared returns two decoders of one set of templates.
func shared(cfg netflow.Config) (*netflow.Templates, *netflow.Decoder, *netflow.Decoder) {
	ts := netflow.NewTemplates(cfg)
	return ts, netflow.NewDecoder(ts, cfg), netflow.NewDecoder(ts, cfg)
}

func TestDataBeforeItsTemplateIsDecodedAsIfItHadComeBehindIt(t *testing.T) {
	records := repeat(3, func(i int) []byte { return usualRecord(i, false) })
	data, announced := v9(1, set(256, records)), v9(1, set(0, template(256, usualV9...)))
	be.PutUint32(data[4:], uptime-5000) // times hang on the header that the data came with
	be.PutUint32(data[12:], 42)
	want := decode(decoder(), announced, data)
	want[0].Received = arrived - 7
	for i := range want {
		want[i].Received = arrived - 7
	}
	ts, d, _ := shared(netflow.Config{})
	if flows, o := d.Decode(nil, exporterA, arrived-7, data); len(flows) != 0 || o != netflow.NoTemplate {
		t.Fatalf("%d flows, %v", len(flows), o)
	}
	got, o := d.Decode(nil, exporterA, arrived, announced)
	if diff := cmp.Diff(want, got, sameAddr); diff != "" || o != netflow.Decoded {
		t.Errorf("%v %s", o, diff)
	}
	checkSums(t, d.Stats())
	checkWaiting(t, ts, d.Stats())
	if w := ts.Stats().Waiting; w.Recovered != (netflow.SetCount{Sets: 1, Bytes: uint64(len(records))}) {
		t.Errorf("%+v", w)
	}
	if got := decode(d, announced); len(got) != 0 {
		t.Errorf("decoded again: %+v", got)
	}
}

func TestFlowsThatWaitedComeBehindThoseOfTheDatagram(t *testing.T) {
	d := decoder()
	early, now := v9(1, set(256, ip("10.0.0.1"), ip("10.0.0.2"))), v9(1, set(0, template(256, ends...)), set(256, endsOf()))
	flows := decode(d, early, now)
	if len(flows) != 2 || flows[0].Src.Addr.String() != "198.51.100.7" || flows[1].Src.Addr.String() != "10.0.0.1" {
		t.Errorf("%+v", flows)
	}
}

func TestTheOutcomeIsThatOfTheDatagramWhateverWaited(t *testing.T) {
	ts, d, _ := shared(netflow.Config{})
	decode(d, v9(1, set(256, endsOf(), endsOf()[:5])))
	flows, o := d.Decode(nil, exporterA, arrived, v9(1, set(0, template(256, ends...))))
	if len(flows) != 1 || o != netflow.Decoded || d.Stats().Records.Cut != 1 {
		t.Errorf("%d flows, %v, %+v", len(flows), o, d.Stats().Records)
	}
	checkSums(t, d.Stats())
	checkWaiting(t, ts, d.Stats())
}

func TestOptionsWaitToo(t *testing.T) {
	options := optionsV9(300, []fld{{1, 4, 0}}, []fld{{34, 4, 0}}, u32(0), u32(50))
	n := len(options) - 12 // the data set is the last 12 bytes
	d := decoder()
	decode(d, v9(1, options[n:]), v9(1, options[:n]), v9(1, set(0, template(256, ends...))))
	if flows := decode(d, v9(1, set(256, endsOf()))); len(flows) != 1 || flows[0].Exporter.Sampling != 50 {
		t.Errorf("%+v", flows)
	}
}

func TestATemplateThatAnotherDecoderHeardComesWithTheNextIdle(t *testing.T) {
	ts, a, b := shared(netflow.Config{})
	decode(a, v9(1, set(256, endsOf())))
	if flows := decode(b, v9(1, set(0, template(256, ends...)))); len(flows) != 1 {
		t.Fatalf("who hears the template decodes what waits: %d flows", len(flows))
	}
	decode(a, v9(2, set(256, endsOf())))
	var key, value []byte
	other := netflow.NewTemplates(netflow.Config{})
	other.OnChange(func(k, v []byte) { key, value = k, v })
	decode(netflow.NewDecoder(other, netflow.Config{}), v9(2, set(0, template(256, ends...))))
	if err := ts.Load(key, value); err != nil {
		t.Fatal(err)
	}
	if flows := b.Idle(nil, arrived); len(flows) != 0 {
		t.Error("a decoder got what another waits for")
	}
	if flows := a.Idle(nil, arrived); len(flows) != 1 || flows[0].Exporter.Domain != 2 {
		t.Errorf("%+v", flows)
	}
	sum := a.Stats()
	sum.Add(b.Stats())
	checkSums(t, sum)
	checkWaiting(t, ts, sum)
}

func TestDataWaitsNoLongerThanItMay(t *testing.T) {
	ts, d, _ := shared(netflow.Config{WaitAge: time.Minute})
	early := func(id uint16, at time.Duration) {
		d.Decode(nil, exporterA, arrived.Add(at), v9(1, set(id, endsOf())))
	}
	early(256, 0)
	early(256, 30*time.Second)
	early(257, 40*time.Second)
	early(258, 70*time.Second) // the first is lost by now
	if w := ts.Stats().Waiting; w.Lost.Sets != 1 || w.Waiting.Sets != 3 {
		t.Errorf("%+v", w)
	}
	if flows := d.Idle(nil, arrived.Add(95*time.Second)); len(flows) != 0 || ts.Stats().Waiting.Lost.Sets != 2 {
		t.Errorf("%d flows, %+v", len(flows), ts.Stats().Waiting)
	}
	flows, _ := d.Decode(nil, exporterA, arrived.Add(96*time.Second), v9(1, set(0, template(256, ends...), template(257, ends...))))
	if len(flows) != 1 {
		t.Errorf("%d flows, want the one of 257", len(flows))
	}
	checkWaiting(t, ts, d.Stats())
}

func TestWhoLacksWhichTemplateIsListed(t *testing.T) {
	ts, d, _ := shared(netflow.Config{WaitBytes: 600})
	from := netip.AddrPortFrom(exporterA, 40000)
	for i := range 5 {
		d.DecodeFrom(nil, from, arrived.Add(time.Duration(i)*time.Second), ipfix(9, set(300, endsOf())))
	}
	d.Decode(nil, exporterB, arrived, v9(1, set(256, endsOf(), endsOf())))
	want := []netflow.Missing{
		{Exporter: exporterA, Port: 40000, Version: 10, Domain: 9, ID: 300, First: arrived, Last: arrived.Add(4 * time.Second),
			Waiting: netflow.SetCount{Sets: 2, Bytes: 16}, Lost: netflow.SetCount{Sets: 3, Bytes: 24}},
		{Exporter: exporterB, Version: 9, Domain: 1, ID: 256, First: arrived, Last: arrived, Waiting: netflow.SetCount{Sets: 1, Bytes: 16}},
	}
	if diff := cmp.Diff(want, ts.Missing(), sameAddr); diff != "" {
		t.Error(diff)
	}
	checkWaiting(t, ts, d.Stats())
	d.Decode(nil, exporterB, arrived, v9(1, set(0, template(256, ends...))))
	d.Idle(nil, arrived.Add(6*time.Minute))
	if all := ts.Missing(); len(all) != 1 || all[0].Lost.Sets != 5 || all[0].Waiting.Sets != 0 {
		t.Errorf("%+v", all)
	}
	d.Idle(nil, arrived.Add(50*time.Minute))
	if all := ts.Missing(); len(all) != 1 {
		t.Errorf("it is listed for an hour: %+v", all)
	}
	d.Idle(nil, arrived.Add(70*time.Minute))
	if all := ts.Missing(); len(all) != 0 || ts.Stats().Missing != 0 {
		t.Errorf("nobody has asked for an hour: %+v", all)
	}
	checkWaiting(t, ts, d.Stats())
}

// A million exporters that send data of templates nobody knows take the memory of the buffer, no more.
func TestAFloodOfEarlyDataIsBounded(t *testing.T) {
	cfg := netflow.Config{WaitBytes: 4 << 10, WaitTotal: 64 << 10}
	ts, d, _ := shared(cfg)
	addr := netip.MustParseAddr("198.18.0.0")
	for i := range 50_000 {
		addr = addr.Next()
		d.Decode(nil, addr, arrived.Add(time.Duration(i)*time.Millisecond), v9(uint32(i), set(uint16(256+i%1000), endsOf())))
	}
	s := ts.Stats()
	if held := s.Waiting.Waiting; held.Bytes+256*held.Sets > 64<<10 || held.Sets < 200 {
		t.Errorf("%+v wait", held)
	}
	if s.Missing > 4096 || len(ts.Missing()) != int(s.Missing) || s.Exporters != 0 {
		t.Errorf("%+v", s)
	}
	checkWaiting(t, ts, d.Stats())
	// One exporter alone does not take it all.
	for range 100 {
		decode(d, v9(7, set(256, endsOf())))
	}
	d.Idle(nil, arrived.Add(time.Hour))
	for range 100 {
		d.Decode(nil, exporterA, arrived.Add(time.Hour), v9(7, set(256, endsOf())))
	}
	if held := ts.Stats().Waiting.Waiting.Sets; held != 4<<10/(256+8) {
		t.Errorf("%d sets of one exporter wait", held)
	}
	checkWaiting(t, ts, d.Stats())
}

func TestExportersBehindOneAddressAreToldApartByPort(t *testing.T) {
	ts, d, _ := shared(netflow.Config{})
	a, b := netip.AddrPortFrom(exporterA, 1000), netip.AddrPortFrom(exporterA, 2000)
	d.DecodeFrom(nil, a, arrived, v9(1, set(0, template(256, ends...))))
	d.DecodeFrom(nil, b, arrived, v9(1, set(0, template(256, f(12, 4), f(8, 4)))))
	for from, want := range map[netip.AddrPort]string{a: "198.51.100.7", b: "203.0.113.9"} {
		flows, _ := d.DecodeFrom(nil, from, arrived, v9(1, set(256, endsOf())))
		if len(flows) != 1 || flows[0].Src.Addr.String() != want || flows[0].Exporter.Addr != exporterA {
			t.Errorf("%v: %+v", from, flows)
		}
	}
	if all := ts.List(); len(all) != 2 || all[0].Port != 1000 || all[1].Port != 2000 {
		t.Errorf("%+v", all)
	}
	d = decoder()
	d.DecodeFrom(nil, a, arrived, v9(1, set(0, template(256, ends...))))
	flows, _ := d.DecodeFrom(nil, b, arrived, v9(1, set(256, endsOf())))
	if flows = d.Finish(flows); len(flows) != 1 {
		t.Error("another port is another exporter, though it announces nothing")
	}
	zoned := netip.MustParseAddrPort("[fe80::1%eth0]:7")
	flows, _ = d.DecodeFrom(nil, zoned, arrived, v9(1, set(0, template(256, ends...)), set(256, endsOf())))
	if len(flows) != 1 || flows[0].Exporter.Addr != netip.MustParseAddr("fe80::1") {
		t.Errorf("%+v", flows)
	}
}

func TestWhatWaitsIsLostWhereItsTemplateIsGoneAgain(t *testing.T) {
	ts, a, b := shared(netflow.Config{})
	decode(a, ipfix(1, set(256, endsOf())))
	var changes published
	source := netflow.NewTemplates(netflow.Config{})
	source.OnChange(changes.add(ts))
	decode(netflow.NewDecoder(source, netflow.Config{}), ipfix(1, set(2, template(256, ends...))))
	changes.load(t)
	decode(b, ipfix(1, set(2, template(256))))
	if flows := a.Idle(nil, arrived); len(flows) != 0 {
		t.Errorf("%+v", flows)
	}
	sum := a.Stats()
	sum.Add(b.Stats())
	checkWaiting(t, ts, sum)
	if w := ts.Stats().Waiting; w.Lost.Sets != 1 {
		t.Errorf("%+v", w)
	}
}

func TestAFloodOfMissingTemplatesDoesNotPushOutThoseThatDataWaitsFor(t *testing.T) {
	ts, d, _ := shared(netflow.Config{})
	for domain := range uint32(4096 + 10) {
		decode(d, v9(domain, set(256, endsOf())))
	}
	if s := ts.Stats(); s.Missing != 4096 || s.Waiting.Waiting.Sets != 4096 || s.Waiting.Lost.Sets != 10 {
		t.Errorf("%+v", s)
	}
	if flows := decode(d, v9(0, set(0, template(256, ends...)))); len(flows) != 1 {
		t.Errorf("%d flows, want that of the first", len(flows))
	}
	d.Idle(nil, arrived.Add(6*time.Minute)) // nothing waits now, so that others may be listed
	d.Decode(nil, exporterB, arrived.Add(6*time.Minute), v9(0, set(256, endsOf())))
	d.Decode(nil, exporterB, arrived.Add(6*time.Minute), v9(1, set(256, endsOf())))
	if s := ts.Stats(); s.Missing != 4096 || s.Waiting.Waiting.Sets != 2 {
		t.Errorf("%+v", s)
	}
	checkWaiting(t, ts, d.Stats())
}

// What a flood of exporters leaves behind is what Config allows, however many there were.
func TestMemoryIsBoundedUnderAFloodOfExporters(t *testing.T) {
	cfg := netflow.Config{MaxTemplates: 500, WaitBytes: 4 << 10, WaitTotal: 256 << 10}
	ts, d, _ := shared(cfg)
	told := 0
	ts.OnChange(func(_, _ []byte) { told++ })
	addr := netip.MustParseAddr("10.0.0.0")
	flood := func(n int) uint64 {
		for range n {
			addr = addr.Next()
			flows, _ := d.Decode(nil, addr, arrived, cat(v9(1, set(0, template(256, ends...)), set(256, endsOf()), set(257, endsOf()),
				optionsV9(300, []fld{{1, 4, 0}}, []fld{{48, 1, 0}, {34, 4, 0}}, u32(0), u8(7), u32(50)))))
			if len(flows) != 1 {
				t.Fatalf("%d flows", len(flows))
			}
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := flood(5_000)
	if after := flood(35_000); after > before+1<<20 {
		t.Errorf("%d bytes after 5,000 exporters, %d after 40,000", before, after)
	}
	s := ts.Stats()
	if s.Held != 500 || s.Rates > 500 || s.Exporters > 500 || s.Missing > 4096 || s.Waiting.Waiting.Bytes > 256<<10 || told < 120_000 {
		t.Errorf("%+v, %d told", s, told)
	}
	checkSums(t, d.Stats())
	checkWaiting(t, ts, d.Stats())
}
