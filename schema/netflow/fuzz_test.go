package netflow_test

import (
	"os"
	"path/filepath"
	"testing"

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

// checkBounds checks that a datagram gave no more than it can hold: a flow has two addresses.
func checkBounds(t *testing.T, b []byte, flows []schema.Flow, o netflow.Outcome) {
	t.Helper()
	if len(flows)*8 > len(b) {
		t.Fatalf("%d flows of %d bytes", len(flows), len(b))
	}
	if len(flows) > 0 && (o == netflow.Short || o == netflow.UnknownVersion || o == netflow.Empty) {
		t.Fatalf("%d flows of a datagram that is %v", len(flows), o)
	}
	for i := range flows {
		f := &flows[i]
		if !f.Src.Addr.IsValid() && !f.Dst.Addr.IsValid() && f.Exporter.Type == schema.NetFlowV5 {
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
		for range 2 { // the second time its own templates are known
			flows, o := d.Decode(nil, exporterA, arrived, b)
			checkBounds(t, b, flows, o)
		}
		checkSums(t, d.Stats())
	})
}

// FuzzSequence decodes datagrams of two exporters one after the other, by two decoders that share
// templates, under tight bounds. In data each has its length and who sends it before it.
func FuzzSequence(f *testing.F) {
	var all []byte
	seeds(f, func(b []byte) {
		if len(b) > 1<<14-1 {
			return
		}
		part := cat(u16(uint16(len(b))), b)
		all = append(all, part...)
		f.Add(cat(part, u16(uint16(len(b)|1<<15)), b, part))
	})
	f.Add(all)
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := netflow.Config{MaxTemplates: 8, MaxPerExporter: 4}
		ts := netflow.NewTemplates(cfg)
		d := [2]*netflow.Decoder{netflow.NewDecoder(ts, cfg), netflow.NewDecoder(ts, cfg)}
		for len(data) >= 2 {
			head := be.Uint16(data)
			n := min(int(head&(1<<14-1)), len(data)-2)
			b := data[2 : 2+n]
			data = data[2+n:]
			from := exporterA
			if head>>15 == 1 {
				from = exporterB
			}
			flows, o := d[head>>14&1].Decode(nil, from, arrived, b)
			checkBounds(t, b, flows, o)
		}
		sum := d[0].Stats()
		sum.Add(d[1].Stats())
		checkSums(t, sum)
		if s := ts.Stats(); s.Held > 8 || s.Rates > 8 || s.Exporters > s.Held || uint64(len(ts.List())) != s.Held {
			t.Fatalf("not bounded: %+v", s)
		}
	})
}
