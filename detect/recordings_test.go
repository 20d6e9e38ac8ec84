package detect_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/schema/netflow"
)

// recording is one of the corpora's, and how it is read.
type recording struct {
	name    string
	read    func(*testing.T) [][]schema.Flow
	packets bool // that a softflowd makes flows of
}

// recordings returns all, by set; without the corpora the test is skipped.
func recordings(t *testing.T) map[string][]recording {
	t.Helper()
	dir := corpus(t)
	sets := map[string][]recording{}
	each := func(set string, read func(*testing.T, ...string) [][]schema.Flow, pattern ...string) {
		for _, file := range matching(t, filepath.Join(append([]string{dir, set}, pattern...)...)) {
			name := strings.TrimPrefix(strings.TrimPrefix(file, filepath.Join(dir, set)+"/"), "scans/iptables/")
			sets[set] = append(sets[set], recording{name: name, read: func(t *testing.T) [][]schema.Flow { return read(t, file) }})
		}
	}
	packets := func(set string, pattern ...string) {
		from := len(sets[set])
		each(set, readPackets, pattern...)
		for i := range sets[set][from:] {
			sets[set][from+i].packets = true
		}
	}
	hours := matching(t, filepath.Join(dir, "rita-day1", "conn.*.log.gz"))
	sets["rita-day1"] = []recording{{name: "24 hours", read: func(t *testing.T) [][]schema.Flow { return readFiles(t, hours...) }}}
	each("scan-NG", readFiles, "*.v*.pcap")
	packets("scan-NG", "23-tcp.pcap")
	packets("scan-NG", "23-tcp-scan.pcap")
	each("slips", readFiles, "port-scans", "*", "conn.log")
	each("slips", readFiles, "*.binetflow")
	each("slips", readFiles, "test9-mixed-zeek-dir", "conn.log")
	packets("slips", "test12-icmp-portscan.pcap")
	packets("bro-simple-scan", "*.pcap")
	each("psad", readIptables, "scans", "iptables", "*")
	return sets
}

// corpus returns the folder of the detectors' recordings; without them the test is skipped.
func corpus(t *testing.T) string {
	t.Helper()
	root := os.Getenv("SCANHOUND_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "corpora")
	}
	dir := filepath.Join(root, "dev", "detector")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpora are not here: %v", err)
	}
	return dir
}

func matching(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}

// readFiles reads files as scanhound replay does, a batch for each datagram or few lines.
func readFiles(t *testing.T, names ...string) (batches [][]schema.Flow) {
	t.Helper()
	decode := newDecode()
	for flows, err := range flowfile.Open(names, nil).Flows(decode) {
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, append([]schema.Flow(nil), flows...))
	}
	return batches
}

func newDecode() flowfile.Decode {
	cfg := netflow.Config{}
	decoder := netflow.NewDecoder(netflow.NewTemplates(cfg), cfg)
	return func(flows []schema.Flow, from netip.AddrPort, received schema.Time, datagram []byte) []schema.Flow {
		flows, _ = decoder.DecodeFrom(flows, from, received, datagram)
		return flows
	}
}
