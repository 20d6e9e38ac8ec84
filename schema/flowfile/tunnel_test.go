package flowfile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/scanhound/scanhound/schema"
)

// encapsulated is one frame in each of the headers that are read through.
func encapsulated(t testing.TB) map[string][]byte {
	four, six := ipPacketOf(t, exporter4, collect4, v5(1)), ipPacketOf(t, exporter6, collect6, v5(1))
	frame := append(make([]byte, 12), append([]byte{8, 0}, four...)...)
	word := func(w ...uint16) (b []byte) {
		for _, v := range w {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		return b
	}
	ether := func(etherType uint16, parts ...[]byte) []byte {
		return slices.Concat(make([]byte, 12), word(etherType), slices.Concat(parts...))
	}
	// ip puts a payload of a protocol between two addresses.
	ip := func(proto byte, parts ...[]byte) []byte {
		payload := slices.Concat(parts...)
		h := slices.Concat([]byte{0x45, 0}, word(uint16(20+len(payload))), make([]byte, 4), []byte{64, proto, 0, 0, 10, 255, 0, 1, 10, 255, 0, 2})
		return append(h, payload...)
	}
	udp := func(port uint16, parts ...[]byte) []byte {
		payload := slices.Concat(parts...)
		return ip(schema.UDP, word(50000, port, uint16(8+len(payload)), 0), payload)
	}
	vxlan := []byte{8, 0, 0, 0, 0, 0, 42, 0}
	label, bottom := []byte{0, 1, 0, 64}, []byte{0, 2, 1, 64}
	return map[string][]byte{
		"PPPoE":                   ether(0x8864, []byte{0x11, 0, 0, 1}, word(uint16(2+len(four)), 0x21), four),
		"PPPoE of IPv6 in a VLAN": ether(0x8100, word(7, 0x8864), []byte{0x11, 0, 0, 1}, word(uint16(2+len(six)), 0x57), six),
		"PPPoE, short number":     ether(0x8864, []byte{0x11, 0, 0, 1}, word(uint16(1+len(four))), []byte{0x21}, four),
		"MPLS":                    ether(0x8847, bottom, four),
		"MPLS of three labels":    ether(0x8847, label, label, bottom, six),
		"MPLS in PPPoE":           ether(0x8864, []byte{0x11, 0, 0, 1}, word(uint16(6+len(four)), 0x281), bottom, four),
		"a pseudowire":            ether(0x8847, label, bottom, make([]byte, 4), frame),
		"a pseudowire, bare":      ether(0x8848, bottom, []byte{2}, frame[1:]),
		"QinQ of another time":    ether(0x9200, word(7, 0x88a8, 8, 0x8100, 9, 0x800), four),
		"VXLAN":                   ether(0x800, udp(4789, vxlan, frame)),
		"VXLAN of old":            ether(0x800, udp(8472, vxlan, frame)),
		"VXLAN-GPE":               ether(0x800, udp(4790, []byte{12, 0, 0, 1, 0, 0, 42, 0}, four)),
		"VXLAN in VXLAN":          ether(0x800, udp(4789, vxlan, ether(0x800, udp(4789, vxlan, frame)))),
		"GENEVE with options":     ether(0x800, udp(6081, []byte{2, 0, 0x65, 0x58, 0, 0, 42, 0}, make([]byte, 8), frame)),
		"GENEVE of IP":            ether(0x800, udp(6081, []byte{0, 0, 8, 0, 0, 0, 42, 0}, four)),
		"MPLS in UDP":             ether(0x800, udp(6635, bottom, four)),
		"TZSP":                    ether(0x800, udp(37008, []byte{1, 0, 0, 1, 0, 10, 1, 77, 1}, frame)),
		"GRE":                     ether(0x800, ip(47, word(0, 0x800), four)),
		"GRE with all fields":     ether(0x800, ip(47, word(0xb000, 0x86dd), make([]byte, 12), six)),
		"GRE of frames":           ether(0x800, ip(47, word(0x2000, 0x6558), make([]byte, 4), frame)),
		"PPTP":                    ether(0x800, ip(47, word(0x3081, 0x880b), make([]byte, 12), []byte{0xff, 3, 0, 0x21}, four)),
		"ERSPAN I":                ether(0x800, ip(47, word(0, 0x88be), frame)),
		"ERSPAN II":               ether(0x800, ip(47, word(0x1000, 0x88be), make([]byte, 4), make([]byte, 8), frame)),
		"ERSPAN III":              ether(0x800, ip(47, word(0x1000, 0x22eb), make([]byte, 4), make([]byte, 12), frame)),
		"ERSPAN III of a switch":  ether(0x800, ip(47, word(0x1000, 0x22eb), make([]byte, 4), append(make([]byte, 11), 1), make([]byte, 8), frame)),
		"IP in IP":                ether(0x800, ip(4, four)),
		"IPv6 in IPv4":            ether(0x800, ip(41, six)),
		"EtherIP":                 ether(0x800, ip(97, []byte{0x30, 0}, frame)),
	}
}

func TestADatagramIsFoundWithinEveryTunnel(t *testing.T) {
	for name, frame := range encapsulated(t) {
		r := stdin(pcap(t, layers.LinkTypeEthernet, frame, frame))
		got := mustDatagrams(t, r)
		if len(got) != 2 || !bytes.Equal(got[0].Payload, v5(1)) || got[0].From != exporter4 && got[0].From != exporter6 {
			t.Errorf("%s: %d datagrams, %+v", name, len(got), r.Stats().Packets)
		}
		for n := range frame { // cut anywhere, it is counted under some name
			r := stdin(append(pcap(t, layers.LinkTypeEthernet, frame[:n]), cutRecord(frame, n)...))
			datagrams(r)
			if r.Stats().Packets.Datagrams != 0 {
				t.Errorf("%s: the first %d of %d bytes are a datagram", name, n, len(frame))
			}
			checkSums(t, r.Stats())
		}
	}
	ppp := append([]byte{0xff, 3, 0, 0x21}, ipPacketOf(t, exporter4, collect4, v5(1))...)
	for name, c := range map[layers.LinkType][]byte{layers.LinkTypePPP: ppp[2:], layers.LinkTypePPP_HDLC: ppp,
		linkPPPEther:          append([]byte{0x11, 0, 0, 1, 0, 0}, ppp[2:]...),
		layers.LinkTypeC_HDLC: append([]byte{0x0f, 0, 8, 0}, ppp[4:]...)} {
		if got := mustDatagrams(t, stdin(pcap(t, name, c))); len(got) != 1 {
			t.Errorf("link type %d: %d datagrams", name, len(got))
		}
	}
}

func TestTunnelsInTunnelsEnd(t *testing.T) {
	packet := ipPacketOf(t, exporter4, collect4, v5(1))
	for range 2 * maxTunnels {
		h := slices.Clone(packet[:headerIPv4])
		binary.BigEndian.PutUint16(h[2:], uint16(len(packet)+headerIPv4))
		h[9] = protoIPv4
		packet = append(h, packet...)
	}
	r := stdin(pcap(t, layers.LinkTypeRaw, packet, ipPacketOf(t, exporter4, collect4, v5(2))))
	if got := mustDatagrams(t, r); len(got) != 1 || r.Stats().Packets.NotUDP != 1 {
		t.Errorf("%d datagrams, %+v", len(got), r.Stats().Packets)
	}
}

func TestWhatHidesThePacketsIsNamed(t *testing.T) {
	macsec := append(binary.BigEndian.AppendUint16(make([]byte, 12), 0x88e5), make([]byte, 60)...)
	_, errs := datagrams(stdin(pcap(t, layers.LinkTypeEthernet, macsec)))
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "none is of IP; the last has the EtherType 0x88e5 (MACsec), which is not read") {
		t.Error(errs)
	}
}

