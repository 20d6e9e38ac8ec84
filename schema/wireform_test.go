package schema_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowmix"
)

// asDefined writes a flow field by field as the table of wire.go has it, with the length before it.
func asDefined(f *schema.Flow) []byte {
	var m []byte
	number := func(field protowire.Number, v uint64) {
		if v != 0 {
			m = protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), v)
		}
	}
	addr := func(field protowire.Number, a netip.Addr) {
		if a.IsValid() {
			m = protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), a.AsSlice())
		}
	}
	country := func(c schema.Country) uint64 { return uint64(c[0])<<8 | uint64(c[1]) }
	swapped := map[bool]uint64{true: 1}[f.Swapped]
	ether := uint64(0)
	switch {
	case f.Src.Addr.Is4():
		ether = 0x800
	case f.Src.Addr.Is6():
		ether = 0x86dd
	}
	number(1, uint64(f.Exporter.Type))
	number(3, uint64(f.Exporter.Sampling))
	number(4, uint64(f.Exporter.Sequence))
	addr(11, f.Exporter.Addr)
	number(70, uint64(f.Exporter.Domain))
	number(110, uint64(f.Received))
	addr(6, f.Src.Addr)
	addr(7, f.Dst.Addr)
	for _, n := range []struct {
		field protowire.Number
		v     uint64
	}{
		{9, f.Src.Bytes}, {10, f.Src.Packets}, {14, uint64(f.Src.AS)}, {15, uint64(f.Dst.AS)},
		{16, uint64(f.Src.Mask)}, {17, uint64(f.Dst.Mask)}, {18, uint64(f.Src.Interface)}, {19, uint64(f.Dst.Interface)},
		{20, uint64(f.Proto)}, {21, uint64(f.Src.Port)}, {22, uint64(f.Dst.Port)}, {23, uint64(f.TOS)}, {24, uint64(f.Forward)},
		{25, uint64(f.TTL)}, {26, uint64(f.Src.TCPFlags)}, {30, ether}, {31, uint64(f.ICMPType)}, {32, uint64(f.ICMPCode)},
		{33, uint64(f.Src.VLAN)}, {34, uint64(f.Dst.VLAN)}, {111, uint64(f.Start)}, {112, uint64(f.End)},
		{1500, f.Dst.Bytes}, {1501, f.Dst.Packets}, {1502, uint64(f.Dst.TCPFlags)}, {1503, uint64(f.Initiator)},
		{1504, uint64(f.Orientation)}, {1505, swapped}, {1506, uint64(f.EndReason)}, {1507, uint64(f.Event)},
		{1508, country(f.Src.Country)}, {1509, country(f.Dst.Country)}, {1510, uint64(f.Hints)},
		{1511, uint64(f.Dst.Untold | f.Src.Untold<<4)}, {1512, uint64(f.NATEvent)}, {1513, uint64(f.EventReason)},
	} {
		number(n.field, n.v)
	}
	return append(binary.AppendUvarint(nil, uint64(len(m))), m...)
}

// full are flows with every field, whose numbers are of every length.
func full() (flows []schema.Flow) {
	for bits := range 65 {
		for _, v := range []uint64{1<<bits - 1, 1 << bits} {
			f := schema.Flow{
				Exporter: schema.Exporter{Addr: netip.IPv6Unspecified(), Type: schema.FlowType(v), Domain: uint32(v), Sequence: uint32(v), Sampling: uint32(v)},
				Received: schema.Time(v), Start: schema.Time(v), End: schema.Time(v), Proto: uint8(v), ICMPType: uint8(v), ICMPCode: uint8(v),
				TOS: uint8(v), TTL: uint8(v), Forward: uint8(v), EndReason: uint8(v), Event: uint8(v), NATEvent: uint8(v), EventReason: uint16(v),
				Initiator: schema.Initiator(v), Orientation: schema.Orientation(v), Swapped: v != 0, Hints: schema.Hints(v),
			}
			f.Src = schema.Side{
				Addr: netip.IPv6Unspecified(), Packets: v, Bytes: v, AS: uint32(v), Interface: uint32(v), Port: uint16(v),
				TCPFlags: uint16(v), VLAN: uint16(v), Mask: uint8(v), Untold: 15, Country: schema.CountryOf("ZZ"),
			}
			f.Dst = f.Src
			flows = append(flows, f)
		}
	}
	return flows
}

