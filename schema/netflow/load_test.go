package netflow_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

type change struct{ key, value []byte }

// recorded returns templates that record their changes, and a decoder of them.
func recorded(cfg netflow.Config) (*netflow.Templates, *netflow.Decoder, *[]change) {
	ts := netflow.NewTemplates(cfg)
	var all []change
	ts.OnChange(func(key, value []byte) { all = append(all, change{key, value}) })
	return ts, netflow.NewDecoder(ts, cfg), &all
}

func load(tb testing.TB, ts *netflow.Templates, all []change) {
	tb.Helper()
	for _, c := range all {
		if err := ts.Load(c.key, c.value); err != nil {
			tb.Fatal(err)
		}
	}
}

// announceAll makes d hear of templates, samplers and interfaces.
func announceAll(d *netflow.Decoder) {
	decode(d,
		v9(1, set(0, template(256, usualV9...)), optionsV9(300, []fld{{1, 4, 0}}, []fld{{48, 1, 0}, {34, 4, 0}}, u32(0), u8(7), u32(50))),
		ipfix(2, set(2, template(256, usualIPFIX...)), optionsIPFIX(301, []fld{{10, 4, 0}}, []fld{{305, 4, 0}, {306, 4, 0}}, u32(3), u32(1), u32(99))),
		ipfix(2, optionsIPFIX(302, []fld{{149, 4, 0}}, []fld{{160, 8, 0}}, u32(0), u64(uint64(exported.UnixMilli()-10_000)))))
}

func TestChangesAreToldOnceAndMakeAnotherProcessDecodeTheSame(t *testing.T) {
	ts, d, changes := recorded(netflow.Config{})
	announceAll(d)
	n := len(*changes)
	announceAll(d)
	if len(*changes) != n || n != 5+4 {
		t.Fatalf("%d changes, %d when all came again, want 5 templates and 4 rates", n, len(*changes))
	}
	other := netflow.NewTemplates(netflow.Config{})
	load(t, other, *changes)
	if diff := cmp.Diff(ts.List(), other.List(), sameAddr); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(snapshot(ts), snapshot(other)); diff != "" {
		t.Error(diff)
	}
	for _, data := range [][]byte{v9(1, set(256, usualRecord(1, false))), ipfix(2, set(256, usualRecord(1, true)))} {
		got, want := decode(netflow.NewDecoder(other, netflow.Config{}), data), decode(d, data)
		if diff := cmp.Diff(want, got, sameAddr); diff != "" || len(got) != 1 || got[0].Exporter.Sampling < 50 {
			t.Errorf("%+v %s", got, diff)
		}
	}
}

// golden is the wire form; changing it needs a new number of its format.
func TestTheWireFormOfChanges(t *testing.T) {
	_, d, changes := recorded(netflow.Config{})
	decode(d, v9(9, optionsV9(300, []fld{{1, 4, 0}}, []fld{{48, 1, 0}, {34, 4, 0}}, u32(0), u8(7), u32(50))))
	at := u64(uint64(arrived))
	want := []change{
		{cat([]byte{1, 'T', 4, 192, 0, 2, 1}, u16(0), u16(9), u32(9), u16(300)),
			cat([]byte{1, 1}, u16(1), at, u32(1<<16|4), u32(48<<16|1), u32(34<<16|4))},
		{cat([]byte{1, 'R', 4, 192, 0, 2, 1}, u16(0), u16(9), u32(9), u8(1), u64(7)), cat(u8(1), u32(50), u64(0), at)},
		{cat([]byte{1, 'R', 4, 192, 0, 2, 1}, u16(0), u16(9), u32(9), u8(0), u64(0)), cat(u8(1), u32(50), u64(0), at)},
	}
	if diff := cmp.Diff(want, *changes, cmp.AllowUnexported(change{})); diff != "" {
		t.Error(diff)
	}
}

