package flowfile

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
)

// line is the JSON of a flow that is told from others by its sequence.
func line(sequence uint32) string {
	return string(schema.AppendJSON(nil, &schema.Flow{
		Exporter: schema.Exporter{Type: schema.NetFlowV9, Sequence: sequence},
		Received: schema.TimeOf(recorded),
		Src:      schema.Side{Addr: exporter4.Addr(), Port: 40000, Packets: 1},
		Dst:      schema.Side{Addr: collect4.Addr(), Port: 22},
		Proto:    schema.TCP,
	})) + "\n"
}

func lines(n int) []byte {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(uint32(i)))
	}
	return []byte(b.String())
}

func TestAFileIsReadThroughAnyLayersOfPacking(t *testing.T) {
	for format, content := range map[string][]byte{"pcap": ethernet(t, v5(0), v5(1), v5(2)), "JSON": lines(3)} {
		half := len(content) / 2
		for name, packed := range map[string][]byte{
			"plain":             content,
			"gzip":              gzipped(t, content),
			"zstd":              zstded(t, content),
			"gzip in zstd":      zstded(t, gzipped(t, content)),
			"gzip twice":        gzipped(t, gzipped(t, content)),
			"members of gzip":   append(gzipped(t, content[:half]), gzipped(t, content[half:])...),
			"frames of zstd":    append(zstded(t, content[:half]), zstded(t, content[half:])...),
			"zstd behind a gap": append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2}, zstded(t, content)...),
		} {
			for place, r := range map[string]*Reader{
				"a file":         Open([]string{file(t, packed)}, nil),
				"standard input": Open([]string{"-"}, iotest.OneByteReader(bytes.NewReader(packed))),
			} {
				got, errs := flows(r)
				if len(got) != 3 || errs != nil || got[2].Exporter.Sequence != 2 {
					t.Errorf("%s, %s, %s: %d flows, %v", format, name, place, len(got), errs)
				}
				checkSums(t, r.Stats())
			}
		}
	}
}

func TestFlowsAndCapturesMayStandTogether(t *testing.T) {
	r := Open([]string{file(t, lines(1000)), "-", file(t, ethernet(t, v5(2000)))}, bytes.NewReader(v5(1000)))
	got, errs := flows(r)
	if errs != nil || len(got) != 1002 || got[999].Exporter.Sequence != 999 || got[1000].Exporter.Sequence != 1000 || got[1001].Exporter.Addr != exporter4.Addr() {
		t.Errorf("%d flows, %v", len(got), errs)
	}
	want := map[string]uint64{"files": 3, "packets": 2, "datagrams": 2, "lines": 1000, "flows": 1000}
	r.Stats().Each(func(name string, v uint64) {
		if v != want[name] {
			t.Errorf("%s is %d, want %d", name, v, want[name])
		}
		delete(want, name)
	})
	if len(want) != 0 {
		t.Errorf("not among the counts: %v", want)
	}
}

