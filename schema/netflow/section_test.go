package netflow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

var (
	synPacket = synFrame[14 : 14+40]
	inVLAN    = cat(macs, u16(0x8100), u16(100), synFrame[12:])
	inGRE     = cat([]byte{0x45, 0}, u16(64), u32(0), []byte{60, 47}, u16(0), ip("192.0.2.10"), ip("192.0.2.20"), u16(0), u16(0x0800), synPacket)
)

// sized is a value of variable length.
func sized(b []byte) []byte { return cat(u8(uint8(len(b))), b) }

type sectionCase struct {
	name   string
	fields []fld
	record []byte
	want   func(*schema.Flow) // nil: no flow
}

// sectionCases are records with the beginning of a packet, which is the SYN of synFrame.
func sectionCases() []sectionCase {
	at := uint64(exported.UnixMilli())
	as := func(*schema.Flow) {}
	frameOf := func(n uint64) func(*schema.Flow) { return func(f *schema.Flow) { f.Src.Bytes = n } }
	return []sectionCase{
		{"a packet", []fld{f(313, 0xffff)}, sized(synPacket), as},
		{"a packet of fixed length", []fld{f(313, 40)}, synPacket, as},
		{"a packet filled up", []fld{f(410, 2), f(313, 64)}, cat(u16(40), synPacket, make([]byte, 24)), as},
		{"a packet whose length stands behind it", []fld{f(313, 64), f(410, 2)}, cat(synPacket, make([]byte, 24), u16(40)), as},
		{"a frame", []fld{f(315, 0xffff)}, sized(synFrame), as},
		{"a frame and its length on the wire", []fld{f(312, 2), f(315, 0xffff)}, cat(u16(70), sized(synFrame)), frameOf(70)},
		{"a frame of Ethernet, as it says", []fld{f(408, 2), f(315, 0xffff)}, cat(u16(1), sized(synFrame)), as},
		{"a frame of wireless", []fld{f(408, 2), f(315, 0xffff)}, cat(u16(2), sized(synFrame)), nil},
		{"Cisco's section", []fld{f(102, 2), f(103, 2), f(104, 64)}, cat(u16(0), u16(54), synFrame[:54], make([]byte, 10)), as},
		{"a VLAN", []fld{f(315, 0xffff)}, sized(inVLAN), func(f *schema.Flow) { f.Src.VLAN = 100 }},
		{"a packet within a packet", []fld{f(16, 4), f(313, 0xffff)}, cat(u32(64500), sized(inGRE)), frameOf(64)},
		{"counters beside the packet", []fld{f(1, 4), f(2, 4), f(313, 0xffff)}, cat(u32(9000), u32(9), sized(synPacket)),
			func(f *schema.Flow) { f.Src.Packets, f.Src.Bytes = 9, 9000 }},
		{"where and when", []fld{f(323, 8), f(10, 4), f(14, 4), f(89, 1), f(313, 40)}, cat(u64(at-10_000), u32(3), u32(4), u8(128), synPacket),
			func(f *schema.Flow) {
				f.Src.Interface, f.Dst.Interface, f.Forward = 3, 4, 128
				f.Start, f.End = ms(-10*time.Second), ms(-10*time.Second)
			}},
		{"a rate", []fld{f(34, 4), f(313, 40)}, cat(u32(1000), synPacket), func(f *schema.Flow) { f.Exporter.Sampling = 1000 }},
		{"a frame that is none of IP beside a packet", []fld{f(315, 0xffff), f(313, 0xffff)}, cat(sized(arpFrame), sized(synPacket)), as},
		{"a frame that is none of IP", []fld{f(315, 0xffff)}, sized(arpFrame), nil},
		{"a packet that is cut", []fld{f(313, 0xffff)}, sized(synPacket[:30]), nil},
		{"a packet that is cut by its length", []fld{f(410, 2), f(313, 40)}, cat(u16(30), synPacket), nil},
		{"a section from the middle", []fld{f(409, 2), f(313, 40)}, cat(u16(20), synPacket), nil},
		{"an empty section", []fld{f(313, 0xffff)}, u8(0), nil},
	}
}

