package flowfile

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/scanhound/scanhound/schema"
)

var (
	exporter4 = netip.MustParseAddrPort("192.0.2.1:50000")
	collect4  = netip.MustParseAddrPort("192.0.2.2:2055")
	exporter6 = netip.MustParseAddrPort("[2001:db8::1]:50000")
	collect6  = netip.MustParseAddrPort("[2001:db8::2]:4739")

	recorded = time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)
)

// v5 is a NetFlow v5 datagram of one record, told from others by its sequence.
func v5(sequence uint32) []byte {
	b := make([]byte, headerV5+48)
	binary.BigEndian.PutUint16(b, netflow5)
	binary.BigEndian.PutUint16(b[2:], 1)
	binary.BigEndian.PutUint32(b[4:], 3_600_000)
	binary.BigEndian.PutUint32(b[8:], 1_700_000_000)
	binary.BigEndian.PutUint32(b[12:], 42)
	binary.BigEndian.PutUint32(b[16:], sequence)
	binary.BigEndian.PutUint32(b[headerV5+24:], 3_500_000)
	binary.BigEndian.PutUint32(b[headerV5+28:], 3_550_000)
	return b
}

// ipPacketOf is payload in UDP in IP, written by gopacket.
func ipPacketOf(t testing.TB, from, to netip.AddrPort, payload []byte) []byte {
	t.Helper()
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	var network gopacket.SerializableLayer
	if from.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Id: 7, Protocol: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
		udp.SetNetworkLayerForChecksum(ip)
		network = ip
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
		udp.SetNetworkLayerForChecksum(ip)
		network = ip
	}
	return serialize(t, network, udp, gopacket.Payload(payload))
}

func serialize(t testing.TB, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(b.Bytes())
}

// ether puts a packet into an Ethernet frame, behind the given VLAN tags.
func ether(packet []byte, tags ...uint16) []byte {
	b := make([]byte, 12, 64+len(packet))
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = append(b, 0, 100)
	}
	b = binary.BigEndian.AppendUint16(b, etherTypeOf(packet))
	b = append(b, packet...)
	for len(b) < 60 { // what a network card pads a short frame to
		b = append(b, 0)
	}
	return b
}

func etherTypeOf(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return etherIPv6
	}
	return etherIPv4
}

// pcap is a capture of the frames, a second apart.
func pcap(t testing.TB, link layers.LinkType, frames ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, link); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		ci := gopacket.CaptureInfo{Timestamp: recorded.Add(time.Duration(i) * time.Second), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// ethernet is a pcap of payloads from exporter4 to collect4.
func ethernet(t testing.TB, payloads ...[]byte) []byte {
	t.Helper()
	var frames [][]byte
	for _, p := range payloads {
		frames = append(frames, ether(ipPacketOf(t, exporter4, collect4, p)))
	}
	return pcap(t, layers.LinkTypeEthernet, frames...)
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// file writes content to a file whose name says nothing.
func file(t testing.TB, content []byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// stdin opens content as standard input.
func stdin(content []byte) *Reader { return Open([]string{"-"}, bytes.NewReader(content)) }

// datagrams reads all of r, with copies of the payloads.
func datagrams(r *Reader) (all []Datagram, errs []error) {
	for d, err := range r.Datagrams() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.Payload = slices.Clone(d.Payload)
		all = append(all, d)
	}
	return all, errs
}

// datagramsOfCut is datagrams of a capture that is read in part.
func datagramsOfCut(t testing.TB, r *Reader) []Datagram {
	t.Helper()
	all, errs := datagrams(r)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "is read in part, up to packet ") {
		t.Error(errs)
	}
	checkSums(t, r.Stats())
	return all
}

// mustDatagrams is datagrams of files that must be in order.
func mustDatagrams(t testing.TB, r *Reader) []Datagram {
	t.Helper()
	all, errs := datagrams(r)
	if errs != nil {
		t.Fatal(errs)
	}
	checkSums(t, r.Stats())
	return all
}

// flows reads all of r; decode makes one flow of each datagram.
func flows(r *Reader) (all []schema.Flow, errs []error) {
	decode := func(flows []schema.Flow, from netip.AddrPort, received schema.Time, b []byte) []schema.Flow {
		return append(flows, schema.Flow{Exporter: schema.Exporter{Addr: from.Addr(), Sequence: binary.BigEndian.Uint32(b[16:])}, Received: received})
	}
	for batch, err := range r.Flows(decode) {
		all = append(all, batch...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return all, errs
}

// checkSums checks that what was read came out under exactly one name.
func checkSums(t testing.TB, s Stats) {
	t.Helper()
	p, l := s.Packets, s.Lines
	if sum := p.Datagrams + p.NotIP + p.NotUDP + p.NotExport + p.Fragments + p.Truncated + p.UnknownLink + p.Broken; sum != p.Read {
		t.Errorf("%d packets were read, their fates add up to %d: %+v", p.Read, sum, p)
	}
	if sum := l.Flows + l.Blank + l.Header + l.NotIP + l.Events + l.Broken; sum != l.Read {
		t.Errorf("%d lines were read, their fates add up to %d: %+v", l.Read, sum, l)
	}
}

// corpus returns the path of a file of the corpora; without them the test is skipped.
func corpus(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("SCANHOUND_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no corpora: %v", err)
	}
	return filepath.Join(append([]string{root, "dev"}, parts...)...)
}

// field returns the path of an input from the field, which stand beside the corpora.
func field(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(filepath.Dir(corpus(t))), "field", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no input from the field: %v", err)
	}
	return path
}

func corpusFiles(t testing.TB, parts ...string) []string {
	t.Helper()
	names, err := filepath.Glob(corpus(t, parts...))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", corpus(t, parts...), err)
	}
	return names
}
