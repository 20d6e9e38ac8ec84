package netflow_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// telegrafExceptions are the cases where we decide otherwise than Telegraf's expected output.
var telegrafExceptions = map[string]string{
	"sflow_issue_15918": "Telegraf takes the hop-by-hop header of an ICMPv6 message for its protocol",
}

var telegrafField = regexp.MustCompile(`[ ,](src|dst|src_port|dst_port|protocol|in_bytes|in_packets|in_total_bytes|in_total_packets|l2_bytes)=("[^"]*"|\d+)`)

// telegrafFlows returns the five-tuples and counts of what Telegraf expects.
func telegrafFlows(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var flows []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "netflow,") {
			continue
		}
		v := map[string]string{}
		for _, m := range telegrafField.FindAllStringSubmatch(line, -1) {
			v[m[1]] = strings.Trim(m[2], `"`)
		}
		if v["src"] == "" || v["dst"] == "" {
			continue
		}
		proto, _ := schema.ParseProto(strings.ToUpper(v["protocol"]))
		n := func(names ...string) (n uint64) {
			for _, name := range names {
				if n, _ = strconv.ParseUint(v[name], 10, 64); n > 0 {
					break
				}
			}
			return n
		}
		s := tuple{netip.MustParseAddr(v["src"]), netip.MustParseAddr(v["dst"]), uint16(n("src_port")), uint16(n("dst_port")), proto,
			n("in_packets", "in_total_packets"), n("in_bytes", "in_total_bytes")}
		if strings.Contains(line, "version=sFlowV5") { // its in_total_packets is the pool of the sampler
			s.packets, s.bytes = 1, n("l2_bytes")
		}
		flows = append(flows, s.String())
	}
	slices.Sort(flows)
	return flows
}

type tuple struct {
	src, dst       netip.Addr
	sport, dport   uint16
	proto          uint8
	packets, bytes uint64
}

func (s tuple) String() string {
	if !schema.HasPorts(s.proto) {
		s.sport, s.dport = 0, 0
	}
	return fmt.Sprintf("%v:%d > %v:%d proto %d packets %d bytes %d", s.src, s.sport, s.dst, s.dport, s.proto, s.packets, s.bytes)
}

func TestFlowsOfTelegrafsCasesAreThoseItExpects(t *testing.T) {
	dir := corpora(t, "dev", "decoder", "telegraf")
	cases, err := filepath.Glob(filepath.Join(dir, "*", "expected.out"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			messages, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.bin"))
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(messages, cmp.Compare[string])
			d := decoder()
			var flows []schema.Flow
			for _, m := range messages {
				b, err := os.ReadFile(m)
				if err != nil {
					t.Fatal(err)
				}
				var o netflow.Outcome
				flows, o = d.Decode(flows, exporterA, arrived, b)
				if o == netflow.UnknownVersion {
					t.Errorf("%s is %v", filepath.Base(m), o)
				}
			}
			s := d.Stats()
			checkSums(t, s)
			var got []string
			for _, f := range flows {
				got = append(got, tuple{f.Src.Addr, f.Dst.Addr, f.Src.Port, f.Dst.Port, f.Proto, f.Src.Packets, f.Src.Bytes}.String())
			}
			slices.Sort(got)
			diff := gocmp.Diff(telegrafFlows(t, file), got)
			reason, excepted := telegrafExceptions[name]
			switch {
			case excepted && diff == "":
				t.Errorf("equal, so that this exception is stale: %s", reason)
			case !excepted && diff != "":
				t.Errorf("telegraf (-) and we (+) differ:\n%s", diff)
			}
		})
	}
}