func TestTheBeginningOfAPacketIsAFlow(t *testing.T) {
	for _, c := range sectionCases() {
		t.Run(c.name, func(t *testing.T) {
			for name, b := range map[string][]byte{
				"IPFIX": ipfix(1, set(2, template(256, c.fields...)), set(256, c.record)),
				"v9":    v9(1, set(0, template(256, c.fields...)), set(256, c.record)),
			} {
				d := decoder()
				flows := decode(d, b)
				checkSums(t, d.Stats())
				if r := d.Stats().Records; c.want == nil {
					if len(flows) != 0 || r.Seen != 1 || r.NoAddress+r.Cut != 1 {
						t.Errorf("%s: %d flows, %+v", name, len(flows), r)
					}
					continue
				}
				if len(flows) != 1 {
					t.Fatalf("%s: %d flows, %+v", name, len(flows), d.Stats().Records)
				}
				got := flows[0]
				want := schema.Flow{Exporter: got.Exporter, Received: arrived, Proto: 6, TOS: 8, TTL: 63}
				want.Exporter.Sampling = 0
				want.Src = schema.Side{Addr: got.Src.Addr, Port: 40000, TCPFlags: schema.SYN, Packets: 1, Bytes: 40}
				want.Dst = schema.Side{Addr: got.Dst.Addr, Port: 22, Untold: schema.UntoldSent}
				c.want(&want)
				if got != want || got.Src.Addr.String() != "198.51.100.7" || got.Dst.Addr.String() != "203.0.113.9" {
					t.Errorf("%s:\n%+v, want\n%+v", name, got, want)
				}
			}
		})
	}
}

func TestEachRecordOfASetIsAPacketOfItsOwn(t *testing.T) {
	set1 := set(256, sized(synPacket), u8(0), sized(inGRE), sized(synPacket[:22]), sized(synPacket))
	d := decoder()
	flows := decode(d, ipfix(1, set(2, template(256, f(313, 0xffff))), set1))
	if r := d.Stats().Records; len(flows) != 3 || r.Seen != 5 || r.Cut != 1 || r.NoAddress != 1 || d.Header().Units != 5 {
		t.Errorf("%d flows, %+v, %+v", len(flows), r, d.Header())
	}
	checkSums(t, d.Stats())
}

func TestAddressesOfItsOwnComeBeforeASection(t *testing.T) {
	got := one(t, ipfix(1, set(2, template(256, append(slices.Clone(ends), f(4, 1), f(313, 0xffff))...)),
		set(256, ip("192.0.2.77"), ip("192.0.2.78"), u8(17), sized(synPacket))))
	if got.Src.Addr.String() != "192.0.2.77" || got.Proto != 17 || got.Src.TCPFlags != 0 {
		t.Errorf("%+v", got)
	}
}

// A record that begins with a list: nothing else, and an interface.
var (
	listedTemplate = template(256, ends...)
	f313s          = []fld{f(292, 0xffff)}
)

// inList is a subTemplateList of records of one template.
func inList(semantic uint8, id uint16, records ...[]byte) []byte {
	return sized(cat(u8(semantic), u16(id), cat(records...)))
}

func TestFlowsInListsAreRead(t *testing.T) {
	inner := template(256, append(slices.Clone(ends), f(4, 1), f(7, 2), f(11, 2), f(6, 1))...)
	flow := func(dst string) []byte { return cat(ip("198.51.100.7"), ip(dst), u8(6), u16(40000), u16(22), u8(2)) }
	multi := func(parts ...[]byte) []byte { return sized(cat(u8(3), cat(parts...))) }
	part := func(id uint16, records ...[]byte) []byte {
		b := cat(records...)
		return cat(u16(id), u16(uint16(4+len(b))), b)
	}
	a, b, c := flow("203.0.113.1"), flow("203.0.113.2"), flow("203.0.113.3")
	for _, tt := range []struct {
		name   string
		fields []fld
		record []byte
		flows  int
		other  uint64 // records without
	}{
		{"a list", []fld{f(292, 0xffff)}, inList(3, 256, a, b, c), 3, 0},
		{"a list behind a long length", []fld{f(292, 0xffff)}, cat(u8(255), u16(3+14), u8(3), u16(256), a), 1, 0},
		{"an empty list", []fld{f(292, 0xffff)}, inList(3, 256), 0, 1},
		{"a list without a template id", []fld{f(292, 0xffff)}, u8(0), 0, 1},
		{"a list with half a record behind", []fld{f(292, 0xffff)}, inList(3, 256, a, b[:5]), 1, 0},
		{"two lists", []fld{f(292, 0xffff), f(292, 0xffff)}, cat(inList(3, 256, a), inList(4, 256, b, c)), 3, 0},
		{"lists of several templates", []fld{f(293, 0xffff)}, multi(part(256, a, b), part(257, endsOf()), part(999, a), part(256, c)), 4, 0},
		{"lists of which one is longer than all", []fld{f(293, 0xffff)}, multi(part(256, a), u16(256), u16(99)), 1, 0},
		{"lists of which one has no length", []fld{f(293, 0xffff)}, multi(part(256, a), u32(256<<16)), 1, 0},
		{"a basic list beside a list", []fld{f(291, 0xffff), f(292, 0xffff)}, cat(sized([]byte{3, 0, 1, 0, 1, 7}), inList(3, 256, a)), 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := cat(u32(3), u64(uint64(exported.UnixMilli()-10_000)))
			fields := append([]fld{f(10, 4), f(152, 8)}, tt.fields...)
			d := decoder()
			flows := decode(d, ipfix(1, set(2, inner, template(257, ends...), template(300, fields...)), set(300, at, tt.record, at, tt.record)))
			r := d.Stats().Records
			if len(flows) != 2*tt.flows || r.NoAddress != 2*tt.other {
				t.Fatalf("%d flows, %+v", len(flows), r)
			}
			if h := d.Header(); h.Units != 2 {
				t.Errorf("the datagram has %d data records, not 2", h.Units)
			}
			for _, f := range flows {
				if f.Src.Addr.String() != "198.51.100.7" || f.Src.Interface != 3 || f.Start != ms(-10*time.Second) ||
					f.Src.Untold&^schema.UntoldPort&^schema.UntoldFlags != schema.UntoldPackets|schema.UntoldBytes {
					t.Errorf("%+v", f)
				}
			}
			checkSums(t, d.Stats())
		})
	}
}

