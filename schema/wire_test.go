package schema_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/netsampler/goflow2/v2/pb"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{})

func usual() schema.Flow {
	return schema.Flow{
		Exporter: schema.Exporter{Addr: netip.MustParseAddr("192.0.2.1"), Type: schema.NetFlowV9, Domain: 7, Sequence: 123456, Sampling: 1},
		Received: 1789000000_123456789, Start: 1789000000_000000000, End: 1789000000_100000000,
		Src:   schema.Side{Addr: netip.MustParseAddr("198.51.100.7"), Packets: 3, Bytes: 180, AS: 64500, Interface: 3, Port: 44120, TCPFlags: schema.SYN, Mask: 24},
		Dst:   schema.Side{Addr: netip.MustParseAddr("203.0.113.9"), AS: 64501, Interface: 4, Port: 22, Mask: 16},
		Proto: schema.TCP, TOS: 8, TTL: 60, Forward: 64,
	}
}

// randomFlow draws any flow that an exporter could have sent.
func randomFlow(t *rapid.T) schema.Flow {
	addr := func(name string) netip.Addr {
		switch rapid.IntRange(0, 2).Draw(t, name+"-family") {
		case 0:
			return netip.Addr{}
		case 1:
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))).Unmap()
	}
	side := func(name string) schema.Side {
		return schema.Side{
			Addr: addr(name), Packets: rapid.Uint64().Draw(t, "packets"), Bytes: rapid.Uint64().Draw(t, "bytes"),
			AS: rapid.Uint32().Draw(t, "as"), Interface: rapid.Uint32().Draw(t, "if"),
			Port: rapid.Uint16().Draw(t, "port"), TCPFlags: rapid.Uint16().Draw(t, "flags"),
			VLAN: rapid.Uint16().Draw(t, "vlan"), Mask: rapid.Uint8().Draw(t, "mask"),
			Country: schema.CountryOf(rapid.SampledFrom([]string{"", "DE", "ZZ"}).Draw(t, "country")),
			Untold:  schema.Untold(rapid.Uint8Range(0, 15).Draw(t, "untold")),
		}
	}
	time := func() schema.Time { return schema.Time(rapid.Int64Range(0, 1<<62).Draw(t, "time")) }
	f := schema.Flow{
		Exporter: schema.Exporter{
			Addr: addr("exporter"), Type: schema.FlowType(rapid.Uint8Range(0, 4).Draw(t, "type")),
			Domain: rapid.Uint32().Draw(t, "domain"), Sequence: rapid.Uint32().Draw(t, "seq"), Sampling: rapid.Uint32().Draw(t, "sampling"),
		},
		Received: time(), Start: time(), End: time(), Src: side("src"), Dst: side("dst"),
		Proto: rapid.Uint8().Draw(t, "proto"), TOS: rapid.Uint8().Draw(t, "tos"), TTL: rapid.Uint8().Draw(t, "ttl"),
		Forward: rapid.Uint8().Draw(t, "forward"), EndReason: rapid.Uint8().Draw(t, "reason"), Event: rapid.Uint8().Draw(t, "event"),
		NATEvent: rapid.Uint8().Draw(t, "nat"), EventReason: rapid.Uint16().Draw(t, "why"),
		Initiator:   schema.Initiator(rapid.Uint8Range(0, 2).Draw(t, "initiator")),
		Orientation: schema.Orientation(rapid.Uint8Range(0, 4).Draw(t, "orientation")),
		Swapped:     rapid.Bool().Draw(t, "swapped"),
		Hints:       schema.Hints(rapid.Uint8Range(0, 3).Draw(t, "hints")),
	}
	if !schema.HasPorts(f.Proto) {
		f.Src.Port, f.Dst.Port = 0, 0
	}
	if f.Proto == schema.ICMP || f.Proto == schema.ICMPv6 {
		f.ICMPType, f.ICMPCode = rapid.Uint8().Draw(t, "icmp-type"), rapid.Uint8().Draw(t, "icmp-code")
	}
	return f
}

func TestAFlowSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := []schema.Flow{randomFlow(t), randomFlow(t)}
		var b []byte
		var e schema.FlowEncoder
		if rapid.Bool().Draw(t, "one datagram") {
			want[1].Exporter, want[1].Received = want[0].Exporter, want[0].Received
		}
		for i := range want {
			b = schema.AppendFlow(b, &want[i])
			if both := e.Append(e.Append(nil, &want[i]), &want[i]); string(both[:len(both)/2]) != string(both[len(both)/2:]) {
				t.Error("the encoder says the same flow in two ways")
			} else if n := len(b); string(both[:len(both)/2]) != string(b[n-len(both)/2:]) {
				t.Error("the encoder and AppendFlow differ")
			}
		}
		var got [2]schema.Flow
		n, err := schema.ReadFlow(b, &got[0])
		if err != nil {
			t.Fatal(err)
		}
		m, err := schema.ReadFlow(b[n:], &got[1])
		if err != nil {
			t.Fatal(err)
		}
		if n+m != len(b) {
			t.Errorf("read %d of %d bytes", n+m, len(b))
		}
		if d := cmp.Diff(want, got[:], sameAddr); d != "" {
			t.Error(d)
		}
	})
}