func TestTheNewestChangeWinsInWhateverOrderTheyCome(t *testing.T) {
	_, d, changes := recorded(netflow.Config{})
	for i, fields := range [][]fld{ends, {f(12, 4), f(8, 4)}, append(ends[:2:2], f(4, 1))} {
		d.Decode(nil, exporterA, arrived.Add(time.Duration(i)*time.Second), v9(1, set(0, template(256, fields...)),
			optionsV9(300, []fld{{1, 4, 0}}, []fld{{34, 4, 0}}, u32(0), u32(uint32(10+i)))))
	}
	want := netflow.NewTemplates(netflow.Config{})
	load(t, want, *changes)
	for seed := range uint64(20) {
		ts := netflow.NewTemplates(netflow.Config{})
		all := slices.Concat(*changes, *changes)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		load(t, ts, all)
		if diff := cmp.Diff(snapshot(want), snapshot(ts)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
	if m := want.List(); len(m) != 2 || len(m[0].Fields) != 3 || m[0].Sampling != 12 {
		t.Errorf("%+v", m)
	}
}

func TestOfTwoChangesOfOneInstantAllProcessesKeepTheSame(t *testing.T) {
	_, a, first := recorded(netflow.Config{})
	_, b, second := recorded(netflow.Config{})
	decode(a, v9(1, set(0, template(256, ends...))))
	decode(b, v9(1, set(0, template(256, f(12, 4), f(8, 4)))))
	x, y := netflow.NewTemplates(netflow.Config{}), netflow.NewTemplates(netflow.Config{})
	load(t, x, slices.Concat(*first, *second))
	load(t, y, slices.Concat(*second, *first))
	if !maps.Equal(snapshot(x), snapshot(y)) {
		t.Errorf("%x and %x", snapshot(x), snapshot(y))
	}
}

func TestWhatIsGoneIsToldAndForgottenWhereItWasOnlyLoaded(t *testing.T) {
	ts, d, changes := recorded(netflow.Config{})
	announceAll(d)
	other, own, retold := recorded(netflow.Config{})
	load(t, other, *changes)
	decode(own, v9(1, set(0, template(256, usualV9...)))) // it hears this one itself
	if len(*retold) != 0 {
		t.Fatalf("what was loaded is told again: %x", *retold)
	}
	at := len(*changes)
	decode(d, ipfix(2, set(2, template(2)), set(3, template(3)), set(2, template(256))))
	load(t, other, (*changes)[at:])
	for _, c := range (*changes)[at:] {
		if c.value != nil {
			t.Errorf("%x has a value", c.key)
		}
	}
	for _, m := range other.List() {
		if m.Version == 10 {
			t.Errorf("%+v is left", m)
		}
	}
	if s := ts.Stats(); s.Held != 2 || s.Rates != 1 || s != other.Stats() {
		t.Errorf("%+v, there %+v", s, other.Stats())
	}
	// A process that evicts for want of room does not take it from one that hears it.
	load(t, other, []change{{key: keyOf(*changes, 'T', 256, 9)}, {key: keyOf(*changes, 'T', 300, 9)}})
	if all := other.List(); len(all) != 1 || all[0].ID != 256 {
		t.Fatalf("%+v", all)
	}
	decode(own, v9(1, set(0, template(256, usualV9...))))
	if len(*retold) != 1 || !bytes.Equal((*retold)[0].key, keyOf(*changes, 'T', 256, 9)) || (*retold)[0].value == nil {
		t.Errorf("it is not told again: %x", *retold)
	}
}

// An exporter that this process hears samples as it says, whoever else forgets it.
func TestARateThatWasHeardHereStaysAndIsToldAgain(t *testing.T) {
	ts, d, changes := recorded(netflow.Config{})
	announceAll(d)
	for _, c := range slices.Clone(*changes) {
		if c.key[1] == 'R' {
			load(t, ts, []change{{key: c.key}})
		}
	}
	flows := decode(d, v9(1, set(256, usualRecord(1, false))))
	if s := ts.Stats(); s.Rates != 2 || flows[0].Exporter.Sampling != 50 {
		t.Errorf("%+v, %+v", s, flows)
	}
	n := len(*changes)
	announceAll(d)
	again := map[string]string{}
	for _, c := range (*changes)[n:] {
		again[string(c.key)] = string(c.value)
	}
	if len(again) != 4 || len(*changes) != n+4 {
		t.Errorf("told again were %x", again)
	}
	// One that it does not hear goes, and the rest with the last template.
	other := netflow.NewTemplates(netflow.Config{})
	load(t, other, *changes)
	for key := range again {
		load(t, other, []change{{key: []byte(key)}})
	}
	if s := other.Stats(); s.Rates != 0 || s.Held != 5 {
		t.Errorf("%+v", s)
	}
}

// Whom another process hears now is no longer heard here.
func TestAnExporterWhoseTemplatesCameFromElsewhereSinceIsForgottenWithThem(t *testing.T) {
	at := func(when time.Duration, fields ...fld) (*netflow.Templates, []change) {
		ts, d, changes := recorded(netflow.Config{})
		d.Decode(nil, exporterA, arrived.Add(when), v9(1, set(0, template(256, fields...)),
			set(1, u16(300), u16(4), u16(4), specifiers([]fld{{1, 4, 0}, {34, 4, 0}})), set(300, u32(0), u32(50))))
		return ts, *changes
	}
	ts, first := at(0, ends...)
	_, second := at(time.Second, f(12, 4), f(8, 4))
	load(t, ts, second)
	load(t, ts, []change{{key: keyOf(second, 'T', 300, 9)}}) // the same fields, heard here: it stays
	if s := ts.Stats(); s.Held != 2 {
		t.Fatalf("%+v", s)
	}
	_, third := at(2*time.Second, f(8, 4), f(12, 4), f(4, 1))
	i := slices.IndexFunc(third, func(c change) bool { return bytes.Equal(c.key, keyOf(third, 'T', 300, 9)) })
	third[i].value = cat(third[i].value[:2], u16(0), third[i].value[4:]) // without a scope: another one
	load(t, ts, third)
	for _, c := range third {
		if c.key[1] == 'R' {
			load(t, ts, []change{{key: c.key}})
		}
	}
	for key := range snapshot(ts) {
		if key[1] == 'R' {
			t.Errorf("%x is left", key)
		}
	}
	for _, c := range first {
		load(t, ts, []change{{key: c.key}})
	}
	if s := ts.Stats(); s != (netflow.TemplatesStats{}) {
		t.Errorf("%+v is left", s)
	}
}

// keyOf returns the key of a template of this id and version.
func keyOf(all []change, kind byte, id, version uint16) []byte {
	i := slices.IndexFunc(all, func(c change) bool {
		return c.key[1] == kind && bytes.HasSuffix(c.key, u16(id)) && be.Uint16(c.key[9:]) == version
	})
	return all[i].key
}

func TestEvictionIsTold(t *testing.T) {
	ts, d, changes := recorded(netflow.Config{MaxTemplates: 2})
	for domain := range uint32(4) {
		decode(d, v9(domain, set(0, template(256, ends...))))
	}
	left := map[string]string{}
	for _, c := range *changes {
		left[string(c.key)] = string(c.value)
		if c.value == nil {
			delete(left, string(c.key))
		}
	}
	if len(*changes) != 6 || !maps.Equal(left, snapshot(ts)) {
		t.Errorf("%d changes leave %x, held are %x", len(*changes), left, snapshot(ts))
	}
}

func TestARateMayComeBeforeItsTemplates(t *testing.T) {
	_, d, changes := recorded(netflow.Config{})
	announceAll(d)
	backwards := slices.Clone(*changes)
	slices.Reverse(backwards)
	ts := netflow.NewTemplates(netflow.Config{})
	load(t, ts, backwards)
	if flows := decode(netflow.NewDecoder(ts, netflow.Config{}), v9(1, set(256, usualRecord(1, false)))); len(flows) != 1 || flows[0].Exporter.Sampling != 50 {
		t.Errorf("%+v", flows)
	}
	for _, c := range backwards {
		load(t, ts, []change{{key: c.key}})
	}
	if s := ts.Stats(); s != (netflow.TemplatesStats{}) {
		t.Errorf("%+v is left", s)
	}
}

func TestExportersKnownOnlyByTheirRatesAreBounded(t *testing.T) {
	_, d, changes := recorded(netflow.Config{})
	for domain := range uint32(50) {
		decode(d, v9(domain, optionsV9(300, []fld{{1, 4, 0}}, []fld{{34, 4, 0}}, u32(0), u32(50))))
	}
	ts := netflow.NewTemplates(netflow.Config{MaxTemplates: 10})
	load(t, ts, slices.DeleteFunc(*changes, func(c change) bool { return c.key[1] == 'T' }))
	if s := ts.Stats(); s.Exporters != 20 || s.Refused != 30 {
		t.Errorf("%+v", s)
	}
}

func TestAMalformedChangeIsRefusedAndChangesNothing(t *testing.T) {
	_, d, changes := recorded(netflow.Config{})
	announceAll(d)
	with := func(b []byte, at int, v byte) []byte {
		b = slices.Clone(b)
		b[at] = v
		return b
	}
	template, rate := (*changes)[0], (*changes)[2]
	if template.key[1] != 'T' || rate.key[1] != 'R' || rate.key[len(rate.key)-9] != 1 {
		t.Fatal("the changes are in another order")
	}
	mapped := cat([]byte{1, 'T', 16}, make([]byte, 10), []byte{255, 255, 192, 0, 2, 1}, template.key[7:])
	for name, c := range map[string]change{
		"nothing":                      {},
		"a key of format 2":            {with(template.key, 0, 2), template.value},
		"a value of format 2":          {template.key, with(template.value, 0, 2)},
		"a rate of format 2":           {rate.key, with(rate.value, 0, 2)},
		"a flag that nobody knows":     {template.key, with(template.value, 1, 2)},
		"another kind":                 {with(template.key, 1, 'X'), template.value},
		"an address of 5 bytes":        {with(template.key, 2, 5), template.value},
		"a mapped address":             {mapped, template.value},
		"version 5":                    {with(template.key, 10, 5), template.value},
		"a template of a set's id":     {with(template.key, len(template.key)-2, 0), template.value},
		"a key with more behind it":    {append(slices.Clone(template.key), 0), template.value},
		"half a field":                 {template.key, template.value[:len(template.value)-1]},
		"a template without fields":    {template.key, template.value[:12]},
		"half a rate":                  {rate.key, rate.value[:20]},
		"a rate of nothing":            {with(rate.key, len(rate.key)-9, 3), rate.value},
		"a rate of the exporter's 7th": {with(rate.key, len(rate.key)-9, 0), rate.value},
		"a rate that says nothing":     {rate.key, make21(0, 0)},
		"a template of before 1970":    {template.key, with(template.value, 4, 0x80)},
		"a rate of before 1970":        {rate.key, with(rate.value, 13, 0x80)},
		"a sampler with a start":       {rate.key, make21(50, 1)},
		"a template as long as no set": {template.key, append(slices.Clone(template.value), make([]byte, 1<<17)...)},
	} {
		ts := netflow.NewTemplates(netflow.Config{})
		err := ts.Load(c.key, c.value)
		if err == nil || strings.Contains(err.Error(), "failed") || ts.Stats() != (netflow.TemplatesStats{}) {
			t.Errorf("%s: %v, %+v", name, err, ts.Stats())
		}
	}
}

func make21(rate uint32, boot uint64) []byte { return cat(u8(1), u32(rate), u64(boot), u64(1)) }

// Decoders of two processes announce, withdraw and wait at once, and each process loads what the
// other tells. What one hears last, the other has in the end.
func TestProcessesShareTemplatesWhileTheyChange(t *testing.T) {
	cfg := netflow.Config{}
	var ts [2]*netflow.Templates
	var in [2]chan change
	for i := range ts {
		ts[i], in[i] = netflow.NewTemplates(cfg), make(chan change, 1<<16) // room for all that is told
	}
	for i := range ts {
		ts[i].OnChange(func(key, value []byte) { in[1-i] <- change{key, value} })
	}
	var workers, loaders sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			d := netflow.NewDecoder(ts[worker%2], cfg)
			var flows []schema.Flow
			for i := range 500 {
				at := arrived.Add(time.Duration(i) * time.Millisecond)
				for _, b := range [][]byte{
					ipfix(uint32(i%3), set(2, template(256, ends...))),
					ipfix(uint32(i%3), set(2, template(uint16(257+worker), f(12, 4), f(8, 4)))),
					ipfix(uint32(i%3), set(256, endsOf())),
					ipfix(uint32(i%5), set(2, template(uint16(257+worker)))),
				} {
					flows, _ = d.Decode(flows[:0], exporterA, at, b)
				}
				flows = d.Idle(flows[:0], at)
			}
			checkSums(t, d.Stats())
		})
	}
	for i := range ts {
		loaders.Go(func() {
			for c := range in[i] {
				if err := ts[i].Load(c.key, c.value); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	d := netflow.NewDecoder(ts[0], cfg)
	for id := range uint16(10) {
		d.Decode(nil, exporterA, arrived.Add(time.Hour), ipfix(1, set(2, template(256+id, f(12, 4), f(8, 4), f(4, 1)))))
	}
	for i := range in {
		close(in[i])
	}
	loaders.Wait()
	near, far := snapshot(ts[0]), snapshot(ts[1])
	for key, value := range near {
		if be.Uint32([]byte(key)[11:]) == 1 && far[key] != value {
			t.Errorf("%x is %x in one process and %x in the other", key, value, far[key])
		}
	}
}