func TestEveryCountHasItsOwnName(t *testing.T) {
	s := Stats{1, 2, Packets{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, Lines{13, 14, 15, 16, 17, 18, 19}}
	var names []string
	next := uint64(1)
	s.Each(func(name string, v uint64) {
		names = append(names, name)
		if v != next {
			t.Errorf("%s is %d, want %d", name, v, next)
		}
		next++
	})
	want := "files files_empty packets datagrams not_ip not_udp not_export fragments truncated unknown_link broken_packets incomplete_datagrams lines flows blank_lines header_lines not_ip_lines other_events broken_lines"
	if got := strings.Join(names, " "); got != want {
		t.Error(got)
	}
}

func TestABrokenLineCostsOnlyItself(t *testing.T) {
	content := "\xef\xbb\xbf" + line(1) + "\r\n" + `{"src_addr":"198.51.100.7","dst_port":99999}` + "\n" + line(2) +
		strings.Repeat("x", 3*bufferSize) + "\n" + line(3) + strings.Repeat("{}\n", 20) + strings.TrimSpace(line(4))
	name := file(t, []byte(content))
	r := Open([]string{name}, nil)
	got, errs := flows(r)
	if len(got) != 4 || errs != nil || got[3].Exporter.Sequence != 4 {
		t.Errorf("%d flows, %v", len(got), errs)
	}
	if diff := cmp.Diff(Stats{Files: 1, Lines: Lines{Read: 27, Flows: 4, Blank: 1, Broken: 22}}, r.Stats()); diff != "" {
		t.Error(diff)
	}
	problems := r.Broken()
	if len(problems) != maxProblems {
		t.Fatalf("%d problems are kept, want %d", len(problems), maxProblems)
	}
	for i, want := range []string{
		name + ": line 3: byte 39: dst_port: 99999 is more than 65535",
		name + ": line 5: longer than 65536 bytes",
		name + ": line 7: byte 1: the object has no field of a flow",
	} {
		if got := problems[i].String(); got != want {
			t.Errorf("problem %d is %q, want %q", i, got, want)
		}
	}
}

func TestAFileOfWhichNothingIsReadIsRefused(t *testing.T) {
	read := "Read are pcap, pcapng, one bare datagram (NetFlow v5, v9, IPFIX, sFlow v5), nfdump CSV (-o csv), " +
		"nfdump's text (-o line, long, extended, biline, bilong, fmt:...), nfdump's numbers (-o pipe), pmacct CSV, VAST 2013 CSV, Argus CSV (ra -c, binetflow), " +
		"Zeek conn.log, JSON objects, one a line or in an array (scanhound's, goflow2's, nfdump's, pmacct's, Suricata's flow events, Zeek's conn.log), each also packed with gzip, zstd or bzip2; of nfdump's text without a header (nfdump -q) tell the --format"
	dir := t.TempDir()
	for name, c := range map[string]struct{ name, content, want string }{
		"a letter":          {"-", "Dear colleague,\n", `standard input is no file that is read here: it begins with "Dear colleague,\n". ` + read},
		"xz":                {"-", "\xfd7zXZ\x00", `That is xz: unpack it first (xz -dc FILE, and - for standard input). ` + read},
		"nfdump's own":      {"-", "\x0c\xa5\x02\x00", `That is nfdump's own format: print it with TZ=UTC nfdump -r FILE -o csv. `},
		"nfdump's raw":      {"-", "\nFlow Record: \n  Flags        =              0x06 NETFLOW v9\n", `That is nfdump's -o raw: print it with TZ=UTC nfdump -r FILE -o csv. `},
		"Argus' own":        {"-", "\x83\x10\x00\x20\x00\x00\x00\x00", `That is Argus' own format: print it with ra -n -u -c ',' -r FILE. `},
		"Argus' text":       {"-", "         StartTime      Flgs  Proto            SrcAddr  Sport   Dir            DstAddr  Dport  TotPkts   TotBytes State \n", `That is Argus' text: print it with ra -n -u -c ','. `},
		"Argus' JSON":       {"-", `{"stime":"1508968601.767055","proto":"tcp","saddr":"192.0.2.1","daddr":"192.0.2.2"}`, `line 1: is Argus' JSON: print it with ra -n -u -c ','`},
		"pmacct's text":     {"-", "SRC_IP           DST_IP           SRC_PORT  PACKETS               BYTES\n", `That is pmacct's text: let it print with print_output: csv or json. `},
		"too few columns":   {"-", "     Src IP Addr      Dst IP Addr Dst Pt\n    198.51.100.7      203.0.113.9     22\n", "none of its lines is a flow; line 1: of nfdump's text a time (%ts or %te) and both addresses"},
		"half a flow":       {"-", `[{"src_addr":"198.51.100.7"}]`, `none of its lines is a flow; line 1: has no address`},
		"half an object":    {"-", "[\n{\"src_addr\":\"198.51.100.7\",\n", `none of its lines is a flow; line 2: the file ends within an object`},
		"only alerts":       {"-", `{"event_type":"alert","src_ip":"198.51.100.7","dest_ip":"203.0.113.9"}`, `none of its 1 events is a flow (of Suricata's, flow and netflow are read`},
		"other JSON":        {"-", `{"query":"example.org"}`, "none of its lines is a flow; line 1: byte 1: the object has no field of a flow"},
		"Zeek's other JSON": {"-", `{"id.orig_h":"198.51.100.7"}`, "none of its lines is a flow; line 1: has none of conn_state, history, orig_pkts, orig_bytes: of Zeek's logs only conn is read"},
		"Zeek's other logs": {"-", "#separator \\x09\n#path\tdns\n#fields\tts\tquery\n1.5\texample.org\n", `line 4: is of Zeek's "dns" log; of those only conn is read`},
		"sums of nfdump":    {"-", "ts,te,td,pr,val,fl,flP,ipkt,ipktP,ibyt,ibytP,ipps,ibps,ibpp\n", "is no file that is read here"},
		"packed letters":    {"-", string(zstded(t, []byte("Dear colleague"))), `it begins with "Dear colleague"`},
		"a letter's gzip":   {"-", "\x1f\x8b\x08", "unpack standard input: it begins like gzip, but the file ends early"},
		"packed for ever":   {"-", string(gzipped(t, gzipped(t, gzipped(t, gzipped(t, gzipped(t, lines(1))))))), "packed more than 4 times"},
		"a long datagram":   {"-", string(append(v5(1), make([]byte, maxDatagram)...)), "longer than a datagram can be"},
		"a vast window":     {"-", "\x28\xb5\x2f\xfd\x00\x90\x2b\x00\x00\x01\x02\x03\x04\x05", "a window above 128 MiB (zstd --long): unpack it first"},
		"a directory":       {dir, "", dir + " is a directory: name the files in it"},
		"nothing":           {dir + "/none", "", "none: no such file"},
		"damaged from zero": {"-", string(gzipped(t, lines(1))[:14]), "the gzip data ends early"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Open([]string{c.name}, strings.NewReader(c.content))
			got, errs := flows(r)
			if len(got) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
				t.Errorf("%d flows, error %v, want %q", len(got), errs, c.want)
			}
			checkSums(t, r.Stats())
		})
	}
}

