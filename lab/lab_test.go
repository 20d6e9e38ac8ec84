package lab

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// A remade lab must still have all these; the numbers are those that the scans ask for.
func TestTruthCountsWhatEachScanAskedFor(t *testing.T) {
	want := map[string]struct {
		class               string
		hosts, ports, pairs int
	}{
		"vertical-syn":       {"vertical", 1, 1000, 1000},
		"vertical-connect":   {"vertical", 1, 1000, 1000},
		"vertical-silent":    {"vertical", 1, 100, 100},
		"vertical-udp":       {"vertical", 1, 100, 100},
		"vertical-xmas":      {"vertical", 1, 120, 120},
		"vertical-null":      {"vertical", 1, 120, 120},
		"vertical-fin":       {"vertical", 1, 120, 120},
		"horizontal-syn":     {"horizontal", 256, 1, 256},
		"horizontal-masscan": {"horizontal", 256, 1, 256},
		"block-nmap":         {"block", 64, 20, 1280},
		"block-masscan":      {"block", 64, 25, 1600},
		"sweep-icmp":         {"sweep", 256, 0, 256},
	}
	for _, s := range truth(t) {
		if s.Class == "none" {
			if s.Probed.Pairs > 6 {
				t.Errorf("client %s has %d targets, more than an ordinary one", s.Name, s.Probed.Pairs)
			}
			continue
		}
		w, ok := want[s.Name]
		delete(want, s.Name)
		p := s.Probed
		if !ok || s.Class != w.class || p.Hosts != w.hosts || p.Ports != w.ports || p.Pairs != w.pairs {
			t.Errorf("%s is %s of %+v, want %+v", s.Name, s.Class, p, w)
		}
	}
	for name := range want {
		t.Errorf("no scan %s", name)
	}
}

func TestAnswersAddUpToThePairs(t *testing.T) {
	for _, s := range truth(t) {
		if a := s.Answers; a.Open+a.Closed+a.Silent != s.Probed.Pairs {
			t.Errorf("%s: %+v do not add up to %d", s.Name, a, s.Probed.Pairs)
		}
		if s.Last.Before(s.First) || s.First.IsZero() || !s.Source.IsValid() || s.Command == "" {
			t.Errorf("%s is not complete: %+v", s.Name, s)
		}
	}
}

func TestEveryDatagramHasTheVersionOfItsCapture(t *testing.T) {
	all, err := Captures()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		datagrams := 0
		for payload := range payloads(t, c) {
			datagrams++
			if len(payload) < 2 || binary.BigEndian.Uint16(payload) != c.Version {
				t.Fatalf("%s: datagram %d is not version %d", c.Name, datagrams, c.Version)
			}
		}
		if datagrams < 20 {
			t.Errorf("%s holds only %d datagrams", c.Name, datagrams)
		}
	}
}

func TestTemplatesComeBeforeTheirData(t *testing.T) {
	all, err := Captures()
	if err != nil {
		t.Fatal(err)
	}
	header := map[uint16]int{9: 20, 10: 16}
	for _, c := range all {
		size, ok := header[c.Version]
		if !ok {
			continue
		}
		for payload := range payloads(t, c) {
			if set := binary.BigEndian.Uint16(payload[size:]); set > 3 {
				t.Errorf("%s begins with data of set %d", c.Name, set)
			}
			break
		}
	}
}

func truth(t *testing.T) []Scan {
	t.Helper()
	scans, err := Truth()
	if err != nil {
		t.Fatal(err)
	}
	return scans
}

// payloads yields the UDP payloads of a capture.
func payloads(t *testing.T, c Capture) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		f, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := pcapgo.NewReader(f)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for {
			data, _, err := r.ReadPacketData()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			p := gopacket.NewPacket(data, r.LinkType(), gopacket.Default)
			udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
			if !ok || p.ErrorLayer() != nil {
				t.Fatalf("%s: not a UDP packet: %v", c.Name, strings.TrimSpace(p.String()))
			}
			if !yield(udp.Payload) {
				return
			}
		}
	}
}