func TestTheBytesOfAFlowAreThoseOfItsDefinition(t *testing.T) {
	check := func(f *schema.Flow) {
		if got, want := schema.AppendFlow(nil, f), asDefined(f); string(got) != string(want) {
			t.Fatalf("%+v\n got %x\nwant %x", *f, got, want)
		}
	}
	for _, f := range flowmix.Oriented(5000) {
		check(&f)
	}
	for _, f := range full() {
		check(&f)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := randomFlow(t)
		if got, want := schema.AppendFlow(nil, &f), asDefined(&f); string(got) != string(want) {
			t.Fatalf("got %x\nwant %x", got, want)
		}
	})
}

// What stands on topics since the first version.
func TestTheBytesOfTheUsualFlowStay(t *testing.T) {
	const want = "720803180120c0c4075a04c0000201b00407f006959aa1b4d8c0f3e9183204c63364073a04cb00710948b401500370f4f70378f5f703800118880110900103980104a00106a801d8d802b00116b80108c00140c8013cd00102f0018010f8068080b2f9d7c0f3e918800780c289a9d8c0f3e918"
	f := usual()
	if got := hex.EncodeToString(schema.AppendFlow(nil, &f)); got != want {
		t.Errorf("got %s", got)
	}
}

// strange is a field that nobody writes: a message that begins with it is read the careful way.
var strange = protowire.AppendFixed32(protowire.AppendTag(nil, 2047, protowire.Fixed32Type), 7)

// bothWays reads a message as it is and behind a strange field, each with something behind it.
func bothWays(t *testing.T, message, behind []byte) {
	t.Helper()
	var as, careful schema.Flow
	read := func(m []byte, f *schema.Flow) error {
		b := append(binary.AppendUvarint(nil, uint64(len(m))), m...)
		n, err := schema.ReadFlow(slices.Concat(b, behind), f)
		if n != len(b) {
			t.Fatalf("took %d of %d bytes", n, len(b))
		}
		return err
	}
	errAs, errCareful := read(message, &as), read(slices.Concat(strange, message), &careful)
	if errors.Is(errAs, schema.ErrFlow) != errors.Is(errCareful, schema.ErrFlow) || errAs == nil && as != careful {
		t.Fatalf("message %x before %x\nread as it is: %v %+v\ncarefully:     %v %+v", message, behind, errAs, as, errCareful, careful)
	}
}

// changed is a message with what breaks known steps: it is cut, a byte is another, a field comes twice.
func changed(m []byte, how, at, value byte) []byte {
	m = slices.Clone(m)
	i := int(at) % max(len(m), 1)
	switch how % 5 {
	case 0:
		return m
	case 1:
		return m[:i]
	case 2:
		m[i] = value
	case 3:
		return slices.Insert(m, i, value)
	case 4:
		return slices.Concat(m, m[:i])
	}
	return m
}

func TestTheFastWayReadsWhatTheCarefulWayReads(t *testing.T) {
	flows := append(flowmix.Oriented(48), full()...)
	next := schema.AppendFlow(nil, &flows[0])
	for i := range flows {
		b := schema.AppendFlow(nil, &flows[i])
		_, n := binary.Uvarint(b)
		for _, behind := range [][]byte{nil, next, slices.Repeat(next, 4), slices.Repeat([]byte{0xff}, 300)} {
			bothWays(t, b[n:], behind)
			for at := range len(b) - n {
				for how := range byte(5) {
					bothWays(t, changed(b[n:], how, byte(at), byte(i*37)), behind)
				}
			}
		}
	}
}

func FuzzReadFlowBothWays(f *testing.F) {
	for _, flow := range append(flowmix.Oriented(48), full()...) {
		b := schema.AppendFlow(nil, &flow)
		_, n := binary.Uvarint(b)
		f.Add(b[n:], slices.Repeat(b, 3), byte(0), byte(0), byte(0))
		f.Add(b[n:], []byte(nil), byte(2), byte(40), byte(0xf0))
	}
	f.Fuzz(func(t *testing.T, message, behind []byte, how, at, value byte) {
		if len(message) > 0 {
			bothWays(t, changed(message, how, at, value), behind)
		}
	})
}
