// Package lab holds what real exporters said about scans whose truth is known.
//
// The datagrams were recorded by lab.sh in network namespaces: nmap and masscan scanned a /24 while
// ordinary clients used it, and every exporter watched the same packets. The truth is counted from
// those packets, never from what an exporter said. captures/README.md tells the rest.
package lab

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/encoding/json"
)

//go:embed captures
var captures embed.FS

// Capture is the export of one exporter, in the order in which the collector got it.
type Capture struct {
	Name    string
	Version uint16 // of NetFlow: 5, 9, or 10 for IPFIX
	Zst     []byte // a pcap of Ethernet frames, compressed; see Open
}

// Captures returns all recordings. Each tells of the same packets.
func Captures() ([]Capture, error) {
	all := []Capture{
		{Name: "softflowd-v5", Version: 5},
		{Name: "softflowd-v9", Version: 9},
		{Name: "softflowd-ipfix", Version: 10},
		{Name: "softflowd-ipfix-biflow", Version: 10},
		{Name: "nfprobe-v9", Version: 9},
	}
	for i := range all {
		var err error
		if all[i].Zst, err = captures.ReadFile("captures/" + all[i].Name + ".pcap.zst"); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Open returns the pcap.
func (c Capture) Open() (io.ReadCloser, error) {
	d, err := zstd.NewReader(bytes.NewReader(c.Zst), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("open capture %s: %w", c.Name, err)
	}
	return d.IOReadCloser(), nil
}

// Scan is what one source address really did. The ordinary clients are here too, with class none.
type Scan struct {
	Source  netip.Addr `json:"source"`
	Name    string     `json:"name"`
	Class   string     `json:"class"` // vertical, horizontal, block, sweep or none
	Command string     `json:"command"`
	First   time.Time  `json:"first"` // its first packet
	Last    time.Time  `json:"last"`
	Probed  Probed     `json:"probed"`
	Answers Answers    `json:"answers"`
}

// Probed counts distinct targets.
type Probed struct {
	Protocols []string `json:"protocols"`
	Hosts     int      `json:"hosts"`
	Ports     int      `json:"ports"` // none for ICMP
	Pairs     int      `json:"pairs"` // of host and port
}

// Answers tells how many of the pairs answered how. They add up to the pairs.
type Answers struct {
	Open   int `json:"open"`   // SYN+ACK, UDP data, ICMP echo reply
	Closed int `json:"closed"` // RST, ICMP unreachable
	Silent int `json:"silent"` // nothing
}

// Truth returns what every source did, by address.
func Truth() ([]Scan, error) {
	b, err := captures.ReadFile("captures/truth.json")
	if err != nil {
		return nil, err
	}
	var scans []Scan
	if err := json.Unmarshal(b, &scans); err != nil {
		return nil, fmt.Errorf("parse truth.json: %w", err)
	}
	return scans, nil
}