func TestListsWaitForTheirTemplateAsSetsDo(t *testing.T) {
	list, inner := template(300, f(292, 0xffff)), template(256, ends...)
	flow := endsOf()
	d := decoder()
	if flows := decode(d, ipfix(1, set(2, list), set(300, inList(3, 256, flow, flow), inList(3, 256, flow)))); len(flows) != 0 {
		t.Fatalf("%d flows", len(flows))
	}
	if s := d.Stats(); s.Sets.NoTemplate != 1 || s.Sets.Data != 0 || s.Records.Seen != 0 {
		t.Errorf("before: %+v %+v", s.Sets, s.Records)
	}
	checkSums(t, d.Stats())
	if flows := decode(d, ipfix(1, set(2, inner))); len(flows) != 3 || flows[2].Src.Addr.String() != "198.51.100.7" {
		t.Errorf("%+v", flows)
	}
	if r := d.Stats().Records; r.Seen != 3 || r.Flows != 3 {
		t.Errorf("after: %+v", r)
	}
	checkSums(t, d.Stats())
	// Beside one that is known, another does not hold a set up.
	if flows := decode(d, ipfix(1, set(300, inList(3, 256, flow), inList(3, 999, flow), inList(3, 256)))); len(flows) != 1 {
		t.Errorf("%+v", flows)
	}
	if r := d.Stats().Records; r.Seen != 6 || r.Flows != 4 || r.NoTemplate != 1 || r.NoAddress != 1 {
		t.Errorf("beside one that is known: %+v", r)
	}
	checkSums(t, d.Stats())
}

func TestASourceBeforeAListOfDestinationsIsTheSourceOfEach(t *testing.T) {
	flows := decode(decoder(), ipfix(1, set(2, template(256, f(12, 4), f(11, 2)), template(257, f(8, 4), f(4, 1), f(292, 0xffff))),
		set(257, ip("198.51.100.7"), u8(6), inList(3, 256, cat(ip("203.0.113.1"), u16(22)), cat(ip("203.0.113.2"), u16(23))))))
	if len(flows) != 2 || flows[1].Src.Addr.String() != "198.51.100.7" || flows[1].Dst.Addr.String() != "203.0.113.2" || flows[1].Dst.Port != 23 || flows[1].Proto != 6 {
		t.Errorf("%+v", flows)
	}
}

func TestAFlowWithAddressesKeepsItsListsToItself(t *testing.T) {
	d := decoder()
	flows := decode(d, ipfix(1, set(2, template(256, ends...), template(257, append(slices.Clone(ends), f(293, 0xffff), f(4, 1))...)),
		set(257, endsOf(sized(cat(u8(3), u16(256), u16(12), ip("192.0.2.1"), ip("192.0.2.2"))), u8(6)))))
	if len(flows) != 1 || flows[0].Src.Addr.String() != "198.51.100.7" || flows[0].Proto != 6 {
		t.Errorf("%+v", flows)
	}
}

func TestARecordWhoseAddressesHaveNoLengthIsNoFlow(t *testing.T) {
	d := decoder()
	flows, o := d.Decode(nil, exporterA, arrived, ipfix(1, set(2, template(256, f(8, 0xffff), f(12, 0xffff))), set(256, u8(0), u8(0), u8(4), ip("192.0.2.1"), u8(4), ip("192.0.2.2"))))
	if r := d.Stats().Records; len(flows) != 1 || r.NoAddress != 1 || r.Flows != 1 || o != netflow.Decoded {
		t.Errorf("%d flows, %v, %+v", len(flows), o, r)
	}
}
