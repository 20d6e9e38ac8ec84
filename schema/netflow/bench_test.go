package netflow_test

import (
	"testing"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// usualV9 are 18 fields as Cisco and softflowd send them, 60 bytes.
var usualV9 = []fld{
	f(8, 4), f(12, 4), f(15, 4), f(10, 4), f(14, 4), f(2, 4), f(1, 4), f(22, 4), f(21, 4), f(7, 2), f(11, 2),
	f(6, 1), f(4, 1), f(5, 1), f(16, 4), f(17, 4), f(9, 1), f(13, 1),
}

var usualIPFIX = []fld{
	f(8, 4), f(12, 4), f(15, 4), f(10, 4), f(14, 4), f(2, 8), f(1, 8), f(152, 8), f(153, 8), f(7, 2), f(11, 2),
	f(6, 2), f(4, 1), f(5, 1), f(16, 4), f(17, 4), f(9, 1), f(13, 1),
}

func usualRecord(i int, ipfix bool) []byte {
	counter, at := u32, cat(u32(uptime-2000), u32(uptime-1000))
	flags := u8(schema.SYN)
	if ipfix {
		counter = func(v uint32) []byte { return u64(uint64(v)) }
		at = cat(u64(uint64(exported.UnixMilli()-2000)), u64(uint64(exported.UnixMilli()-1000)))
		flags = u16(schema.SYN)
	}
	return cat(ip("198.51.100.7"), []byte{203, 0, 113, byte(i)}, u32(0), u32(3), u32(4), counter(5), counter(600), at,
		u16(uint16(40000+i)), u16(22), flags, u8(6), u8(8), u32(64500), u32(64501), u8(24), u8(16))
}

func repeat(n int, record func(i int) []byte) []byte {
	var b []byte
	for i := range n {
		b = append(b, record(i)...)
	}
	return b
}

// usual are datagrams of the records that exporters send most.
var usual = []struct {
	name           string
	template, data []byte
	records        int
}{
	{"v5", nil, v5(28, repeat(28, func(i int) []byte { return v5record(6, uint16(i), 22) })), 28},
	{"v9", v9(1, set(0, template(256, usualV9...))), v9(1, set(256, repeat(24, func(i int) []byte { return usualRecord(i, false) }))), 24},
	{"ipfix", ipfix(1, set(2, template(256, usualIPFIX...))), ipfix(1, set(256, repeat(24, func(i int) []byte { return usualRecord(i, true) }))), 24},
	{"sflow", nil, sflow5(sampled(100, synFrame), sampled(100, synFrame), sampled(100, synFrame), sampled(100, synFrame),
		sampled(100, synFrame), sampled(100, synFrame), sampled(100, synFrame)), 7},
}

func BenchmarkDecode(b *testing.B) {
	for _, u := range usual {
		b.Run(u.name, func(b *testing.B) {
			d := decoder()
			decode(d, u.template)
			var flows []schema.Flow
			b.ReportAllocs()
			for b.Loop() {
				flows, _ = d.Decode(flows[:0], exporterA, arrived, u.data)
			}
			if len(flows) != u.records {
				b.Fatalf("decoded %d flows, want %d", len(flows), u.records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*u.records), "ns/record")
		})
	}
}

func TestARecordCostsNoAllocation(t *testing.T) {
	varlen := append(append([]fld{}, usualIPFIX...), f(82, 0xffff), f(302, 4), f(323, 8))
	for name, c := range map[string]struct{ template, data []byte }{
		"v5":    {nil, v5(1, v5record(6, 1, 2))},
		"v7":    {nil, v7(1, v7record)},
		"sFlow": {nil, sflow5(sampled(10, synFrame))},
		"v9":    {v9(1, set(0, template(256, usualV9...))), v9(1, set(256, usualRecord(1, false)))},
		"IPFIX": {ipfix(1, set(2, template(256, usualIPFIX...))), ipfix(1, set(256, usualRecord(1, true)))},
		"IPFIX that must be walked": {ipfix(1, set(2, template(256, varlen...))),
			ipfix(1, set(256, usualRecord(1, true), u8(2), u16(1), u32(1), u64(1)))},
		"data without a template": {nil, v9(2, set(256, usualRecord(1, false)))},
		"a template again":        {v9(1, set(0, template(256, usualV9...))), v9(1, set(0, template(256, usualV9...)))},
	} {
		full := netflow.Config{WaitBytes: 1} // nothing can wait
		d := netflow.NewDecoder(netflow.NewTemplates(full), full)
		decode(d, c.template, c.data)
		flows := make([]schema.Flow, 0, 8)
		if n := testing.AllocsPerRun(100, func() { flows, _ = d.Decode(flows[:0], exporterA, arrived, c.data) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