func TestGoflow2ReadsOurFlows(t *testing.T) {
	f := usual()
	b := schema.AppendFlow(nil, &f)
	var m flowpb.FlowMessage
	if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &m); err != nil {
		t.Fatal(err)
	}
	want := goflow2Message()
	if d := cmp.Diff(want.String(), m.String()); d != "" {
		t.Error(d)
	}
}

func TestATopicWrittenByGoflow2IsRead(t *testing.T) {
	m := goflow2Message()
	m.SrcMac, m.NextHop, m.MplsLabel = 0x0000deadbeef, []byte{192, 0, 2, 254}, []uint32{3, 4} // fields that we skip
	var buf bytes.Buffer
	if _, err := protodelim.MarshalTo(&buf, m); err != nil {
		t.Fatal(err)
	}
	want := usual()
	var got schema.Flow
	n, err := schema.ReadFlow(buf.Bytes(), &got)
	if err != nil || n != buf.Len() {
		t.Fatalf("read %d of %d bytes: %v", n, buf.Len(), err)
	}
	if d := cmp.Diff(want, got, sameAddr); d != "" {
		t.Error(d)
	}
}

func TestTheTypeOfAnICMPMessageIsNotAPort(t *testing.T) {
	b, err := proto.Marshal(&flowpb.FlowMessage{Proto: 1, DstPort: 771})
	if err != nil {
		t.Fatal(err)
	}
	var f schema.Flow
	if _, err := schema.ReadFlow(append([]byte{byte(len(b))}, b...), &f); err != nil {
		t.Fatal(err)
	}
	if f.ICMPType != 3 || f.ICMPCode != 3 || f.Dst.Port != 0 {
		t.Errorf("got type %d code %d port %d, want 3, 3, 0", f.ICMPType, f.ICMPCode, f.Dst.Port)
	}
}

func goflow2Message() *flowpb.FlowMessage {
	return &flowpb.FlowMessage{
		Type: flowpb.FlowMessage_NETFLOW_V9, SamplingRate: 1, SequenceNum: 123456, ObservationDomainId: 7,
		SamplerAddress: []byte{192, 0, 2, 1}, TimeReceivedNs: 1789000000_123456789,
		TimeFlowStartNs: 1789000000_000000000, TimeFlowEndNs: 1789000000_100000000,
		Bytes: 180, Packets: 3, SrcAddr: []byte{198, 51, 100, 7}, DstAddr: []byte{203, 0, 113, 9},
		Etype: 0x800, Proto: 6, SrcPort: 44120, DstPort: 22, InIf: 3, OutIf: 4, SrcAs: 64500, DstAs: 64501,
		SrcNet: 24, DstNet: 16, IpTos: 8, IpTtl: 60, ForwardingStatus: 64, TcpFlags: 2,
	}
}

func TestAMalformedFlowIsSkippedAloneAndABrokenFrameEndsTheRecord(t *testing.T) {
	good := usual()
	bad := []byte{3, 6<<3 | 2, 9, 1} // an address that says 9 bytes and has 1
	b := append(bad, schema.AppendFlow(nil, &good)...)
	var f schema.Flow
	n, err := schema.ReadFlow(b, &f)
	if !errors.Is(err, schema.ErrFlow) || n != len(bad) {
		t.Fatalf("got %d, %v; want %d and ErrFlow", n, err, len(bad))
	}
	if _, err := schema.ReadFlow(b[n:], &f); err != nil {
		t.Fatalf("the flow behind it: %v", err)
	}
	if d := cmp.Diff(good, f, sameAddr); d != "" {
		t.Error(d)
	}
	if n, err := schema.ReadFlow([]byte{200, 1, 8}, &f); !errors.Is(err, schema.ErrFrame) || n != 3 {
		t.Errorf("a length past the end: got %d, %v; want 3 and ErrFrame", n, err)
	}
}

func FuzzReadFlow(f *testing.F) {
	u := usual()
	f.Add(schema.AppendFlow(nil, &u))
	f.Add([]byte{3, 6<<3 | 2, 9, 1})
	f.Add([]byte{200, 1, 8})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for rest := b; len(rest) > 0; {
			var flow, again schema.Flow
			n, err := schema.ReadFlow(rest, &flow)
			if n <= 0 || n > len(rest) {
				t.Fatalf("took %d of %d bytes", n, len(rest))
			}
			if err == nil {
				if _, err := schema.ReadFlow(schema.AppendFlow(nil, &flow), &again); err != nil || again != flow {
					t.Fatalf("encoded and read again: %v\n%+v\n%+v", err, flow, again)
				}
			}
			rest = rest[n:]
		}
	})
}

func BenchmarkWire(b *testing.B) {
	f := usual()
	buf := schema.AppendFlow(nil, &f)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			buf = schema.AppendFlow(buf[:0], &f)
		}
	})
	b.Run("encode-datagram", func(b *testing.B) {
		var e schema.FlowEncoder
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for n := uint32(0); b.Loop(); n++ {
			f.Exporter.Sequence = n / 24 // flows of a datagram
			buf = e.Append(buf[:0], &f)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			if _, err := schema.ReadFlow(buf, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
