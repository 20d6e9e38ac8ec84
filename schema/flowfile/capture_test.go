package flowfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
)

func TestADatagramIsFoundBehindEveryLinkHeader(t *testing.T) {
	four, six := ipPacketOf(t, exporter4, collect4, v5(1)), ipPacketOf(t, exporter6, collect6, v5(1))
	sll := func(p []byte) []byte {
		return append(binary.BigEndian.AppendUint16(make([]byte, 14), etherTypeOf(p)), p...)
	}
	sll2 := func(p []byte) []byte {
		return append(append(binary.BigEndian.AppendUint16(nil, etherTypeOf(p)), make([]byte, 18)...), p...)
	}
	for name, c := range map[string]struct {
		link  layers.LinkType
		frame func([]byte) []byte
	}{
		"Ethernet":          {layers.LinkTypeEthernet, func(p []byte) []byte { return ether(p) }},
		"VLAN":              {layers.LinkTypeEthernet, func(p []byte) []byte { return ether(p, etherVLAN) }},
		"QinQ":              {layers.LinkTypeEthernet, func(p []byte) []byte { return ether(p, etherQinQ, etherVLAN) }},
		"old QinQ":          {layers.LinkTypeEthernet, func(p []byte) []byte { return ether(p, etherOld, etherVLAN) }},
		"Linux SLL":         {layers.LinkTypeLinuxSLL, sll},
		"Linux SLL2":        {layers.LinkTypeLinuxSLL2, sll2},
		"raw":               {layers.LinkTypeRaw, func(p []byte) []byte { return p }},
		"raw of BSD":        {rawBSD, func(p []byte) []byte { return p }},
		"BSD null":          {layers.LinkTypeNull, func(p []byte) []byte { return append([]byte{2, 0, 0, 0}, p...) }},
		"OpenBSD loop":      {layers.LinkTypeLoop, func(p []byte) []byte { return append([]byte{0, 0, 0, 2}, p...) }},
		"trailing checksum": {layers.LinkTypeEthernet, func(p []byte) []byte { return append(ether(p), 1, 2, 3, 4) }},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustDatagrams(t, stdin(pcap(t, c.link, c.frame(four), c.frame(six))))
			want := []Datagram{
				{exporter4, collect4, schema.TimeOf(recorded), v5(1)},
				{exporter6, collect6, schema.TimeOf(recorded.Add(time.Second)), v5(1)},
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(exporter4)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPcapIsReadInBothByteOrdersAndBothResolutions(t *testing.T) {
	frame := ether(ipPacketOf(t, exporter4, collect4, v5(1)))
	for name, c := range map[string]struct {
		order binary.ByteOrder
		magic uint32
		unit  time.Duration
	}{
		"little, microseconds": {binary.LittleEndian, 0xa1b2c3d4, time.Microsecond},
		"little, nanoseconds":  {binary.LittleEndian, 0xa1b23c4d, 1},
		"big, microseconds":    {binary.BigEndian, 0xa1b2c3d4, time.Microsecond},
		"big, nanoseconds":     {binary.BigEndian, 0xa1b23c4d, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			write := func(v any) { binary.Write(&b, c.order, v) }
			write(c.magic)
			write([]uint16{2, 4})
			write([]uint32{0, 0, 65535, uint32(layers.LinkTypeEthernet) | 0x14000000}) // with a checksum of 4 bytes
			write([]uint32{uint32(recorded.Unix()), uint32(time.Duration(recorded.Nanosecond()) / c.unit)})
			write([]uint32{uint32(len(frame)), uint32(len(frame))})
			b.Write(frame)
			got := mustDatagrams(t, stdin(b.Bytes()))
			if len(got) != 1 || got[0].Received != schema.TimeOf(recorded) || !bytes.Equal(got[0].Payload, v5(1)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestPcapngMayMixItsInterfaces(t *testing.T) {
	packet := ipPacketOf(t, exporter4, collect4, v5(1))
	got := mustDatagrams(t, stdin(pcapng(t, ether(packet), packet)))
	if len(got) != 2 || got[0].From != exporter4 || got[1].To != collect4 || got[1].Received != schema.TimeOf(recorded) {
		t.Errorf("got %+v", got)
	}
}

// pcapng has the first frame on an Ethernet interface and the second on a raw one.
func pcapng(t testing.TB, onEthernet, onRaw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range [][]byte{onEthernet, onRaw} {
		ci := gopacket.CaptureInfo{Timestamp: recorded, CaptureLength: len(f), Length: len(f), InterfaceIndex: i * raw}
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The lab's captures read the same with gopacket's own decoder.
func TestEveryDatagramOfTheLabIsRead(t *testing.T) {
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		var want [][]byte
		for packet := range packets(t, c) {
			want = append(want, packet)
		}
		for name, content := range map[string][]byte{"as it is": c.Zst, "in gzip too": gzipped(t, c.Zst)} {
			got := mustDatagrams(t, Open([]string{file(t, content)}, nil))
			if !slices.EqualFunc(want, got, func(w []byte, g Datagram) bool { return bytes.Equal(w, g.Payload) && g.Received != 0 }) {
				t.Errorf("%s %s: %d datagrams, want %d, or they differ", c.Name, name, len(got), len(want))
			}
		}
	}
}

// packets yields the UDP payloads that gopacket finds.
func packets(t testing.TB, c lab.Capture) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		f, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := pcapgo.NewReader(f)
		for err == nil {
			var data []byte
			if data, _, err = r.ReadPacketData(); err != nil {
				break
			}
			udp := gopacket.NewPacket(data, r.LinkType(), gopacket.Default).Layer(layers.LayerTypeUDP).(*layers.UDP)
			if !yield(udp.Payload) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
}

func TestWhatIsNoDatagramIsCountedByName(t *testing.T) {
	good := ether(ipPacketOf(t, exporter4, collect4, v5(1)))
	arp := append(binary.BigEndian.AppendUint16(make([]byte, 12), 0x0806), make([]byte, 46)...)
	tcp := slices.Clone(good)
	tcp[ethernetHeader+9] = schema.TCP
	dns := ether(ipPacketOf(t, exporter4, collect4, []byte("\xbe\xef\x01\x00 a question")))
	lies := slices.Clone(good)
	binary.BigEndian.PutUint16(lies[ethernetHeader+2:], 1400)
	piece := slices.Clone(good)
	piece[ethernetHeader+6] = 0x20

	content := pcap(t, layers.LinkTypeEthernet, good, arp, tcp, dns, lies, piece)
	content = append(content, cutRecord(good, len(good)-10)...)
	content = append(content, cutRecord(dns, len(dns)-4)...) // says what it is all the same
	r := stdin(content)
	if got := mustDatagrams(t, r); len(got) != 1 {
		t.Errorf("%d datagrams, want 1", len(got))
	}
	want := Stats{Files: 1, Packets: Packets{Read: 8, Datagrams: 1, NotIP: 1, NotUDP: 1, NotExport: 2, Fragments: 1, Truncated: 1, Broken: 1, Incomplete: 1}}
	if diff := cmp.Diff(want, r.Stats()); diff != "" {
		t.Error(diff)
	}
	problem := Problem{"standard input", "packet", 5, "shorter than its own headers say"}
	if diff := cmp.Diff([]Problem{problem}, r.Broken()); diff != "" {
		t.Error(diff)
	}
	if s := problem.String(); s != "standard input: packet 5: shorter than its own headers say" {
		t.Error(s)
	}
}

// cutRecord is a pcap record of the first n bytes of a frame.
func cutRecord(frame []byte, n int) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, []uint32{uint32(recorded.Unix()), 0, uint32(n), uint32(len(frame))})
	b.Write(frame[:n])
	return b.Bytes()
}

func TestUDPIsFoundBehindTheExtensionHeadersOfIPv6(t *testing.T) {
	packet := ipPacketOf(t, exporter6, collect6, v5(1))
	behind := func(headers ...byte) []byte {
		p := slices.Concat(packet[:headerIPv6], headers, packet[headerIPv6:])
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-headerIPv6))
		p[6] = hopByHop
		return p
	}
	for name, p := range map[string][]byte{
		"options, routing": behind(slices.Concat([]byte{routing, 0}, make([]byte, 6), []byte{destination, 1}, make([]byte, 14), []byte{schema.UDP, 0}, make([]byte, 6))...),
		"authentication":   behind(slices.Concat([]byte{authHeader, 0}, make([]byte, 6), []byte{schema.UDP, 2}, make([]byte, 14))...),
		"atomic fragment":  behind(slices.Concat([]byte{fragmenting, 0}, make([]byte, 6), []byte{schema.UDP, 0}, make([]byte, 6))...),
	} {
		got := mustDatagrams(t, stdin(pcap(t, layers.LinkTypeRaw, p)))
		if len(got) != 1 || got[0].From != exporter6 || !bytes.Equal(got[0].Payload, v5(1)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAPacketThatEndsTooEarlyIsBrokenOrCut(t *testing.T) {
	for _, packet := range [][]byte{ipPacketOf(t, exporter4, collect4, v5(1)), ipPacketOf(t, exporter6, collect6, v5(1))} {
		for n := range packet {
			content := append(pcap(t, layers.LinkTypeRaw, ipPacketOf(t, exporter4, collect4, v5(2)), packet[:n]), cutRecord(packet, n)...)
			r := stdin(content)
			mustDatagrams(t, r)
			want := Packets{Read: 3, Datagrams: 1, Broken: 1, Truncated: 1}
			if n == 0 {
				want = Packets{Read: 3, Datagrams: 1, NotIP: 2}
			}
			if diff := cmp.Diff(want, r.Stats().Packets); diff != "" {
				t.Fatalf("the first %d bytes: %s", n, diff)
			}
		}
	}
}

func TestALinkTypeThatIsNotReadIsCounted(t *testing.T) {
	r := stdin(pcap(t, layers.LinkTypeIEEE802_11, make([]byte, 60)))
	datagrams(r)
	if got := r.Stats().Packets; got != (Packets{Read: 1, UnknownLink: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestACaptureThatEndsInAPacketGivesTheOthers(t *testing.T) {
	whole := ethernet(t, v5(1), v5(2), v5(3))
	packed := gzipped(t, whole)
	ng := pcapng(t, ether(ipPacketOf(t, exporter4, collect4, v5(1))), ipPacketOf(t, exporter4, collect4, v5(2)))
	for name, content := range map[string][]byte{
		"within a packet":         whole[:len(whole)-5],
		"within a header":         append(ethernet(t, v5(1), v5(2)), 1, 2, 3),
		"within gzip":             packed[:len(packed)-16],
		"after an absurd length":  append(ethernet(t, v5(1), v5(2)), bytes.Repeat([]byte{0xff}, 64)...),
		"within a pcapng's block": ng[:len(ng)-40],
	} {
		t.Run(name, func(t *testing.T) {
			r := stdin(content)
			got := datagramsOfCut(t, r)
			if s := r.Stats().Packets; len(got) == 0 || len(got) > 2 || s.Broken != 1 || len(r.Broken()) != 1 {
				t.Errorf("%d datagrams, %+v, %v", len(got), s, r.Broken())
			} else if text := r.Broken()[0].String(); !strings.Contains(text, "the rest of the file is not read") {
				t.Error(text)
			}
		})
	}
}

func TestOrdinaryTrafficIsToldFromExporters(t *testing.T) {
	dns := ipPacketOf(t, exporter4, collect4, []byte("\xbe\xef\x01\x00 a question"))
	good := ether(ipPacketOf(t, exporter4, collect4, v5(1)))
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"traffic":      {pcap(t, layers.LinkTypeEthernet, ether(dns), ether(dns)), "none of its 2 packets is an exporter's datagram (NetFlow, IPFIX or sFlow in UDP); this looks like ordinary traffic: make flows of it first (softflowd -a -r "},
		"radio":        {pcap(t, layers.LinkTypeIEEE802_11, good), "its link type 105 is not read"},
		"cut":          {append(pcap(t, layers.LinkTypeEthernet), cutRecord(good, 60)...), "record with tcpdump -s 0"},
		"damaged":      {append(pcap(t, layers.LinkTypeEthernet), 1), "damaged from its first packet"},
		"short header": {pcap(t, layers.LinkTypeEthernet)[:20], "read standard input as pcap: the file ends early"},
	} {
		t.Run(name, func(t *testing.T) {
			r := stdin(c.content)
			got, errs := datagrams(r)
			if len(got) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
				t.Errorf("%d datagrams, error %v, want %q", len(got), errs, c.want)
			}
			checkSums(t, r.Stats())
		})
	}
	if got := mustDatagrams(t, stdin(pcap(t, layers.LinkTypeEthernet))); len(got) != 0 {
		t.Error("a capture of a quiet hour is no error, and has nothing")
	}
}
