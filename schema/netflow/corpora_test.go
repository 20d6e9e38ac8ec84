package netflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// corpora returns the folder of data recorded by other projects, and skips the test without it.
func corpora(tb testing.TB, under ...string) string {
	tb.Helper()
	dir := os.Getenv("SCANHOUND_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir = filepath.Join(append([]string{dir}, under...)...)
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("no corpora here: %v", err)
	}
	return dir
}

// datagram is one as the collector got it.
type datagram struct {
	from    netip.Addr
	port    uint16
	at      schema.Time
	payload []byte
}

// datagrams returns the UDP payloads of a pcap.
func datagrams(tb testing.TB, r io.Reader) []datagram {
	tb.Helper()
	p, err := pcapgo.NewReader(r)
	if err != nil {
		tb.Fatal(err)
	}
	var all []datagram
	for {
		data, ci, err := p.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			tb.Fatal(err)
		}
		packet := gopacket.NewPacket(data, p.LinkType(), gopacket.Default)
		udp, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok {
			tb.Fatalf("packet %d is not UDP: %v", len(all), packet)
		}
		from, _ := netip.AddrFromSlice(packet.NetworkLayer().NetworkFlow().Src().Raw())
		all = append(all, datagram{from, uint16(udp.SrcPort), schema.TimeOf(ci.Timestamp), udp.Payload})
	}
}

func datagramsOf(tb testing.TB, path string) []datagram {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	return datagrams(tb, f)
}

func decodeAll(d *netflow.Decoder, all []datagram) []schema.Flow {
	var flows []schema.Flow
	for _, g := range all {
		flows, _ = d.Decode(flows, g.from, g.at, g.payload)
	}
	return flows
}

// A number is what the oracles said of a count: one value if they agree, one each if they do not.
type number []uint64

func (n *number) UnmarshalJSON(b []byte) error {
	var one uint64
	if json.Unmarshal(b, &one) == nil {
		*n = number{one}
		return nil
	}
	var each map[string]uint64
	if err := json.Unmarshal(b, &each); err != nil {
		return fmt.Errorf("count %s: %w", b, err)
	}
	for _, v := range each {
		*n = append(*n, v)
	}
	return nil
}

// agreed is one flow on which tshark and nfdump agree.
type agreed struct {
	Src, Dst     netip.Addr
	Sport, Dport *uint16
	Proto        uint8
	Packets      number
	Octets       number
	TCPFlags     *string
}

// same reports whether f says what the oracles say. Where they disagree on a count either is right:
// tshark does not name elements 85, 231 and 232, and nfdump multiplies by the sampling rate.
func (a *agreed) same(f *schema.Flow) bool {
	port := func(p *uint16) uint16 {
		if p == nil || !schema.HasPorts(f.Proto) {
			return 0
		}
		return *p
	}
	if a.TCPFlags != nil {
		var flags uint16
		if _, err := fmt.Sscanf(*a.TCPFlags, "0x%x", &flags); err != nil || flags != f.Src.TCPFlags {
			return false
		}
	}
	return a.Src == f.Src.Addr && a.Dst == f.Dst.Addr && a.Proto == f.Proto &&
		port(a.Sport) == f.Src.Port && port(a.Dport) == f.Dst.Port &&
		slices.Contains(a.Packets, f.Src.Packets) && slices.Contains(a.Octets, f.Src.Bytes)
}

type consensus struct {
	Tshark int `json:"tshark_flow_records"`
	Agreed int
	Flows  []agreed
}

