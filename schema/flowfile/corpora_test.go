package flowfile

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/scanhound/scanhound/schema"
)

// sums is what awk would count in a file: it knows nothing of the readers.
type sums struct {
	Flows, TCP, UDP, ICMP        uint64
	SrcPackets, DstPackets       uint64
	SrcBytes, DstBytes           uint64
	Milliseconds, SrcPorts, Ends uint64
}

func sumsOf(all []schema.Flow) (s sums) {
	for _, f := range all {
		s.Flows++
		switch f.Proto {
		case schema.TCP:
			s.TCP++
		case schema.UDP:
			s.UDP++
		case schema.ICMP, schema.ICMPv6:
			s.ICMP++
		}
		s.SrcPackets += f.Src.Packets
		s.DstPackets += f.Dst.Packets
		s.SrcBytes += f.Src.Bytes
		s.DstBytes += f.Dst.Bytes
		s.SrcPorts += uint64(f.Src.Port)
		s.Milliseconds += uint64(math.Round(float64(f.Start) / 1e6))
		s.Ends += uint64(math.Round(float64(f.End) / 1e6))
	}
	return s
}

// addRow adds a line whose columns are called as Zeek calls them.
func (s *sums) addRow(row map[string]string) {
	n := func(name string) uint64 {
		v, _ := strconv.ParseUint(row[name], 10, 64)
		return v
	}
	x := func(name string) float64 {
		v, _ := strconv.ParseFloat(row[name], 64)
		return v
	}
	s.Flows++
	switch strings.ToLower(row["proto"]) {
	case "tcp":
		s.TCP++
	case "udp":
		s.UDP++
	default:
		s.ICMP++
	}
	if p := row["proto"]; p == "tcp" || p == "udp" {
		s.SrcPorts += n("id.orig_p")
	}
	s.SrcPackets += n("orig_pkts")
	s.DstPackets += n("resp_pkts")
	s.SrcBytes += cmp.Or(n("orig_ip_bytes"), n("orig_bytes"))
	s.DstBytes += cmp.Or(n("resp_ip_bytes"), n("resp_bytes"))
	s.Milliseconds += uint64(math.Round(x("ts") * 1e3))
	s.Ends += uint64(math.Round((x("ts") + x("duration")) * 1e3))
}

// near allows for the rounding of floats here: a millisecond a flow.
func (s sums) near(t sums) bool {
	gap := func(a, b uint64) uint64 { return max(a, b) - min(a, b) }
	if gap(s.Milliseconds, t.Milliseconds) > s.Flows || gap(s.Ends, t.Ends) > s.Flows {
		return false
	}
	s.Milliseconds, s.Ends, t.Milliseconds, t.Ends = 0, 0, 0, 0
	return s == t
}

func linesOf(t *testing.T, name string) []string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for s := bufio.NewScanner(in); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}

func zeekSums(t *testing.T, name string) (s sums, others uint64) {
	var names []string
	for _, line := range linesOf(t, name) {
		row := map[string]string{}
		switch {
		case strings.HasPrefix(line, "#fields\t"):
			names = strings.Split(line, "\t")[1:]
			fallthrough
		case strings.HasPrefix(line, "#"):
			others++
			continue
		case strings.HasPrefix(line, "{"):
			var object map[string]json.RawMessage
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Fatal(err)
			}
			for k, v := range object {
				row[k] = strings.Trim(string(v), `"`)
			}
		default:
			for i, v := range strings.Split(line, "\t") {
				row[names[i]] = v
			}
		}
		s.addRow(row)
	}
	return s, others
}

// argusSums counts only what the lines say in one number.
func argusSums(t *testing.T, name string) (flows, packets, bytes, srcBytes, others uint64) {
	var names []string
	for _, line := range linesOf(t, name) {
		columns := strings.FieldsFunc(strings.ReplaceAll(strings.ReplaceAll(line, "\t", ","), ",", " ,"), func(r rune) bool { return r == ',' })
		if names == nil {
			for _, c := range columns {
				names = append(names, strings.TrimSpace(c))
			}
			others++
			continue
		}
		row := map[string]string{}
		for i, c := range columns[:min(len(columns), len(names))] {
			row[names[i]] = strings.TrimSpace(c)
		}
		switch row["Proto"] {
		case "arp", "llc", "man":
			others++
			continue
		}
		n := func(name string) uint64 {
			v, _ := strconv.ParseUint(row[name], 10, 64)
			return v
		}
		flows++
		packets += n("TotPkts")
		bytes += n("TotBytes")
		srcBytes += n("SrcBytes")
	}
	return flows, packets, bytes, srcBytes, others
}

