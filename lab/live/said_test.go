//go:build linux

package live_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
)

// said is what one exporter sent, counted by another decoder than ours from what
// tcpdump recorded.
type said struct {
	datagrams, flows, options int
}

// heard counts what is in a recording, by exporter.
func heard(t *testing.T, file string) map[netip.Addr]*said {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[netip.Addr]*said{}
	templates := map[netip.Addr]goflow2.NetFlowTemplateSystem{}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.Default)
		ip, _ := p.NetworkLayer().(*layers.IPv4)
		udp, _ := p.TransportLayer().(*layers.UDP)
		if ip == nil || udp == nil {
			t.Fatalf("not a datagram: %v", p)
		}
		from, _ := netip.AddrFromSlice(ip.SrcIP.To4())
		if all[from] == nil {
			all[from], templates[from] = new(said), goflow2.CreateTemplateSystem()
		}
		all[from].add(t, templates[from], udp.Payload)
	}
}

func (s *said) add(t *testing.T, templates goflow2.NetFlowTemplateSystem, b []byte) {
	t.Helper()
	s.datagrams++
	var v9 goflow2.NFv9Packet
	var ipfix goflow2.IPFIXPacket
	switch version := binary.BigEndian.Uint16(b); version {
	case 0: // sFlow says 5 in four bytes
	case 5:
		var v5 netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &v5); err != nil {
			t.Fatalf("goflow2 cannot read v5: %v", err)
		}
		s.flows += len(v5.Records)
	case 9, 10:
		if version == 9 {
			// goflow2 reads no more sets than the header counts, and softflowd counts too few.
			b = bytes.Clone(b)
			binary.BigEndian.PutUint16(b[2:], 0xffff)
		}
		if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(b), templates, &v9, &ipfix); err != nil {
			t.Fatalf("goflow2 cannot read version %d: %v", version, err)
		}
		s.sets(append(v9.FlowSets, ipfix.FlowSets...))
	default:
		t.Fatalf("a datagram of version %d", version)
	}
}

func (s *said) sets(sets []any) {
	for _, set := range sets {
		switch set := set.(type) {
		case goflow2.DataFlowSet:
			s.flows += len(set.Records)
		case goflow2.OptionsDataFlowSet:
			s.options += len(set.Records)
		}
	}
}