// compare returns what is wanted and not there, and how many flows there are that nobody wanted.
func (c *consensus) compare(flows []schema.Flow) (missing []string, extra int) {
	left := slices.Clone(flows)
	for _, want := range c.Flows {
		i := slices.IndexFunc(left, func(f schema.Flow) bool { return want.same(&f) })
		if i < 0 {
			missing = append(missing, fmt.Sprintf("%v > %v proto %d packets %v octets %v", want.Src, want.Dst, want.Proto, want.Packets, want.Octets))
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	return missing, len(left)
}

// exceptions are the cases where we decide otherwise than tshark and nfdump, with the reason.
var exceptions = map[string]string{
	"logstash-16-Netflow_9_H3C.pcap": "tshark stops behind the first record; nfdump and logstash read all 16, as we do",
}

func TestFlowsOfLogstashsCasesAreThoseOnWhichTsharkAndNfdumpAgree(t *testing.T) {
	dir := corpora(t, "dev", "decoder", "logstash")
	files, err := filepath.Glob(filepath.Join(dir, "consensus", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no consensus: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "oracle__pcap__"), ".json")
		t.Run(name, func(t *testing.T) {
			var c consensus
			b, err := os.ReadFile(file)
			if err == nil {
				err = json.Unmarshal(b, &c)
			}
			if err != nil {
				t.Fatal(err)
			}
			d := decoder()
			flows := decodeAll(d, datagramsOf(t, filepath.Join(dir, "pcap", name)))
			missing, extra := c.compare(flows)
			agrees := len(missing) == 0 && extra == c.Tshark-c.Agreed
			reason, excepted := exceptions[name]
			switch {
			case excepted && agrees:
				t.Errorf("agrees, so that this exception is stale: %s", reason)
			case !excepted && !agrees:
				t.Errorf("%d flows, tshark has %d of which %d are agreed; missing: %s", len(flows), c.Tshark, c.Agreed, strings.Join(missing, "\n"))
				for _, f := range flows {
					t.Logf("%v:%d > %v:%d proto %d packets %d bytes %d back %d %d flags %#x", f.Src.Addr, f.Src.Port, f.Dst.Addr, f.Dst.Port, f.Proto, f.Src.Packets, f.Src.Bytes, f.Dst.Packets, f.Dst.Bytes, f.Src.TCPFlags)
				}
			}
			checkSums(t, d.Stats())
		})
	}
}

// golden is what logstash's own test expects of one case.
type golden struct {
	Context string
	Counts  []uint64 `json:"expected_event_counts"`
}

// countExceptions are the cases where we read another number of records than logstash expects.
var countExceptions = map[int]string{
	1:  "the count of the v5 header lies; tshark and we read the 30 records that are there, logstash none",
	2:  "the same",
	50: "the pcap holds data and template once, in this order; logstash's test sends the data again",
}

func TestAsManyRecordsAreReadAsLogstashExpects(t *testing.T) {
	dir := corpora(t, "dev", "decoder", "logstash")
	b, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if len(c.Counts) == 0 && !strings.Contains(c.Context, "Netflow 5 invalid") {
			continue // logstash looks at something else there
		}
		t.Run(c.Context, func(t *testing.T) {
			pcap, err := filepath.Glob(filepath.Join(dir, "pcap", fmt.Sprintf("logstash-%02d-*", i)))
			if err != nil || len(pcap) != 1 {
				t.Fatalf("pcap of case %d: %v %v", i, pcap, err)
			}
			d := decoder()
			decodeAll(d, datagramsOf(t, pcap[0]))
			s := d.Stats()
			checkSums(t, s)
			var want uint64
			for _, n := range c.Counts {
				want += n
			}
			got := s.Records.Flows + s.Records.Options + s.Records.NoAddress
			reason, excepted := countExceptions[i]
			switch {
			case excepted && got == want:
				t.Errorf("%d records, so that this exception is stale: %s", got, reason)
			case !excepted && got != want:
				t.Errorf("%d records, want %d: %+v", got, want, s)
			}
		})
	}
}

// checkSums checks what Stats promises.
func checkSums(tb testing.TB, s netflow.Stats) {
	tb.Helper()
	sum := func(v ...uint64) (n uint64) {
		for _, v := range v {
			n += v
		}
		return n
	}
	v, set, r, a, smp, pkt := s.Versions, s.Sets, s.Records, s.Templates, s.SFlow.Samples, s.SFlow.Packets
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"outcomes", sum(s.Outcomes[:]...), s.Datagrams},
		{"versions", sum(v.SFlow, v.V8, v.Other), s.Outcomes[netflow.UnknownVersion]},
		{"sets", sum(set.Template, set.Data, set.NoTemplate, set.Reserved, set.Malformed), set.Seen},
		{"records", sum(r.Flows, r.Options, r.NoAddress, r.NoTemplate, r.Overclaimed, r.Cut), r.Seen},
		{"samples", sum(smp.Flow, smp.Discard, smp.Counter, smp.Other), smp.Seen},
		{"packets sampled", sum(pkt.Flows, pkt.NotIP, pkt.Cut), pkt.Seen},
		{"packets and samples", smp.Flow + smp.Discard, pkt.Seen},
		{"templates", sum(a.New, a.Refreshed, a.ZeroLength, a.TooLong, a.Malformed), a.Seen},
	} {
		if c.got != c.want {
			tb.Errorf("%s add up to %d, seen were %d: %+v", c.name, c.got, c.want, s)
		}
	}
}

// checkWaiting checks that what the decoders of these templates could not decode at once is accounted for.
func checkWaiting(tb testing.TB, ts *netflow.Templates, s netflow.Stats) {
	tb.Helper()
	w := ts.Stats().Waiting
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"sets seen", w.Seen.Sets, s.Sets.NoTemplate},
		{"bytes seen", w.Seen.Bytes, s.Sets.NoTemplateBytes},
		{"sets", w.Waiting.Sets + w.Recovered.Sets + w.Lost.Sets, w.Seen.Sets},
		{"bytes", w.Waiting.Bytes + w.Recovered.Bytes + w.Lost.Bytes, w.Seen.Bytes},
	} {
		if c.got != c.want {
			tb.Errorf("%s waiting add up to %d, want %d: %+v", c.name, c.got, c.want, w)
		}
	}
	var waiting, bytes uint64
	for _, m := range ts.Missing() {
		waiting, bytes = waiting+m.Waiting.Sets, bytes+m.Waiting.Bytes
	}
	if waiting > w.Waiting.Sets || bytes > w.Waiting.Bytes {
		tb.Errorf("listed are %d sets of %d bytes, waiting are %+v", waiting, bytes, w.Waiting)
	}
}