func TestEveryLineOfTheZeekCorporaIsRead(t *testing.T) {
	names := corpusFiles(t, "detector", "rita-day1", "conn.*.log.gz")
	if len(names) != 24 {
		t.Fatalf("%d hours", len(names))
	}
	names = append(names, corpus(t, "detector", "slips", "port-scans", "horizontal", "conn.log"),
		corpus(t, "detector", "slips", "port-scans", "vertical", "conn.log"), corpus(t, "detector", "slips", "test9-mixed-zeek-dir", "conn.log"))
	total := map[string]uint64{}
	for _, name := range names {
		r := Open([]string{name}, nil)
		got, errs := flows(r)
		want, others := zeekSums(t, name)
		l := r.Stats().Lines
		if errs != nil || l.Broken != 0 || l.NotIP != 0 || l.Header != others || !sumsOf(got).near(want) {
			t.Errorf("%s: %v, %+v, %v\n got %+v\nwant %+v", name, errs, l, r.Broken(), sumsOf(got), want)
		}
		checkSums(t, r.Stats())
		checkFlows(t, got)
		total[filepath.Base(filepath.Dir(name))] += l.Flows
		t.Logf("%s: %d lines, %d flows, %d broken", filepath.Base(name), l.Read, l.Flows, l.Broken)
	}
	if n := total["rita-day1"]; n != 31367 {
		t.Errorf("%d flows in rita-day1, want 31367", n)
	}
}

func TestEveryLineOfTheArgusCorporaIsRead(t *testing.T) {
	for _, name := range corpusFiles(t, "detector", "slips", "*.binetflow") {
		r := Open([]string{name}, nil)
		got, errs := flows(r)
		n, packets, bytes, srcBytes, others := argusSums(t, name)
		s, l := sumsOf(got), r.Stats().Lines
		if errs != nil || l.Broken != 0 || l.Flows != n || l.Header+l.NotIP != others ||
			s.SrcPackets+s.DstPackets != packets || s.SrcBytes+s.DstBytes != bytes || s.SrcBytes != srcBytes {
			t.Errorf("%s: %v, %+v, %v, %+v; want %d flows, %d packets, %d bytes, %d of Src", name, errs, l, r.Broken(), s, n, packets, bytes, srcBytes)
		}
		checkSums(t, r.Stats())
		checkFlows(t, got)
		t.Logf("%s: %d lines, %d flows, %d not IP, %d broken", filepath.Base(name), l.Read, l.Flows, l.NotIP, l.Broken)
	}
}

// checkFlows checks what holds for every flow of a line.
func checkFlows(t testing.TB, all []schema.Flow) {
	t.Helper()
	for _, f := range all {
		switch {
		case !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid():
			t.Fatalf("no address: %s", flowText(f))
		case !schema.HasPorts(f.Proto) && f.Src.Port|f.Dst.Port != 0:
			t.Fatalf("ports of a protocol that has none: %s", flowText(f))
		case f.Proto != schema.ICMP && f.Proto != schema.ICMPv6 && f.ICMPType|f.ICMPCode != 0:
			t.Fatalf("type or code of what is not ICMP: %s", flowText(f))
		case f.Received != cmp.Or(f.End, f.Start), f.Exporter.Type != schema.FlowUnknown, f.Swapped:
			t.Fatalf("received or made up: %s", flowText(f))
		}
	}
}

// checkAddresses checks what holds for every flow of an object: who wrote it may
// have said when it was received, and who exported it.
func checkAddresses(t testing.TB, all []schema.Flow) {
	t.Helper()
	for _, f := range all {
		if !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
			t.Fatalf("no address: %s", flowText(f))
		}
	}
}

// The SYN scans of the corpora end as scans do.
func TestScansOfTheCorporaKeepTheirFlags(t *testing.T) {
	got, _ := flows(Open([]string{corpus(t, "detector", "slips", "port-scans", "vertical", "conn.log")}, nil))
	refused := 0
	for _, f := range got {
		if f.Src.TCPFlags == schema.SYN && f.Dst.TCPFlags == schema.RST && f.Initiator == schema.InitiatorSrc {
			refused++
		}
	}
	if refused < 40 {
		t.Errorf("%d of %d flows are a SYN that was refused", refused, len(got))
	}
	got, _ = flows(Open(corpusFiles(t, "detector", "rita-day1", "conn.*.log.gz"), nil))
	alone := 0
	for _, f := range got {
		if f.Src.TCPFlags&(schema.SYN|schema.ACK) == schema.SYN && f.Dst.TCPFlags&schema.SYN == 0 {
			alone++
		}
	}
	if alone < 15250+2359 { // the histories Sr and SrR alone
		t.Errorf("%d of %d flows have a SYN that nobody took", alone, len(got))
	}
}
