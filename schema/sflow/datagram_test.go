package sflow_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/sflow"
)

// checkSums checks what Stats promises.
func checkSums(tb testing.TB, s sflow.Stats) {
	tb.Helper()
	if n := s.Samples; n.Flow+n.Discard+n.Counter+n.Other != n.Seen || n.Flow+n.Discard != s.Packets.Seen {
		tb.Errorf("samples do not add up: %+v", s)
	}
	if n := s.Packets; n.Flows+n.NotIP+n.Cut != n.Seen {
		tb.Errorf("packets do not add up: %+v", s)
	}
}

func TestOtherRecordsSayMoreOfThePacket(t *testing.T) {
	apart4 := framed(3, u32(60, 6), ip(a4), ip(b4), u32(40000, 22, schema.SYN, 8))
	apart6 := framed(4, u32(60, 6), ip(a6), ip(b6), u32(40000, 22, schema.SYN, 8))
	unreachable := framed(3, u32(60, 1), ip(a4), ip(b4), u32(0, 3<<8|1, 0, 8))
	frame := raw(1, 1000, ether(0x0800, syn))
	hop := cat(u32(1), ip("192.0.2.9"))
	path := func(as ...uint32) []byte { return cat(u32(2, uint32(len(as))), u32(as...)) }
	gateway := framed(1003, hop, u32(64500, 64501, 64502, 2), path(64503, 64504), path(64505), u32(0, 100))
	for _, c := range []struct {
		name   string
		sample []byte
		want   func(*schema.Flow)
	}{
		{"a header taken apart", flowSample(apart4), func(f *schema.Flow) { f.TTL, f.Src.Bytes = 0, 60 }},
		{"a header of IPv6 taken apart", flowSample(apart6), func(f *schema.Flow) {
			f.TTL, f.Src.Bytes, f.Src.Addr, f.Dst.Addr = 0, 60, netip.MustParseAddr(a6), netip.MustParseAddr(b6)
		}},
		{"ICMP taken apart", flowSample(unreachable), func(f *schema.Flow) {
			f.TTL, f.Src.Bytes, f.Proto, f.ICMPType, f.ICMPCode, f.Src.Port, f.Dst.Port, f.Src.TCPFlags = 0, 60, 1, 3, 1, 0, 0, 0
		}},
		{"both, of which the packet's own bytes win", flowSample(frame, unreachable), nil},
		{"a header taken apart beside a packet that is cut", flowSample(raw(1, 1000, ether(0x0800, syn[:9])), apart4), func(f *schema.Flow) { f.TTL, f.Src.Bytes = 0, 60 }},
		{"VLANs", flowSample(framed(1001, u32(10, 0, 20, 0)), frame), func(f *schema.Flow) { f.Src.VLAN, f.Dst.VLAN = 10, 20 }},
		{"VLANs that are not known", flowSample(frame, framed(1001, u32(0xffff_ffff, 0, 0xffff_ffff, 0))), nil},
		{"prefixes", flowSample(frame, framed(1002, hop, u32(24, 16))), func(f *schema.Flow) { f.Src.Mask, f.Dst.Mask = 24, 16 }},
		{"AS", flowSample(frame, gateway), func(f *schema.Flow) { f.Src.AS, f.Dst.AS = 64501, 64505 }},
		{"AS that are cut", flowSample(frame, gateway[:40]), nil},
		{"no prefixes of a packet within another", flowSample(raw(11, 1000, v4(4, outerA, outerB, syn)), framed(1002, hop, u32(24, 16)), gateway), nil},
		{"what nobody knows", flowSample(framed(1<<12|7, u32(1)), frame, framed(2000, u32(1))), nil},
		{"an interface of its own", framed(1, u32(1, 1, 100, 5, 0, 1<<30-1, 1<<30-1, 1), frame), func(f *schema.Flow) { f.Src.Interface, f.Dst.Interface = 0, 0 }},
		{"several interfaces", framed(1, u32(1, 1, 100, 5, 0, 3, 2<<30|9, 1), frame), func(f *schema.Flow) { f.Dst.Interface = 0 }},
		{"a packet that was dropped", framed(1, u32(1, 1, 100, 5, 0, 3, 1<<30|258, 1), frame), func(f *schema.Flow) { f.Dst.Interface, f.Forward = 0, 128 }},
		{"an expanded sample", framed(3, u32(1, 0, 1, 100, 5, 0, 0, 3<<28, 0, 4<<28, 1), frame), func(f *schema.Flow) { f.Src.Interface, f.Dst.Interface = 3<<28, 4<<28 }},
		{"a notice of a dropped packet", framed(5, u32(1, 0, 1, 0, 3, 4, 262, 1), frame), func(f *schema.Flow) { f.Exporter.Sampling, f.Forward = 0, 128 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sflow.Stats
			flows, _, fault := sflow.Decode(nil, &base, datagram(c.sample), &s)
			if fault != sflow.None || len(flows) != 1 {
				t.Fatalf("fault %d, %d flows, %+v", fault, len(flows), s)
			}
			if diff := cmp.Diff(wanted(c.want), flows[0], sameAddr); diff != "" {
				t.Error(diff)
			}
			checkSums(t, s)
		})
	}
}

