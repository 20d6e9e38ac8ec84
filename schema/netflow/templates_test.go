package netflow_test

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

func TestATemplateThatOneDecoderLearnsServesAllOthers(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{})
	a, b := netflow.NewDecoder(ts, netflow.Config{}), netflow.NewDecoder(ts, netflow.Config{})
	data := v9(1, set(256, endsOf()))
	if flows := decode(b, data); len(flows) != 0 {
		t.Fatal("decoded without a template")
	}
	decode(a, v9(1, set(0, template(256, ends...))))
	if flows := decode(b, data); len(flows) != 1 {
		t.Fatal("the other decoder does not know the template")
	}
	decode(a, v9(1, set(0, template(256, f(12, 4), f(8, 4)))))
	if flows := decode(b, data); len(flows) != 1 || flows[0].Src.Addr.String() != "203.0.113.9" {
		t.Errorf("the other decoder has the old template: %+v", flows)
	}
}

func TestATemplateServesOnlyItsExporterVersionAndDomain(t *testing.T) {
	d := decoder()
	decode(d, v9(1, set(0, template(256, ends...))))
	for name, try := range map[string]func() ([]schema.Flow, netflow.Outcome){
		"another domain": func() ([]schema.Flow, netflow.Outcome) {
			return d.Decode(nil, exporterA, arrived, v9(2, set(256, endsOf())))
		},
		"another version": func() ([]schema.Flow, netflow.Outcome) {
			return d.Decode(nil, exporterA, arrived, ipfix(1, set(256, endsOf())))
		},
		"another exporter": func() ([]schema.Flow, netflow.Outcome) {
			return d.Decode(nil, exporterB, arrived, v9(1, set(256, endsOf())))
		},
	} {
		if flows, o := try(); o != netflow.NoTemplate || len(flows) != 0 {
			t.Errorf("%s: %v, %d flows", name, o, len(flows))
		}
	}
	mapped := netip.AddrFrom16(exporterA.As16())
	if flows, _ := d.Decode(nil, mapped, arrived, v9(1, set(256, endsOf()))); len(flows) != 1 || flows[0].Exporter.Addr != exporterA {
		t.Error("a socket of both families makes another exporter of it")
	}
}

func TestAWithdrawnTemplateIsGone(t *testing.T) {
	options := cat(u16(300), u16(1), u16(1), u16(149), u16(4))
	for name, c := range map[string]struct {
		withdraw []byte
		left     int
	}{
		"one by its id":    {set(2, template(256)), 2},
		"all of data":      {set(2, template(2)), 1},
		"all of options":   {set(3, template(3)), 2},
		"one that is not":  {set(2, template(999)), 3},
		"both, one by one": {cat(set(2, template(256)), set(2, template(257)), set(3, template(300))), 0},
	} {
		ts := netflow.NewTemplates(netflow.Config{})
		d := netflow.NewDecoder(ts, netflow.Config{})
		decode(d, ipfix(1, set(2, template(256, ends...), template(257, ends...)), set(3, options)), ipfix(1, c.withdraw))
		if got := len(ts.List()); got != c.left {
			t.Errorf("%s: %d templates left, want %d", name, got, c.left)
		}
	}
}

func TestAnOptionsTemplateReplacesATemplateOfTheSameFields(t *testing.T) {
	d := decoder()
	decode(d, v9(1, set(0, template(256, ends...))), v9(1, set(1, u16(256), u16(0), u16(8), specifiers(ends))))
	if flows := decode(d, v9(1, set(256, endsOf()))); len(flows) != 0 || d.Stats().Records.Options != 1 {
		t.Errorf("%d flows, %+v", len(flows), d.Stats().Records)
	}
}

func TestTemplatesAreListedAsAnnounced(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{})
	d := netflow.NewDecoder(ts, netflow.Config{})
	decode(d, v9(9, set(1, u16(300), u16(4), u16(4), u16(1), u16(4), u16(34), u16(4)), set(300, u32(0), u32(100))))
	decode(d, ipfix(3, set(2, template(256, f(8, 4), fld{5, 0xffff, 9}))))
	want := []netflow.TemplateInfo{
		{Exporter: exporterA, Version: 9, Domain: 9, ID: 300, Options: true, When: arrived, Sampling: 100,
			Fields: []netflow.Field{{ID: 1, Length: 4, Scope: true}, {ID: 34, Length: 4}}},
		{Exporter: exporterA, Version: 10, Domain: 3, ID: 256, When: arrived,
			Fields: []netflow.Field{{ID: 8, Length: 4}, {ID: 5, Length: 0xffff, Enterprise: 9}}},
	}
	if diff := cmp.Diff(want, ts.List(), sameAddr); diff != "" {
		t.Error(diff)
	}
}