func TestAnErrorIsAboutOneFile(t *testing.T) {
	r := Open([]string{"none", file(t, []byte("?")), file(t, nil), file(t, v5(1))}, nil)
	got, errs := datagrams(r)
	if len(got) != 1 || len(errs) != 2 || r.Stats().Files != 2 || r.Stats().Empty != 1 {
		t.Errorf("%d datagrams, %v, %+v", len(got), errs, r.Stats())
	}
}

func TestFlowsCannotBeTurnedIntoDatagrams(t *testing.T) {
	_, errs := datagrams(stdin(lines(1)))
	want := "standard input holds flows (JSON objects, one a line or in an array (scanhound's, goflow2's, nfdump's, pmacct's, Suricata's flow events, Zeek's conn.log)), not datagrams: name captures (pcap, pcapng) or files of one datagram each"
	if len(errs) != 1 || errs[0].Error() != want {
		t.Error(errs)
	}
}

func TestWhoStopsGetsTheNextFileLater(t *testing.T) {
	r := Open([]string{file(t, ethernet(t, v5(1), v5(2))), file(t, v5(3))}, nil)
	for range r.Datagrams() {
		break
	}
	if got, errs := datagrams(r); len(got) != 1 || errs != nil || !bytes.Equal(got[0].Payload, v5(3)) {
		t.Errorf("%d datagrams, %v", len(got), errs)
	}
}