func TestADatagramHasAHeaderAndAFault(t *testing.T) {
	good := flowSample(raw(1, 1000, ether(0x0800, syn)))
	v6agent := cat(u32(5, 2), ip("2001:db8::5"), u32(3, 7, 1000, 1), good)
	usual := sflow.Header{Agent: netip.MustParseAddr("192.0.2.200"), SubAgent: 3, Sequence: 7, Uptime: 1000}
	six, none := usual, usual
	six.Agent, none.Agent = netip.MustParseAddr("2001:db8::5"), netip.Addr{}
	more := datagram(good)
	more[27]++
	for _, c := range []struct {
		name   string
		b      []byte
		header sflow.Header
		fault  sflow.Fault
		flows  int
	}{
		{"usual", datagram(good, good), usual, sflow.None, 2},
		{"an agent of IPv6", v6agent, six, sflow.None, 1},
		{"an agent without an address", cat(u32(5, 0, 3, 7, 1000, 1), good), none, sflow.None, 1},
		{"an agent of another family", cat(u32(5, 9, 3, 7, 1000, 1), good), sflow.Header{}, sflow.Malformed, 0},
		{"no samples", datagram(), usual, sflow.Empty, 0},
		{"a count that lies", more, usual, sflow.Truncated, 1},
		{"a sample that is cut behind its packet", datagram(good, good)[:len(datagram(good, good))-1], usual, sflow.Truncated, 2},
		{"a sample that is cut", datagram(good)[:80], usual, sflow.Truncated, 0},
		{"a sample without a length", datagram(good)[:32], usual, sflow.Truncated, 0},
		{"half a header", datagram(good)[:27], sflow.Header{}, sflow.Short, 0},
		{"half an address", v6agent[:20], sflow.Header{}, sflow.Short, 0},
		{"no address", v6agent[:7], sflow.Header{}, sflow.Short, 0},
	} {
		var s sflow.Stats
		flows, h, fault := sflow.Decode(nil, &base, c.b, &s)
		if fault != c.fault || len(flows) != c.flows {
			t.Errorf("%s: fault %d, %d flows", c.name, fault, len(flows))
		}
		if diff := cmp.Diff(c.header, h, sameAddr); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		checkSums(t, s)
	}
}

func TestEveryCounterHasItsOwnNameAndIsCounted(t *testing.T) {
	var s sflow.Stats
	frame := raw(1, 1000, ether(0x0800, syn))
	sflow.Decode(nil, &base, datagram(flowSample(frame), flowSample(raw(1, 60, ether(0x0806))), flowSample(raw(1, 60, nil)),
		framed(5, u32(1, 0, 1, 0, 3, 4, 262, 1), frame), framed(2, u32(1)), framed(4, u32(1)), framed(77, u32(1))), &s)
	checkSums(t, s)
	names := map[string]bool{}
	s.Each(func(name string, v *uint64) {
		if names[name] || *v == 0 {
			t.Errorf("%s: %d", name, *v)
		}
		names[name] = true
	})
}