func TestAFloodOfTemplatesIsBoundedAndSparesThoseInUse(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{MaxTemplates: 100, MaxPerExporter: 10})
	d := netflow.NewDecoder(ts, netflow.Config{})
	decode(d, v9(1, set(0, template(256, ends...))))
	addr := netip.MustParseAddr("198.18.0.0")
	for i := range 5000 {
		addr = addr.Next()
		d.Decode(nil, addr, arrived, v9(uint32(i), set(0, template(uint16(256+i), ends...))))
		if i%20 == 0 {
			if flows := decode(d, v9(1, set(256, endsOf()))); len(flows) != 1 {
				t.Fatalf("after %d others the template in use is gone", i)
			}
		}
	}
	if s := ts.Stats(); s.Held != 100 || s.Exporters != 100 || s.Evicted != 4901 {
		t.Errorf("%+v, want 100 held, 4,901 evicted", s)
	}
	for i := range 5000 {
		decode(d, v9(7, set(0, template(uint16(256+i), ends...))))
	}
	of := 0
	for _, m := range ts.List() {
		if m.Exporter == exporterA && m.Domain == 7 {
			of++
		}
	}
	if of != 10 || ts.Stats().Held > 100 {
		t.Errorf("one exporter holds %d of %d, want 10", of, ts.Stats().Held)
	}
}

func TestTemplatesOfManyFieldsAreBoundedByTheirFields(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{MaxTemplates: 100})
	d := netflow.NewDecoder(ts, netflow.Config{})
	many := make([]fld, 1000)
	for i := range many {
		many[i] = f(1000, 1)
	}
	for i := range 50 {
		decode(d, v9(uint32(i), set(0, template(256, many...))))
	}
	if s := ts.Stats(); s.Fields > 6400 || s.Held != 6 || s.Evicted != 44 {
		t.Errorf("%+v, want at most 6,400 fields", s)
	}
}

func TestAnExporterWithoutTemplatesIsForgotten(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{})
	d := netflow.NewDecoder(ts, netflow.Config{})
	options := set(3, u16(300), u16(2), u16(1), u16(302), u16(4), u16(34), u16(4))
	decode(d, ipfix(1, options, set(300, u32(1), u32(100))))
	if s := ts.Stats(); s.Exporters != 1 || s.Rates != 1 {
		t.Errorf("%+v", s)
	}
	decode(d, ipfix(1, set(3, template(3))))
	if s := ts.Stats(); s != (netflow.TemplatesStats{}) {
		t.Errorf("%+v is left", s)
	}
	decode(d, ipfix(1, set(2, template(256, ends...))))
	if flows := decode(d, ipfix(1, set(256, endsOf()))); len(flows) != 1 || flows[0].Exporter.Sampling != 0 {
		t.Errorf("it does not come back as new: %+v", flows)
	}
}

// Each decoder decodes with a template of one shape or the other, never with a mixture, while
// others announce, replace, evict and withdraw it.
func TestDecodersShareTemplatesWhileTheyChange(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{MaxTemplates: 20, MaxPerExporter: 5})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			d := netflow.NewDecoder(ts, netflow.Config{})
			var flows []schema.Flow
			for i := range 2000 {
				for _, b := range [][]byte{
					ipfix(uint32(i%3), set(2, template(256, ends...))),
					ipfix(uint32(i%3), set(2, template(256, f(12, 4), f(8, 4)))),
					ipfix(uint32(i%3), set(256, endsOf())),
					ipfix(uint32(100+i%30), set(2, template(uint16(300+i%9), ends...))),
					ipfix(uint32(i%3), set(2, template(256))),
				} {
					flows, _ = d.Decode(flows[:0], exporterA, arrived, b)
					for _, f := range flows {
						if a, b := f.Src.Addr.String(), f.Dst.Addr.String(); a == b || a != "198.51.100.7" && a != "203.0.113.9" {
							t.Errorf("worker %d: %v > %v", worker, a, b)
						}
					}
				}
				if i%100 == 0 {
					ts.List()
				}
			}
			checkSums(t, d.Stats())
		})
	}
	wg.Wait()
	if s := ts.Stats(); s.Held > 20 {
		t.Errorf("%+v", s)
	}
}
