package netflow_test

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// seeds adds datagrams of every shape: ours, the lab's, and the corpora's where they are.
func seeds(f *testing.F, add func([]byte)) {
	f.Helper()
	add(v5(1, v5record(6, 1, 2)))
	add(v9(1, set(0, template(256)), set(256, u32(1))))
	add(v9(1, set(0, template(256, usualV9...)), set(256, usualRecord(1, false))))
	add(v9(1, optionsV9(300, []fld{{1, 4, 0}}, []fld{{48, 1, 0}, {50, 4, 0}}, u32(0), u8(1), u32(100))))
	add(ipfix(1, set(2, template(256, fld{8, 4, 0}, fld{12, 4, 0}, fld{82, 0xffff, 0}, fld{8, 4, 0})), set(256, endsOf(u8(1), u8(2), u32(3)))))
	add(ipfix(1, set(2, template(256, usualIPFIX...)), set(256, usualRecord(1, true)), set(2, template(256))))
	for _, c := range sectionCases() {
		add(ipfix(1, set(2, template(256, c.fields...)), set(256, c.record)))
	}
	add(ipfix(1, set(2, listedTemplate, template(257, f313s...)), set(257, inList(3, 256, endsOf()))))
	add(v7(1, v7record))
	add(v1(1, v1record))
	add(sflow5(sampled(100, synFrame), sampled(100, arpFrame), cat(u32(2), u32(4), u32(0))))
	all, err := lab.Captures()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range all {
		add(labDatagrams(f, c)[0].payload)
	}
	dir := os.Getenv("SCANHOUND_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "dev", "decoder", "logstash", "*.dat"))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(b)
	}
}

// checkBounds checks that datagrams of so many bytes gave no more than they can hold: a flow has two addresses, of
// which one may stand before a list of flows.
func checkBounds(t *testing.T, bytes int, flows []schema.Flow, o netflow.Outcome) {
	t.Helper()
	if len(flows)*4 > bytes {
		t.Fatalf("%d flows of %d bytes", len(flows), bytes)
	}
	if len(flows) > 0 && (o == netflow.Short || o == netflow.UnknownVersion || o == netflow.Empty) {
		t.Fatalf("%d flows of a datagram that is %v", len(flows), o)
	}
	for i := range flows {
		f := &flows[i]
		if !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
			t.Fatalf("a flow without addresses: %+v", f)
		}
		if !schema.HasPorts(f.Proto) && (f.Src.Port != 0 || f.Dst.Port != 0) {
			t.Fatalf("ports of protocol %d: %+v", f.Proto, f)
		}
	}
}

func FuzzDatagram(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder()
		for i := range 2 { // the second time its own templates are known
			flows, o := d.Decode(nil, exporterA, arrived, b)
			checkBounds(t, len(b)*(i+1), flows, o)
		}
		checkSums(t, d.Stats())
	})
}