func TestASampleCostsNoAllocation(t *testing.T) {
	b := datagram(flowSample(raw(1, 1000, ether(0x0800, v4(17, outerA, outerB, udp(4789, u32(8<<24, 0), ether(0x0800, syn)))))))
	flows := make([]schema.Flow, 0, 4)
	var s sflow.Stats
	if n := testing.AllocsPerRun(100, func() { flows, _, _ = sflow.Decode(flows[:0], &base, b, &s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// captures returns the captures of tcpdump's own tests, and skips the test without them.
func captures(tb testing.TB) []string {
	tb.Helper()
	dir := os.Getenv("SCANHOUND_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	files, err := filepath.Glob(filepath.Join(dir, "dev", "decoder", "sflow-tcpdump", "*.pcap"))
	if err != nil || len(files) == 0 {
		tb.Skipf("no corpora here: %v", err)
	}
	return files
}

// payloads returns the UDP payloads of a pcap that are sFlow v5.
func payloads(tb testing.TB, file string) (all [][]byte) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		tb.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			tb.Fatal(err)
		}
		udp, ok := gopacket.NewPacket(data, r.LinkType(), gopacket.Default).Layer(layers.LayerTypeUDP).(*layers.UDP)
		if ok && bytes.HasPrefix(udp.Payload, u32(5)) {
			all = append(all, udp.Payload)
		}
	}
}

// What tcpdump prints of a datagram, of a sample and of the sampling of a packet.
var (
	printedDatagram = regexp.MustCompile(`sFlowv5, IPv[46] agent (\S+), agent-id (\d+), seqnum (\d+), uptime (\d+), samples (\d+)`)
	printedSample   = regexp.MustCompile(`^\t(expanded )?(flow|counter) sample`)
	printedFlow     = regexp.MustCompile(`(?:expanded )?flow sample .* rate (\d+), pool .* input (\d+) .*output (\d+)`)
	printedRaw      = regexp.MustCompile(`protocol Ethernet \(1\), length (\d+)`)
)

func TestTcpdumpReadsTheSame(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(strings.TrimSuffix(file, ".pcap") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			var counters, flows uint64
			rate := ""
			for line := range strings.Lines(string(text)) {
				if m := printedDatagram.FindStringSubmatch(line); m != nil {
					want = append(want, strings.Join(m[1:], " "))
				}
				if m := printedSample.FindStringSubmatch(line); m != nil && m[2] == "counter" {
					counters++
				} else if m != nil {
					flows++
				}
				if m := printedFlow.FindStringSubmatch(line); m != nil {
					if output, _ := strconv.ParseUint(m[3], 10, 64); m[0][0] != 'e' && output>>30 != 0 {
						m[3] = "0" // several interfaces, which tcpdump does not tell from one
					}
					rate = strings.Join(m[1:], " ")
				}
				if m := printedRaw.FindStringSubmatch(line); m != nil {
					want = append(want, rate+" "+m[1])
				}
			}
			var s sflow.Stats
			for _, b := range payloads(t, file) {
				before := s
				all, h, fault := sflow.Decode(nil, &base, b, &s)
				checkSums(t, s)
				if fault > sflow.Truncated {
					continue
				}
				got = append(got, fmt.Sprint(h.Agent, h.SubAgent, " ", h.Sequence, h.Uptime, s.Samples.Seen-before.Samples.Seen))
				for _, f := range all {
					got = append(got, fmt.Sprint(f.Exporter.Sampling, f.Src.Interface, f.Dst.Interface, f.Src.Bytes))
				}
			}
			if s.Samples.Counter != counters || s.Samples.Flow != flows {
				t.Errorf("%+v, tcpdump has %d of counters and %d of packets", s.Samples, counters, flows)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("tcpdump (-) and we (+) differ:\n%s", diff)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(datagram(flowSample(raw(1, 1000, ether(0x8100, u16(100, 0x0800), syn)))))
	f.Add(datagram(flowSample(framed(3, u32(60, 6), ip(a4), ip(b4), u32(40000, 22, 2, 8))), framed(5, u32(1, 0, 1, 0, 3, 4, 262, 1))))
	f.Add(datagram(flowSample(raw(12, 100, v6(0, a6, b6, u8(44, 0), make([]byte, 6), u8(17, 0), make([]byte, 6), udp(6081, u8(1, 0), u16(0x8847), u32(0, 0, 1<<8), syn))))))
	f.Add(datagram(flowSample(framed(1003, u32(1, 1, 2, 3, 4, 1, 2, 2, 5, 6)), framed(1001, u32(1, 2, 3, 4)), framed(1002, u32(2)))))
	f.Add(datagram(flowSample(raw(11, 100, v4(47, outerA, outerB, u16(0xb000, 0x6558), u32(1, 2, 3), ether(0x88a8, u16(1, 0x8864), u8(0x11, 0), u16(1, 42, 0x0021), syn))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sflow.Stats
		flows, _, fault := sflow.Decode(nil, &base, b, &s)
		checkSums(t, s)
		if uint64(len(flows)) != s.Packets.Flows || len(flows)*48 > len(b) || fault > sflow.Truncated && len(flows) > 0 {
			t.Fatalf("%d flows of %d bytes, fault %d, %+v", len(flows), len(b), fault, s)
		}
		for i := range flows {
			f := &flows[i]
			if !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() || f.Src.Packets != 1 ||
				!schema.HasPorts(f.Proto) && (f.Src.Port != 0 || f.Dst.Port != 0) {
				t.Fatalf("%+v", f)
			}
		}
	})
}
