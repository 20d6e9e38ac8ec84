package netflow_test

import (
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestWhatATemplateHasNoElementForIsUntold(t *testing.T) {
	const (
		packets, bytes, flags, port = schema.UntoldPackets, schema.UntoldBytes, schema.UntoldFlags, schema.UntoldPort
		sent                        = schema.UntoldSent
	)
	back := func(id, length uint16) fld { return fld{id, length, 29305} }
	ports := []fld{f(4, 1), f(7, 2), f(11, 2)}
	for _, c := range []struct {
		name     string
		version  int
		fields   []fld
		src, dst schema.Untold
	}{
		{"all of one direction", 9, append(ports, f(1, 4), f(2, 4), f(6, 1)), 0, sent},
		{"octets only", 9, append(ports, f(1, 4)), packets | flags, sent},
		{"packets only", 10, append(ports, f(2, 4)), bytes | flags, sent},
		{"totals", 10, append(ports, f(85, 4), f(86, 4), f(6, 2)), 0, sent},
		{"host pairs", 9, []fld{f(4, 1), f(1, 4), f(2, 4), f(6, 1)}, port, sent | port},
		{"a destination port only", 9, []fld{f(4, 1), f(11, 2), f(1, 4), f(2, 4), f(6, 1)}, port, sent},
		{"ports by protocol", 10, []fld{f(4, 1), f(182, 2), f(183, 2), f(1, 4), f(2, 4), f(6, 1)}, 0, sent},
		{"a template of addresses", 10, nil, sent | port, sent | port},
		{"ASA's bytes of both sides", 9, append(ports, f(233, 1), f(231, 4), f(232, 4)), packets | flags, packets | flags},
		{"ASA's creation, which has no counters", 9, append(ports, f(233, 1), f(33002, 2)), sent, sent},
		{"translations", 9, append(ports, f(230, 1), f(225, 4)), sent, sent},
		{"a biflow", 10, append(ports, f(1, 4), f(2, 4), f(6, 1), back(1, 4), back(2, 4), back(6, 1)), 0, 0},
		{"a biflow without flags back", 10, append(ports, f(1, 4), f(2, 4), f(6, 1), back(1, 4), back(2, 4)), 0, flags},
		{"yaf's flags of both sides", 10, append(ports, f(1, 4), f(2, 4), fld{14, 1, 6871}, fld{15 | 1<<14, 1, 6871}), 0, packets | bytes},
		{"OUT beside IN in v9", 9, append(ports, f(1, 4), f(2, 4), f(23, 4), f(24, 4)), flags, flags},
		{"OUT beside IN in IPFIX", 10, append(ports, f(1, 4), f(2, 4), f(23, 4), f(24, 4)), flags, sent},
		{"OUT alone", 9, append(ports, f(23, 4), f(24, 4)), flags, sent},
		{"counters of no length", 9, append(ports, f(1, 0), f(2, 0), f(6, 1)), packets | bytes, sent},
	} {
		t.Run(c.name, func(t *testing.T) {
			record := endsOf()
			for i, f := range c.fields {
				value := make([]byte, f.length)
				if f.id == 4 {
					value[0] = schema.TCP
				} else if f.length > 0 {
					value[f.length-1] = byte(i + 1)
				}
				record = cat(record, value)
			}
			tmpl := template(300, append(append([]fld{}, ends...), c.fields...)...)
			b := ipfix(1, set(2, tmpl), set(300, record))
			if c.version == 9 {
				b = v9(1, set(0, tmpl), set(300, record))
			}
			got := one(t, b)
			if got.Src.Untold != c.src || got.Dst.Untold != c.dst {
				t.Errorf("untold %04b and %04b, want %04b and %04b: %+v", got.Src.Untold, got.Dst.Untold, c.src, c.dst, got)
			}
			if want := c.src&sent == sent || c.dst&sent == sent; got.OneWay() != want {
				t.Errorf("one way is %v", got.OneWay())
			}
		})
	}
}

func TestOneTemplateSaysNothingOfTheUntoldOfAnother(t *testing.T) {
	flows := decode(decoder(), v9(1, set(0, template(256, append(append([]fld{}, ends...), f(1, 4))...), template(257, usualV9...)),
		set(256, endsOf(u32(9))), set(257, usualRecord(1, false)), set(256, endsOf(u32(9)))), v5(1, v5record(6, 1, 2)))
	var got []schema.Untold
	for _, f := range flows {
		got = append(got, f.Src.Untold)
	}
	few := schema.UntoldPackets | schema.UntoldFlags | schema.UntoldPort
	if len(got) != 4 || got[0] != few || got[1] != 0 || got[2] != few || got[3] != 0 {
		t.Errorf("untold %04b", got)
	}
}

func TestALaterFragmentHasNoPorts(t *testing.T) {
	laterFragment := cat(macs, u16(0x0800), []byte{0x45, 0}, u16(40), u16(1), u16(185), []byte{63, 17}, u16(0), endsOf(), make([]byte, 20))
	laterOfTCP := cat(macs, u16(0x0800), []byte{0x45, 0}, u16(40), u16(1), u16(185), []byte{63, 6}, u16(0), endsOf(), make([]byte, 20))
	for name, b := range map[string][]byte{
		"v5":         v5(1, v5record(17, 0, 0)),
		"v7":         v7(1, cat(v5record(6, 0, 0), ip("192.0.2.9"))),
		"v9":         v9(1, set(0, template(256, append(append([]fld{}, ends...), f(4, 1), f(7, 2), f(11, 2), f(1, 4), f(2, 4), f(6, 1))...)), set(256, endsOf(u8(17), u32(0), u32(1), u32(1), u8(0)))),
		"sFlow":      sflow5(sampled(1, laterFragment)),
		"sFlow, TCP": sflow5(sampled(1, laterOfTCP)),
	} {
		got := one(t, b)
		if got.Src.Untold&schema.UntoldPort == 0 || got.Dst.Untold&schema.UntoldPort == 0 || got.Dst.Untold&schema.UntoldSent != schema.UntoldSent {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := one(t, sflow5(sampled(1, laterOfTCP))); got.Src.Untold&schema.UntoldFlags == 0 {
		t.Errorf("flags that were not in the packet are told: %+v", got)
	}
	if got := one(t, v5(1, v5record(17, 0, 53))); got.Src.Untold != 0 || got.Dst.Untold != schema.UntoldSent {
		t.Errorf("one port 0 is a port: %+v", got)
	}
	if got := one(t, v5(1, v5record(1, 0, 0x0800))); got.Src.Untold != 0 {
		t.Errorf("ICMP has no ports to tell: %+v", got)
	}
}

func TestV7TellsNoFlagsWhereTheyAreZero(t *testing.T) {
	record := append([]byte{}, v7record...)
	record[37] = 0
	if got := one(t, v7(1, record)); got.Src.Untold != schema.UntoldFlags {
		t.Errorf("%+v", got)
	}
}
