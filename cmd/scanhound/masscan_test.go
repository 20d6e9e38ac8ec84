package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/scanhound/scanhound/schema"
)

// probe is a lone SYN of a scan, as a flow record begins with it: addresses, ports.
type probe struct {
	dst  netip.Addr
	port uint16
}

// probes are n random pairs of hosts x ports, each once: masscan's order.
func probes(hosts, ports, n int) []probe {
	r := rand.New(rand.NewPCG(uint64(hosts), uint64(ports)))
	all := r.Perm(hosts * ports)[:n]
	list := make([]probe, 0, n)
	for _, p := range all {
		host := p / ports
		list = append(list, probe{netip.AddrFrom4([4]byte{10, 9, byte(host >> 8), byte(host)}), uint16(1 + p%ports)})
	}
	return list
}

// synElements are the fields of a template (RFC 7012); those of a biflow end with what came back.
var synElements = [][2]uint16{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {6, 1}, {2, 4}, {1, 4}}

const reversePEN = 29305 // RFC 5103

func ipfixRecord(p probe, biflow bool) []byte {
	b := append(scanner.AsSlice(), p.dst.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, 40000)
	b = binary.BigEndian.AppendUint16(b, p.port)
	b = append(b, schema.TCP, schema.SYN)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 44)
	if biflow {
		b = binary.BigEndian.AppendUint64(b, 0)
	}
	return b
}

// set is a flowset of v9 or a set of IPFIX.
func set(id uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

func synTemplate(id uint16, biflow bool) []byte {
	n := len(synElements)
	if biflow {
		n += 2
	}
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	for _, e := range synElements {
		b = binary.BigEndian.AppendUint16(b, e[0])
		b = binary.BigEndian.AppendUint16(b, e[1])
	}
	for _, e := range [][2]uint16{{2, 4}, {1, 4}} {
		if biflow {
			b = binary.BigEndian.AppendUint16(b, e[0]|0x8000)
			b = binary.BigEndian.AppendUint16(b, e[1])
			b = binary.BigEndian.AppendUint32(b, reversePEN)
		}
	}
	return b
}

// datagramOf is what an exporter sends of some probes, the n-th of its datagrams.
func datagramOf(format string, at time.Time, n int, list []probe) []byte {
	if format == "v5" {
		d := newV5(at)
		for _, p := range list {
			d.add(v5record{src: scanner, dst: p.dst, srcPort: 40000, dstPort: p.port, packets: 1, bytes: 44, flags: schema.SYN})
		}
		return d.bytes()
	}
	var data []byte
	for _, p := range list {
		data = append(data, ipfixRecord(p, format == "biflow")...)
	}
	for format == "v9" && len(data)%4 != 0 {
		data = append(data, 0)
	}
	second, sets := uint32(at.Unix()), []byte(nil)
	templates := map[string]uint16{"v9": 0, "ipfix": 2, "biflow": 2}[format]
	if n%20 == 0 {
		sets = set(templates, synTemplate(256, format == "biflow"))
	}
	sets = append(sets, set(256, data)...)
	if format == "v9" {
		b := []byte{0, 9, 0, byte(len(list))}
		for _, v := range []uint32{uptime, second, uint32(n), 0} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return append(b, sets...)
	}
	b := binary.BigEndian.AppendUint16([]byte{0, 10}, uint16(16+len(sets)))
	for _, v := range []uint32{second, uint32(n * len(list)), 0} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return append(b, sets...)
}

// captureOf is a capture of datagrams on their way to a collector.
func captureOf(t *testing.T, format string, list []probe) string {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for n := 0; len(list) > 0; n++ {
		few := list[:min(len(list), 30)]
		list = list[len(few):]
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 2)}
		udp := &layers.UDP{SrcPort: 50000, DstPort: 2055}
		_ = udp.SetNetworkLayerForChecksum(ip)
		s := gopacket.NewSerializeBuffer()
		payload := gopacket.Payload(datagramOf(format, at, n, few))
		if err := gopacket.SerializeLayers(s, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, payload); err != nil {
			t.Fatal(err)
		}
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(s.Bytes()), Length: len(s.Bytes())}, s.Bytes()); err != nil {
			t.Fatal(err)
		}
		at = at.Add(30 * time.Millisecond) // 1,000 probes a second
	}
	name := filepath.Join(t.TempDir(), format+".pcap")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAMasscanInItsOwnOrderIsOneBlockWhateverExporterShowsIt(t *testing.T) {
	for _, c := range []struct{ hosts, ports, probes int }{{1024, 1000, 12_000}, {256, 1000, 12_000}} {
		list := probes(c.hosts, c.ports, c.probes)
		hosts, ports := map[netip.Addr]bool{}, map[uint16]bool{}
		for _, p := range list {
			hosts[p.dst], ports[p.port] = true, true
		}
		for _, format := range []string{"v5", "v9", "ipfix", "biflow"} {
			r := run(t, nil, "replay", "--output", "json", captureOf(t, format, list))
			found := findings(t, r.stdout)
			if r.code != 0 || len(found) != 1 {
				t.Errorf("%d x %d by %s: status %d, %d alerts\n%s", c.hosts, c.ports, format, r.code, len(found), r.stderr)
				continue
			}
			first, err := schema.ParseAlert([]byte(strings.SplitN(r.stdout, "\n", 2)[0]))
			if err != nil {
				t.Fatal(err)
			}
			if first.State != schema.Open || first.Flows >= 5000 {
				t.Errorf("%d x %d by %s: %s at %d flows", c.hosts, c.ports, format, first.State, first.Flows)
			}
			for _, a := range found {
				if a.Kind != schema.Block || off(a.Hosts, len(hosts)) || off(a.Ports, len(ports)) {
					t.Errorf("%d x %d by %s: %s, %s hosts of %d, %s ports of %d", c.hosts, c.ports, format, a.Kind, a.Hosts, len(hosts), a.Ports, len(ports))
				}
			}
		}
	}
}
