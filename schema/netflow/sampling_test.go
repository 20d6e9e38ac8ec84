package netflow_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema/netflow"
)

// optionsV9 is an options template of these scopes and options, and one record of it.
func optionsV9(id uint16, scopes, options []fld, record ...[]byte) []byte {
	return cat(set(1, u16(id), u16(uint16(4*len(scopes))), u16(uint16(4*len(options))), specifiers(scopes), specifiers(options)),
		set(id, record...))
}

func optionsIPFIX(id uint16, scopes, options []fld, record ...[]byte) []byte {
	return cat(set(3, u16(id), u16(uint16(len(scopes)+len(options))), u16(uint16(len(scopes))), specifiers(scopes), specifiers(options)),
		set(id, record...))
}

func TestTheRateOfAFlowIsTheOneThatConcernsIt(t *testing.T) {
	system := []fld{f(1, 4)}
	of := func(fields ...fld) []byte { return template(400, append(append([]fld{}, ends...), fields...)...) }
	for _, c := range []struct {
		name      string
		datagrams [][]byte
		want      uint32
	}{
		{"none said", [][]byte{v9(1, set(0, of()), set(400, endsOf()))}, 0},
		{"of the exporter, v9", [][]byte{
			v9(1, optionsV9(300, system, []fld{f(34, 4), f(35, 1)}, u32(0), u32(100), u8(2))),
			v9(1, set(0, of()), set(400, endsOf()))}, 100},
		{"with a scope of no length", [][]byte{
			v9(1, optionsV9(300, []fld{f(1, 0)}, []fld{f(34, 4)}, u32(100))),
			v9(1, set(0, of()), set(400, endsOf()))}, 100},
		{"of another domain", [][]byte{
			v9(2, optionsV9(300, system, []fld{f(34, 4)}, u32(0), u32(100))),
			v9(1, set(0, of()), set(400, endsOf()))}, 0},
		{"of the sampler that the record names", [][]byte{
			v9(1, optionsV9(300, system, []fld{f(48, 1), f(49, 1), f(50, 4)}, u32(0), u8(1), u8(2), u32(100), u32(0), u8(2), u8(2), u32(200))),
			v9(1, set(0, of(f(48, 1))), set(400, endsOf(u8(1))))}, 100},
		{"of the exporter, for a sampler nobody knows", [][]byte{
			v9(1, optionsV9(300, system, []fld{f(48, 1), f(50, 4)}, u32(0), u8(1), u32(100))),
			v9(1, set(0, of(f(48, 1))), set(400, endsOf(u8(9))))}, 100},
		{"of the selector, IPFIX", [][]byte{
			ipfix(1, optionsIPFIX(300, []fld{f(302, 8)}, []fld{f(304, 2), f(305, 4), f(306, 4)}, u64(7), u16(1), u32(1), u32(999), u64(8), u16(1), u32(1), u32(99))),
			ipfix(1, set(2, of(f(302, 8))), set(400, endsOf(u64(7))))}, 1000},
		{"of a random choice", [][]byte{
			ipfix(1, optionsIPFIX(300, []fld{f(149, 4)}, []fld{f(309, 4), f(310, 4)}, u32(1), u32(2), u32(1000))),
			ipfix(1, set(2, of()), set(400, endsOf()))}, 500},
		{"of the interface", [][]byte{
			v9(1, optionsV9(300, []fld{f(2, 4)}, []fld{f(34, 4)}, u32(3), u32(100), u32(4), u32(200))),
			v9(1, set(0, of(f(10, 4))), set(400, endsOf(u32(4))))}, 200},
		{"of no other interface", [][]byte{
			v9(1, optionsV9(300, []fld{f(2, 4)}, []fld{f(34, 4)}, u32(3), u32(100))),
			v9(1, set(0, of(f(10, 4))), set(400, endsOf(u32(4))))}, 0},
		{"of the record itself", [][]byte{
			v9(1, optionsV9(300, system, []fld{f(34, 4)}, u32(0), u32(100))),
			v9(1, set(0, of(f(34, 4))), set(400, endsOf(u32(50))))}, 50},
		{"the last one said", [][]byte{
			v9(1, optionsV9(300, system, []fld{f(34, 4)}, u32(0), u32(100), u32(0), u32(10))),
			v9(1, set(0, of()), set(400, endsOf()))}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := one(t, c.datagrams...).Exporter.Sampling; got != c.want {
				t.Errorf("one in %d, want %d", got, c.want)
			}
		})
	}
}

func TestAChangedRateReachesOtherDecoders(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{})
	a, b := netflow.NewDecoder(ts, netflow.Config{}), netflow.NewDecoder(ts, netflow.Config{})
	data := v9(1, set(400, endsOf(u8(1))))
	decode(a, v9(1, set(0, template(400, f(8, 4), f(12, 4), f(48, 1)))))
	for _, rate := range []uint32{100, 200, 200, 300} {
		decode(a, v9(1, optionsV9(300, []fld{f(1, 4)}, []fld{f(48, 1), f(50, 4)}, u32(0), u8(1), u32(rate))))
		if flows := decode(b, data, data); flows[0].Exporter.Sampling != rate || flows[1].Exporter.Sampling != rate {
			t.Errorf("one in %d, want %d", flows[0].Exporter.Sampling, rate)
		}
	}
}

func TestRatesAreBoundedAndThoseRefusedCounted(t *testing.T) {
	ts := netflow.NewTemplates(netflow.Config{MaxTemplates: 10})
	d := netflow.NewDecoder(ts, netflow.Config{})
	for i := range 30 {
		decode(d, v9(1, optionsV9(300, []fld{f(2, 4)}, []fld{f(34, 4)}, u32(uint32(i+1)), u32(100))))
	}
	if s := ts.Stats(); s.Rates != 10 || s.Refused != 20 {
		t.Errorf("%+v, want 10 held and 20 refused", s)
	}
}

func TestTheStartOfAnIPFIXExporterIsTakenFromItsOptions(t *testing.T) {
	at := uint64(exported.UnixMilli())
	fields := append(append([]fld{}, ends...), f(22, 4), f(21, 4))
	for name, c := range map[string]struct {
		boot        uint64
		first, last uint32
	}{
		"up for 15 s":              {at - 15_000, 5000, 6000},
		"up for more than 50 days": {at - 1<<32 - 15_000, 5000, 6000},
	} {
		f := one(t, ipfix(1, optionsIPFIX(300, []fld{f(143, 4)}, []fld{f(160, 8)}, u32(1), u64(c.boot))),
			ipfix(1, set(2, template(400, fields...)), set(400, endsOf(u32(c.first), u32(c.last)))))
		if f.Start != ms(-10*time.Second) || f.End != ms(-9*time.Second) {
			t.Errorf("%s: %v to %v", name, f.Start.Std(), f.End.Std())
		}
	}
}