func TestCapturesThatWereJoinedAreAllRead(t *testing.T) {
	one, two := ethernet(t, v5(1), v5(2)), pcap(t, layers.LinkTypeRaw, ipPacketOf(t, exporter6, collect6, v5(3)))
	ng := pcapng(t, ether(ipPacketOf(t, exporter4, collect4, v5(1))), ipPacketOf(t, exporter4, collect4, v5(2)))
	empty := pcap(t, layers.LinkTypeEthernet)
	for name, c := range map[string]struct {
		content []byte
		want    int
	}{
		"two":                {slices.Concat(one, two), 3},
		"three":              {slices.Concat(two, one, two), 4},
		"an empty one":       {slices.Concat(one, empty, empty, two, empty), 3},
		"pcap and pcapng":    {slices.Concat(two, ng), 3},
		"two of pcapng":      {slices.Concat(ng, ng), 4},
		"packed, one by one": {slices.Concat(gzipped(t, one), gzipped(t, two)), 3},
	} {
		for way, content := range map[string][]byte{"plain": c.content, "gzip": gzipped(t, c.content)} {
			if got := mustDatagrams(t, stdin(content)); len(got) != c.want {
				t.Errorf("%s, %s: %d datagrams, want %d", name, way, len(got), c.want)
			}
		}
	}
}

func TestCapturesFromTheField(t *testing.T) {
	for name, c := range map[string]struct {
		datagrams int
		reason    string
	}{
		"capture-in-pppoe.pcap":         {60, ""},
		"capture-in-mpls.pcap":          {60, ""},
		"capture-in-vxlan.pcap":         {60, ""},
		"two-captures-in-one-file.pcap": {120, ""},
		"damaged-in-the-middle.pcap":    {10, "is read in part, up to packet 11: capture length exceeds"},
		"cut-short.pcap.gz":             {-1, "the gzip data ends early"},
	} {
		r := Open([]string{field(t, name)}, nil)
		got, errs := datagrams(r)
		if len(got) != c.datagrams && c.datagrams >= 0 || len(got) == 0 {
			t.Errorf("%s: %d datagrams, %+v", name, len(got), r.Stats().Packets)
		}
		if (c.reason == "") != (errs == nil) || errs != nil && !strings.Contains(errs[0].Error(), c.reason) {
			t.Errorf("%s: %v", name, errs)
		}
		checkSums(t, r.Stats())
	}
}