func TestADiskThatFailsIsAnErrorAndNotABrokenFile(t *testing.T) {
	for name, content := range map[string][]byte{"pcap": ethernet(t, v5(1), v5(2)), "JSON": lines(2), "gzip": gzipped(t, lines(1000))} {
		failing := io.MultiReader(bytes.NewReader(content[:len(content)-10]), iotest.ErrReader(fmt.Errorf("the disk is gone")))
		_, errs := flows(Open([]string{"-"}, failing))
		if len(errs) != 1 || errs[0].Error() != "read standard input: the disk is gone" {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// A pipe that stays silent must not keep what it said before.
func TestFlowsAreHandedOnBeforeWaitingForMore(t *testing.T) {
	pipe, w := io.Pipe()
	defer pipe.Close() // ends who writes
	go io.WriteString(w, line(1)+line(2)+line(3)[:20])
	got := 0
	for batch, err := range Open([]string{"-"}, pipe).Flows(nil) {
		if got += len(batch); err != nil {
			t.Fatal(err)
		}
		if got == 2 {
			break
		}
	}
}

func TestABareDatagramHasTheTimeAtWhichItWasExported(t *testing.T) {
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	nobody := netip.MustParseAddrPort("0.0.0.0:0")
	unset := v5(1)
	copy(unset[8:], []byte{0, 0, 0, 0})
	v9 := append([]byte{0, 9, 0, 0, 0, 0, 0, 0, 0x65, 0x53, 0xf1, 0}, make([]byte, 8)...)
	messages := append([]byte{0, 10, 0, 16, 0x65, 0x53, 0xf1, 0}, make([]byte, 8)...)
	sflow := append([]byte{0, 0, 0, 5, 0, 0, 0, 1}, make([]byte, 20)...)
	for name, c := range map[string]struct {
		content []byte
		want    schema.Time
	}{
		"v5":          {v5(1), 1_700_000_000_000_000_042},
		"v9":          {v9, 1_700_000_000_000_000_000},
		"IPFIX":       {messages, 1_700_000_000_000_000_000},
		"sFlow":       {sflow, schema.TimeOf(old)},
		"unset clock": {unset, schema.TimeOf(old)},
	} {
		f := file(t, c.content)
		if err := os.Chtimes(f, old, old); err != nil {
			t.Fatal(err)
		}
		got := mustDatagrams(t, Open([]string{f}, nil))
		if len(got) != 1 || got[0].Received != c.want || got[0].From != nobody || got[0].To != nobody || !bytes.Equal(got[0].Payload, c.content) {
			t.Errorf("%s: %+v, want received %d", name, got, c.want)
		}
	}
}

// The numbers are those of tshark and tcpdump.
func TestTheFilesOfTheCorporaAreRead(t *testing.T) {
	for _, c := range []struct {
		pattern   []string
		datagrams int
	}{
		{[]string{"decoder", "logstash", "*.dat"}, 92},
		{[]string{"decoder", "telegraf", "*", "*.bin"}, 32},
		{[]string{"detector", "scan-NG", "23-tcp-scan.v5.pcap"}, 415},
		{[]string{"detector", "scan-NG", "23-tcp-scan.v9.pcap"}, 382},
		{[]string{"detector", "scan-NG", "23-tcp-scan.v10.pcap"}, 382},
		{[]string{"decoder", "logstash", "pcap", "*.pcap"}, 92},
		{[]string{"decoder", "sflow-tcpdump", "*.pcap"}, 57},
	} {
		r := Open(corpusFiles(t, c.pattern...), nil)
		got, errs := datagrams(r)
		checkSums(t, r.Stats())
		if len(got) != c.datagrams {
			t.Errorf("%v: %d datagrams, want %d; %v", c.pattern, len(got), c.datagrams, errs)
		}
	}
	got, errs := datagrams(Open([]string{corpus(t, "detector", "scan-NG", "23-tcp-scan.pcap")}, nil))
	if len(got) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "looks like ordinary traffic") {
		t.Errorf("%d datagrams, %v", len(got), errs)
	}
}
