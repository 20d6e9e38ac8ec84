package schema_test

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

func TestAFlowSurvivesItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := randomFlow(t)
		line := schema.AppendJSON(nil, &want)
		if !stdjson.Valid(line) {
			t.Fatalf("not JSON: %s", line)
		}
		var got schema.Flow
		if err := schema.ParseJSON(line, &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if diff := cmp.Diff(want, got, sameAddr); diff != "" {
			t.Fatalf("(-want +got)\n%s%s", diff, line)
		}
	})
}

func TestAnAddressWithAZoneIsStillJSON(t *testing.T) {
	f := usual()
	f.Src.Addr = netip.MustParseAddr("fe80::1").WithZone(`"\`)
	if line := schema.AppendJSON(nil, &f); !stdjson.Valid(line) {
		t.Fatalf("not JSON: %s", line)
	}
}

// goflow2JSON renders f as goflow2 itself does, with its default settings.
// Its formatter cannot be had but from a producer, so one datagram is produced.
func goflow2JSON(t testing.TB, f *schema.Flow, cfg *protoproducer.ProducerConfig) []byte {
	t.Helper()
	compiled, err := cfg.Compile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := protoproducer.CreateProtoProducer(compiled, protoproducer.CreateSamplingSystem)
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := p.Produce(&netflowlegacy.PacketNetFlowV5{Records: make([]netflowlegacy.RecordsNetFlowV5, 1)}, &producer.ProduceArgs{})
	if err != nil || len(msgs) != 1 {
		t.Fatalf("goflow2 produced %d messages, %v", len(msgs), err)
	}
	m := msgs[0].(*protoproducer.ProtoProducerMessage)
	wire := schema.AppendFlow(nil, f)
	_, size, _ := cutUvarint(wire)
	if err := proto.Unmarshal(wire[size:], &m.FlowMessage); err != nil {
		t.Fatal(err)
	}
	line, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func cutUvarint(b []byte) (v uint64, n int, rest []byte) {
	for shift := 0; ; shift += 7 {
		v |= uint64(b[n]&0x7f) << shift
		n++
		if b[n-1] < 0x80 {
			return v, n, b[n:]
		}
	}
}

// asGoflow2 are flows of which goflow2 can say everything.
func asGoflow2() []schema.Flow {
	tcp := usual()
	udp6 := usual()
	udp6.Exporter.Type, udp6.Proto = schema.IPFIX, schema.UDP
	udp6.Exporter.Addr = netip.MustParseAddr("2001:db8::1")
	udp6.Src.Addr, udp6.Src.Mask = netip.MustParseAddr("2001:db8:1::7"), 48
	udp6.Dst.Addr, udp6.Dst.Mask = netip.MustParseAddr("2001:db8:2::9"), 0
	udp6.Src.VLAN, udp6.Dst.VLAN = 100, 200
	icmp := usual()
	icmp.Proto, icmp.ICMPType, icmp.ICMPCode = schema.ICMP, 3, 13
	icmp.Src.Port, icmp.Dst.Port, icmp.Src.TCPFlags = 0, 0, 0
	other := usual()
	other.Proto, other.Src.Port, other.Dst.Port = 89, 0, 0
	other.Exporter.Type = schema.SFlow5
	return []schema.Flow{tcp, udp6, icmp, other}
}

func TestOurJSONSaysWhatGoflow2sSays(t *testing.T) {
	for _, f := range asGoflow2() {
		var ours, theirs map[string]any
		decode(t, schema.AppendJSON(nil, &f), &ours)
		decode(t, goflow2JSON(t, &f, &protoproducer.ProducerConfig{}), &theirs)
		for name, want := range ours {
			if got, ok := theirs[name]; !ok || got != want {
				t.Errorf("%s: ours is %v, goflow2's is %v", name, want, got)
			}
		}
	}
}

func decode(t *testing.T, line []byte, to any) {
	t.Helper()
	d := stdjson.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
}

func TestGoflow2sJSONIsRead(t *testing.T) {
	dates := protoproducer.ProducerConfig{Formatter: protoproducer.FormatterConfig{Render: map[string]protoproducer.RendererID{
		"time_received_ns": protoproducer.RendererDateTimeNano, "time_flow_start_ns": protoproducer.RendererDateTimeNano,
	}}}
	bare := protoproducer.ProducerConfig{Formatter: protoproducer.FormatterConfig{Render: map[string]protoproducer.RendererID{
		"proto": protoproducer.RendererNone, "etype": protoproducer.RendererNone,
		"src_net": protoproducer.RendererNone, "dst_net": protoproducer.RendererNone,
	}}}
	for name, cfg := range map[string]*protoproducer.ProducerConfig{"by default": {}, "with dates": &dates, "with bare numbers": &bare} {
		t.Run(name, func(t *testing.T) {
			for _, want := range asGoflow2() {
				line := goflow2JSON(t, &want, cfg)
				var got schema.Flow
				if err := schema.ParseJSON(line, &got); err != nil {
					t.Fatalf("%v in %s", err, line)
				}
				if diff := cmp.Diff(want, got, sameAddr); diff != "" {
					t.Fatalf("(-want +got)\n%s%s", diff, line)
				}
			}
		})
	}
}

func TestJSONFromElsewhereIsRead(t *testing.T) {
	for line, want := range map[string]schema.Flow{
		`{"dst_port":"443","proto":6,"bytes":"1500"}`:                                           {Proto: schema.TCP, Src: schema.Side{Bytes: 1500}, Dst: schema.Side{Port: 443}},
		` { "proto" : "17" , "tags":[1,{"a":[]},"]"], "x":{"src_port":9}, "y":null, "z":true }`: {Proto: schema.UDP},
		`{"proto":1,"src_port":9,"dst_port":2048}`:                                              {Proto: schema.ICMP, ICMPType: 8},
		`{"proto":"ICMP","icmp_type":3,"icmp_code":1,"dst_port":5}`:                             {Proto: schema.ICMP, ICMPType: 3, ICMPCode: 1},
		`{"proto":"GRE","src_port":9,"dst_port":5}`:                                             {Proto: 47},
		`{"src_addr":"::ffff:192.0.2.1","src_net":24,"dst_net":"::/0"}`:                         {Src: schema.Side{Addr: netip.MustParseAddr("192.0.2.1"), Mask: 24}},
		`{"\u0073rc_addr":"\u0031.2.3.4"}`:                                                      {Src: schema.Side{Addr: netip.MustParseAddr("1.2.3.4")}},
		`{"bytes":1.5e3,"time_flow_end_ns":1.5e18,"packets":18446744073709551615}`:              {End: 1500000000_000000000, Src: schema.Side{Bytes: 1500, Packets: 1<<64 - 1}},
		`{"time_received_ns":"2026-11-21T10:00:00.5+01:00"}`:                                    {Received: 1795251600_500000000},
		`{"type":4,"src_addr":"","dst_net":"invalid Prefix","proto":"experimental"}`:            {Exporter: schema.Exporter{Type: schema.IPFIX}, Proto: 253},
		`{"bytes":1,"bytes":2}`:                                                                 {Src: schema.Side{Bytes: 2}},
	} {
		var got schema.Flow
		if err := schema.ParseJSON([]byte(line), &got); err != nil {
			t.Errorf("%v in %s", err, line)
		} else if diff := cmp.Diff(want, got, sameAddr); diff != "" {
			t.Errorf("%s (-want +got)\n%s", line, diff)
		}
	}
}

func TestBrokenJSONSaysWhatIsWrongAndWhere(t *testing.T) {
	for line, want := range map[string]string{
		``:                             "byte 1: not a JSON object",
		`[1]`:                          "byte 1: not a JSON object",
		`{}`:                           "byte 1: the object has no field of a flow",
		`{"ts":1}`:                     "byte 1: the object has no field of a flow",
		`{"proto":6`:                   "byte 11: the line ends where a comma or the end of the object should be",
		`{"proto"`:                     "byte 9: the line ends where a colon should be",
		`{"proto":6} {`:                "byte 13: something stands behind the object",
		`{"proto":6,}`:                 "byte 12: expected a key",
		`{"proto" 6}`:                  "byte 10: expected a colon",
		`{"proto":}`:                   "byte 10: expected a value",
		`{"a":[1`:                      "byte 8: the line ends where the end of a nested value should be",
		`{"src_port":65536}`:           "byte 13: src_port: 65536 is more than 65535",
		`{"src_port":-1}`:              "byte 13: src_port: -1 is not a number from 0 to 65535",
		`{"bytes":true}`:               "byte 10: bytes: true is not a number from 0 to 18446744073709551615",
		`{"ip_tos":1.5}`:               "byte 11: ip_tos: 1.5 is not a number from 0 to 255",
		`{"src_addr":"10.0.0"}`:        `byte 13: src_addr: "10.0.0" is not an address`,
		`{"dst_net":"10.0.0.0/999"}`:   `byte 12: dst_net: "10.0.0.0/999" is not a network`,
		`{"proto":"tcpip"}`:            `byte 10: proto: "tcpip" is not an IP protocol`,
		`{"time_received_ns":"Today"}`: `byte 21: time_received_ns: "Today" is neither nanoseconds since 1970 nor a time`,
		`{"time_received_ns":"9999-01-01T00:00:00Z"}`: `byte 21: time_received_ns: "9999-01-01T00:00:00Z" is not a time`,
		`{"initiator":"me"}`:                          `byte 14: initiator: "me" is none of , src, dst`,
	} {
		var f schema.Flow
		if err := schema.ParseJSON([]byte(line), &f); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", line, err, want)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, flow := range asGoflow2() {
		f.Add(schema.AppendJSON(nil, &flow))
		f.Add(goflow2JSON(f, &flow, &protoproducer.ProducerConfig{}))
	}
	f.Add([]byte(`{"proto":"17","tags":[1,{"a":[]},"]\u00e9"],"time_received_ns":"2026-11-21T10:00:00Z","bytes":1e9}`))
	f.Add([]byte(strings.Repeat(`{"proto":`, 100)))
	f.Fuzz(func(t *testing.T, line []byte) {
		var flow, again schema.Flow
		if schema.ParseJSON(line, &flow) != nil {
			return
		}
		if err := schema.ParseJSON(schema.AppendJSON(nil, &flow), &again); err != nil {
			t.Fatal(err)
		}
		if flow != again {
			t.Fatal(cmp.Diff(flow, again, sameAddr))
		}
	})
}

func TestWritingJSONAllocatesNothing(t *testing.T) {
	f, b := usual(), make([]byte, 0, 2048)
	if n := testing.AllocsPerRun(100, func() { b = schema.AppendJSON(b[:0], &f) }); n != 0 {
		t.Fatalf("%.0f allocations", n)
	}
}

func BenchmarkJSON(b *testing.B) {
	f := usual()
	line := schema.AppendJSON(nil, &f)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			line = schema.AppendJSON(line[:0], &f)
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := schema.ParseJSON(line, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func ExampleAppendJSON() {
	f := schema.Flow{
		Exporter: schema.Exporter{Addr: netip.MustParseAddr("192.0.2.1"), Type: schema.NetFlowV5},
		Received: 1795255200_000000000,
		Src:      schema.Side{Addr: netip.MustParseAddr("198.51.100.7"), Packets: 1, Bytes: 60, Port: 40000, TCPFlags: schema.SYN, Mask: 24},
		Dst:      schema.Side{Addr: netip.MustParseAddr("203.0.113.9"), Port: 22, Mask: 24},
		Proto:    schema.TCP,
	}
	fmt.Printf("%s\n", schema.AppendJSON(nil, &f))
	// Output:
	// {"type":"NETFLOW_V5","time_received_ns":1795255200000000000,"sequence_num":0,"sampling_rate":0,"sampler_address":"192.0.2.1","time_flow_start_ns":0,"time_flow_end_ns":0,"bytes":60,"packets":1,"src_addr":"198.51.100.7","dst_addr":"203.0.113.9","etype":"IPv4","proto":"TCP","src_port":40000,"dst_port":22,"in_if":0,"out_if":0,"src_vlan":0,"dst_vlan":0,"ip_tos":0,"forwarding_status":0,"ip_ttl":0,"tcp_flags":2,"icmp_type":0,"icmp_code":0,"src_as":0,"dst_as":0,"src_net":"198.51.100.0/24","dst_net":"203.0.113.0/24","observation_domain_id":0}
}