// FuzzSequence decodes datagrams of two exporters one after the other: by two decoders that share
// templates and one of another process, to which the changes of each are published, under tight bounds.
// In data each has its length and who sends it to whom before it; of no length, a minute passes.
func FuzzSequence(f *testing.F) {
	var all []byte
	seeds(f, func(b []byte) {
		if len(b) > 1<<13-1 {
			return
		}
		part := cat(u16(uint16(len(b))), b)
		all = append(all, part...)
		f.Add(cat(part, u16(uint16(len(b)|1<<15)), b, part, u16(0), u16(uint16(len(b)|1<<14)), b, u16(uint16(len(b)|1<<13)), b))
	})
	f.Add(all)
	data := v9(1, set(256, usualRecord(1, false)))
	f.Add(cat(u16(uint16(len(data))|1<<13), data, u16(100), v9(1, set(0, template(256, usualV9...))), u16(0), u16(0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := netflow.Config{MaxTemplates: 8, MaxPerExporter: 4, WaitBytes: 2000, WaitTotal: 3000, WaitAge: 3 * time.Minute}
		near, far := netflow.NewTemplates(cfg), netflow.NewTemplates(cfg)
		var published published
		near.OnChange(published.add(far))
		far.OnChange(published.add(near))
		d := [3]*netflow.Decoder{netflow.NewDecoder(near, cfg), netflow.NewDecoder(near, cfg), netflow.NewDecoder(far, cfg)}
		now, bytes, flows := arrived, 0, 0
		for len(data) >= 2 {
			head := be.Uint16(data)
			n := min(int(head&(1<<13-1)), len(data)-2)
			b := data[2 : 2+n]
			data = data[2+n:]
			from, by := exporterA, d[head>>14&1]
			if head>>15 == 1 {
				from = exporterB
			}
			if head>>13&1 == 1 {
				by = d[2]
			}
			if n == 0 {
				now = now.Add(time.Minute)
				flows += len(by.Idle(nil, now))
			} else {
				port := netip.AddrPortFrom(from, 50000+uint16(n>>2&1))
				got, _ := by.DecodeFrom(nil, port, now, b) // some may be of what another decoder brought
				checkBounds(t, len(b)+bytes, got, netflow.NoTemplate)
				flows += len(got)
			}
			if bytes += n; flows*4 > bytes {
				t.Fatalf("%d flows of %d bytes", flows, bytes)
			}
			published.load(t)
		}
		for _, by := range d { // the end of a recording
			if flows += len(by.Finish(nil)); flows*4 > bytes {
				t.Fatalf("%d flows of %d bytes", flows, bytes)
			}
		}
		sum := d[0].Stats()
		sum.Add(d[1].Stats())
		checkSums(t, sum)
		checkWaiting(t, near, sum)
		checkSums(t, d[2].Stats())
		checkWaiting(t, far, d[2].Stats())
		for _, ts := range []*netflow.Templates{near, far} {
			if s := ts.Stats(); s.Held > 8 || s.Rates > 8 || s.Exporters > 16 || uint64(len(ts.List())) != s.Held || s.Waiting.Waiting.Bytes > 3000 {
				t.Fatalf("not bounded: %+v", s)
			}
		}
	})
}

// published are changes on their way to other processes.
type published []func() error

func (p *published) add(to *netflow.Templates) func(key, value []byte) {
	return func(key, value []byte) { *p = append(*p, func() error { return to.Load(key, value) }) }
}

// load delivers what was published, and what that made others publish.
func (p *published) load(tb testing.TB) {
	tb.Helper()
	for i := 0; len(*p) > 0; i++ {
		all := *p
		*p = nil
		for _, load := range all {
			if err := load(); err != nil {
				tb.Fatal(err)
			}
		}
		if i > 10_000 {
			tb.Fatal("two processes publish for ever")
		}
	}
}

func FuzzLoad(f *testing.F) {
	ts := netflow.NewTemplates(netflow.Config{})
	ts.OnChange(func(key, value []byte) { f.Add(key, value) })
	d := netflow.NewDecoder(ts, netflow.Config{})
	seeds(f, func(b []byte) { d.Decode(nil, exporterA, arrived, b) })
	f.Fuzz(func(t *testing.T, key, value []byte) {
		ts := netflow.NewTemplates(netflow.Config{MaxTemplates: 4})
		err := ts.Load(key, value)
		first := snapshot(ts)
		if err != nil && len(first) > 0 {
			t.Fatalf("refused, yet it holds %v", first)
		}
		if err == nil && len(value) > 0 && (len(first) != 1 || first[string(key)] != string(value)) {
			t.Fatalf("loaded %x %x, holds %x", key, value, first)
		}
		if again := ts.Load(key, value); (again == nil) != (err == nil) || !maps.Equal(first, snapshot(ts)) {
			t.Fatalf("not idempotent: %v", again)
		}
		if err == nil && ts.Load(key, nil) != nil || len(snapshot(ts)) > 0 || ts.Stats().Exporters > 0 {
			t.Fatalf("it does not go again: %+v", ts.Stats())
		}
		d := netflow.NewDecoder(ts, netflow.Config{})
		if ts.Load(key, value) == nil {
			for _, m := range ts.List() {
				b := ipfix(m.Domain, set(m.ID, make([]byte, 400)))
				if m.Version == 9 {
					b = v9(m.Domain, set(m.ID, make([]byte, 400)))
				}
				d.Decode(nil, m.Exporter, arrived, b)
			}
		}
		checkSums(t, d.Stats())
	})
}

func snapshot(ts *netflow.Templates) map[string]string {
	all := map[string]string{}
	ts.Snapshot(func(key, value []byte) { all[string(key)] = string(value) })
	return all
}
