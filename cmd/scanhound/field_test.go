package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// field is a file of the folder of inputs from the field: what its README says that must come
// out of a replay with --internal 10.0.0.0/8.
var field = []struct {
	file string
	kind schema.Kind // of its one alert; empty: silence
	n    uint64      // hosts of a horizontal scan, ports of a vertical one
}{
	{"asa-nsel-answered-tcp.pcap", "", 0},
	{"asa-nsel-answered-udp.pcap", "", 0},
	{"asa-nsel-answered-993.pcap", "", 0},
	{"asa-nsel-unanswered-scan.pcap", schema.Horizontal, 120},
	{"asa-nsel-denied-scan.pcap", schema.Vertical, 60},
	{"nat-events-hsl.pcap", "", 0},
	{"no-packet-counter-pairs.pcap", "", 0},
	{"no-packet-counter-oneway.pcap", "", 0},
	{"fragments-port0-dns.pcap", "", 0},
	{"dhcp-server-unicast.pcap", "", 0},
	{"vxlan-underlay.pcap", "", 0},
	{"one-way-exporter-resolver.pcap", "", 0},
	{"template-without-ports-tcp.pcap", "", 0},
	{"template-without-ports-udp.pcap", "", 0},
}

func TestInputsFromTheFieldAlertWhereTheyMustAndNowhereElse(t *testing.T) {
	folder := filepath.Join(filepath.Dir(corpora(t, "")), "field")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the folder of inputs from the field is not there: ", err)
	}
	for _, c := range field {
		t.Run(c.file, func(t *testing.T) {
			r := run(t, nil, "replay", "--output", "json", "--final", "--internal", "10.0.0.0/8", filepath.Join(folder, c.file))
			if r.code != 0 {
				t.Fatalf("status %d: %s", r.code, r.stderr)
			}
			found := findings(t, r.stdout)
			if c.kind == "" && len(found) > 0 || c.kind != "" && len(found) != 1 {
				t.Fatalf("%d alerts: %+v", len(found), found)
			}
			for _, a := range found {
				counted := a.Hosts.Count
				if c.kind == schema.Vertical {
					counted = a.Ports.Count
				}
				if a.Kind != c.kind || counted != c.n {
					t.Errorf("%s of %d, want %s of %d", a.Kind, counted, c.kind, c.n)
				}
			}
		})
	}
}
