package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/schema/netflow"
)

func TestDecodePrintsEveryFlowAsALineWithTheNamesOfGoflow2(t *testing.T) {
	types := map[uint16]string{5: "NETFLOW_V5", 9: "NETFLOW_V9", 10: "IPFIX"}
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			r := run(t, nil, "decode", onDisk(t, c))
			if r.code != 0 {
				t.Fatalf("code %d: %s", r.code, r.stderr)
			}
			flows := 0
			for text := range strings.Lines(r.stdout) {
				flows++
				line := object(t, text)
				for _, name := range []string{
					"type", "time_received_ns", "sampler_address", "sampling_rate", "time_flow_start_ns", "time_flow_end_ns",
					"bytes", "packets", "src_addr", "dst_addr", "etype", "proto", "src_port", "dst_port", "tcp_flags", "icmp_type", "icmp_code",
				} {
					if _, ok := line[name]; !ok {
						t.Fatalf("%s is missing in %s", name, text)
					}
				}
				if line["type"] != types[c.Version] {
					t.Fatalf("type %v, want %s", line["type"], types[c.Version])
				}
			}
			if want := flowsOf(t, c); flows != want || want == 0 {
				t.Errorf("%d lines, the capture holds %d flows", flows, want)
			}
			if n := counted(t, r.stderr, "records_flows"); n != flows {
				t.Errorf("%d flows are counted on stderr:\n%s", n, r.stderr)
			}
		})
	}
}

func TestReplayOfWhatDecodePrintsFindsWhatReplayFinds(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			file := onDisk(t, c)
			direct := run(t, nil, "replay", "--final", "--output=json", file)
			piped := run(t, strings.NewReader(run(t, nil, "decode", file).stdout), "replay", "--final", "--output=json", "-")
			if diff := cmp.Diff(findings(t, direct.stdout), findings(t, piped.stdout), compareAddr()); diff != "" {
				t.Errorf("they differ (-replay +decode|replay):\n%s", diff)
			}
			if len(findings(t, direct.stdout)) == 0 {
				t.Errorf("nothing was found:\n%s", direct.stderr)
			}
		})
	}
}

func TestReplayFindsEveryScanOfTheLab(t *testing.T) {
	truth, err := lab.Truth()
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Addr]string{}
	for _, s := range truth {
		if s.Class != "none" {
			want[s.Source] = s.Class
		}
	}
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			got := map[netip.Addr]string{}
			for _, f := range findings(t, run(t, nil, "replay", "--output=json", onDisk(t, c)).stdout) {
				got[f.Source] += string(f.Kind) // twice the same shows
			}
			if diff := cmp.Diff(want, got, compareAddr()); diff != "" {
				t.Errorf("found is not what was done (-done +found):\n%s", diff)
			}
		})
	}
}

func TestReplayIsTheSameToTheByteEachTime(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-ipfix-biflow"))
	for _, output := range []string{"text", "json"} {
		first, second := run(t, nil, "replay", "--output="+output, file), run(t, nil, "replay", "--output="+output, file)
		if diff := cmp.Diff(strings.Split(first.stdout, "\n"), strings.Split(second.stdout, "\n")); diff != "" {
			t.Errorf("two runs write different %s:\n%.3000s", output, diff)
		}
		if first.stderr != second.stderr {
			t.Errorf("two runs count differently:\n%s\n%s", first.stderr, second.stderr)
		}
	}
}

func TestFinalIsOneLinePerAlertTheLastOfEach(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	all, final := run(t, nil, "replay", "--output=json", file), run(t, nil, "replay", "--final", "--output=json", file)
	if diff := cmp.Diff(findings(t, all.stdout), findings(t, final.stdout), compareAddr()); diff != "" {
		t.Errorf("the last revisions differ (-all +final):\n%s", diff)
	}
	lines := strings.Count(final.stdout, "\n")
	if n := len(findings(t, all.stdout)); lines != n || strings.Count(all.stdout, "\n") <= n {
		t.Errorf("%d lines for %d alerts, and %d in full", lines, n, strings.Count(all.stdout, "\n"))
	}
	if n := strings.Count(run(t, nil, "replay", "--final", file).stdout, "\n"); n != lines {
		t.Errorf("as text they are %d lines, as JSON %d", n, lines)
	}
}

func TestAnAlertInJSONHasItsKeysAndTimesOfRFC3339(t *testing.T) {
	r := run(t, nil, "replay", "--output=json", onDisk(t, capture(t, "softflowd-v5")))
	for text := range strings.Lines(r.stdout) {
		alert := object(t, text)
		for _, key := range []string{
			"id", "revision", "state", "kind", "source", "rule", "window", "severity", "targets", "top_ports",
			"orientation", "exporters", "reason", "confidence", "mitre", "origin",
		} {
			if v, ok := alert[key]; !ok || v == "" || v == nil && key != "top_ports" {
				t.Fatalf("%s is %v in %s", key, v, text)
			}
		}
		for _, key := range []string{"first_seen", "last_seen"} {
			at, _ := alert[key].(string)
			if _, err := time.Parse(time.RFC3339Nano, at); err != nil || !strings.HasSuffix(at, "Z") {
				t.Fatalf("%s is %q: %v", key, at, err)
			}
		}
		for _, key := range []string{"hosts", "ports", "pairs"} {
			count, _ := alert[key].(map[string]any)
			if got := slices.Sorted(maps.Keys(count)); !slices.Equal(got, []string{"count", "exact", "stderr"}) {
				t.Fatalf("%s has %v in %s", key, got, text)
			}
		}
	}
}

func TestWhatIsOpenAtTheEndIsClosedForThatReason(t *testing.T) {
	r := run(t, nil, "replay", "--final", "--output=json", onDisk(t, capture(t, "nfprobe-v9")))
	for text := range strings.Lines(r.stdout) {
		if a := object(t, text); a["state"] != "close" || a["reason"] != "end of input" {
			t.Errorf("%v for the reason %q: %s", a["state"], a["reason"], text)
		}
	}
}

func TestReplayCountsWhatEveryStageDid(t *testing.T) {
	c := capture(t, "softflowd-v9")
	file := onDisk(t, c)
	r := run(t, nil, "replay", file)
	flows, datagrams := flowsOf(t, c), datagramsOf(t, []string{file})
	for name, want := range map[string]int{
		"files": 1, "datagrams": datagrams, "datagrams_decoded": datagrams, "records_flows": flows, "consumed": flows, "alerts opened": 12,
	} {
		if got := counted(t, r.stderr, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	for _, stage := range []string{"read", "decoded", "oriented by", "detected"} {
		if !strings.Contains(r.stderr, "\n"+stage+" ") && !strings.HasPrefix(r.stderr, stage+" ") {
			t.Errorf("no stage %q:\n%s", stage, r.stderr)
		}
	}
	for _, section := range []struct{ from, to string }{
		{"oriented by", "turned round"},
		{"consumed\n", "sources held"},
	} {
		if got := sum(r.stderr, section.from, section.to); got != flows {
			t.Errorf("what stands behind %q adds up to %d, not to the %d flows:\n%s", section.from, got, flows, r.stderr)
		}
	}
}

// sum adds the counts that stand between two words of a table.
func sum(table, from, to string) (n int) {
	_, behind, _ := strings.Cut(table, from)
	between, _, _ := strings.Cut(behind, to)
	for _, row := range regexp.MustCompile(`\d+ +[a-z_]+\n`).FindAllString(between, -1) {
		v, _ := strconv.Atoi(strings.Fields(row)[0]) // the pattern takes digits only
		n += v
	}
	return n
}

func TestReplayTakesItsThresholdsFromTheFileOfTheOtherPrograms(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`listen: [":2055"]
kafka: {brokers: ["kafka:9092"]}
nats: {url: ["nats://nats:4222"]}
site: lab
detector-group: mine
vertical: [500, 500, 500, 500]
`)
	file := onDisk(t, capture(t, "softflowd-v5"))
	r := run(t, nil, "replay", "--settings="+settings, "--final", "--output=json", file)
	if r.code != 0 {
		t.Fatalf("code %d: %s", r.code, r.stderr)
	}
	var got []string
	for _, f := range findings(t, r.stdout) {
		if f.Kind == schema.Vertical {
			got = append(got, f.Source.String())
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"10.66.0.11", "10.66.0.12"}, got); diff != "" {
		t.Errorf("two scans tried 500 ports and more, found are (-want +got):\n%s", diff)
	}
	write("vertcal: [500, 500, 500, 500]\n")
	if r := run(t, nil, "replay", "--settings="+settings, file); r.code != 3 || !strings.Contains(r.stderr, settings+":1: vertcal is not a setting; did you mean vertical?") {
		t.Errorf("code %d: %s", r.code, r.stderr)
	}
}

func TestAPackedCaptureIsSeenThrough(t *testing.T) {
	c := capture(t, "softflowd-v5")
	pcap, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pcap.Close()
	plain, err := io.ReadAll(pcap)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := run(t, bytes.NewReader(plain), "decode", "-").stdout
	if got := run(t, &packed, "decode", "-").stdout; got != want || want == "" {
		t.Errorf("packed with gzip it is %d bytes of flows, unpacked %d", len(got), len(want))
	}
	if got := run(t, nil, "decode", onDisk(t, c)).stdout; got != want {
		t.Errorf("packed with zstd it is %d bytes of flows, unpacked %d", len(got), len(want))
	}
}

func TestAFileThatIsMissingIsToldAndTheOthersAreRead(t *testing.T) {
	c := capture(t, "softflowd-v5")
	missing := filepath.Join(t.TempDir(), "missing.pcap")
	for _, command := range []string{"decode", "replay"} {
		want := run(t, nil, command, onDisk(t, c)).stdout
		r := run(t, nil, command, missing, onDisk(t, c))
		if r.code != 1 || r.stdout != want || want == "" {
			t.Errorf("%s: code %d, and %d bytes of output instead of %d", command, r.code, len(r.stdout), len(want))
		}
		for _, says := range []string{missing, "no such file", "1 of the files"} {
			if !strings.Contains(r.stderr, says) {
				t.Errorf("%s does not say %q:\n%s", command, says, r.stderr)
			}
		}
	}
}

func TestAFileOfOrdinaryTextIsRefusedWithWhatIsRead(t *testing.T) {
	letter := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(letter, []byte("Dear operator,\n\nall is well.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"decode", "replay", "demo"} {
		r := run(t, nil, command, letter)
		if r.code != 1 || r.stdout != "" {
			t.Errorf("%s: code %d, stdout %q", command, r.code, r.stdout)
		}
		for _, says := range []string{"letter.txt", "Dear operator", "pcap", "pcapng", "JSON lines", "gzip", "zstd"} {
			if !strings.Contains(r.stderr, says) {
				t.Errorf("%s does not say %q:\n%s", command, says, r.stderr)
			}
		}
	}
}

func TestTheDemoTellsOfTheLabsScansAndOfTheWholeChain(t *testing.T) {
	r := run(t, nil, "demo", "--exit-when-idle", "--within=1s")
	if r.code != 0 {
		t.Fatalf("code %d: %s", r.code, r.stderr)
	}
	n := datagramsOf(t, nil)
	for _, line := range []string{
		`open +vertical .* 10\.66\.0\.11 -> 10\.77\.1\.10`,
		`open +horizontal .* 10\.66\.0\.18 -> `,
		`open +block .* 10\.66\.0\.(19|22) -> `,
		fmt.Sprintf(`(?m)^played +%d +datagrams$`, n),
		fmt.Sprintf(`(?m)^ingest +%d +datagrams received$`, n),
		`(?m)^kafka +\d+ +flows produced$`,
		`(?m)^detector +\d+ +flows consumed$`,
		`(?m)^alerter +\d+ +alert revisions published$`,
		`(?m)^subscriber +\d+ +alert revisions received$`,
	} {
		if !regexp.MustCompile(line).MatchString(r.stdout) {
			t.Errorf("no line is %s in:\n%s", line, r.stdout)
		}
	}
	told := len(regexp.MustCompile(`(?m)\[[0-9a-f]{12}\.\d+\]$`).FindAllString(r.stdout, -1))
	if got := counted(t, r.stdout, "alert revisions received"); told != got || told == 0 {
		t.Errorf("%d alert revisions are told, %d are counted", told, got)
	}
}

func TestTheDemoEndsCleanlyWhenItIsToldTo(t *testing.T) {
	for _, c := range []struct{ name, within, until string }{
		{"while it plays", "1h", `"receiving"`},
		{"when it has played", "1s", "Ctrl-C ends it."},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			dir, out := t.TempDir(), &screen{}
			done := make(chan int, 1)
			go func() { done <- runWith(ctx, nil, out, out, "demo", "--dir="+dir, "--within="+c.within) }()
			if !soon(func() bool { return strings.Contains(out.text(), c.until) }) {
				t.Errorf("it has not said %s", c.until)
			}
			cancel()
			if code := <-done; code != 0 {
				t.Errorf("code %d:\n%s", code, out.text())
			}
			if kept, err := os.ReadDir(dir); err != nil || len(kept) != 2 {
				t.Errorf("--dir keeps %v, %v: want the folders of Kafka and NATS", kept, err)
			}
		})
	}
}

func TestDecodeAndReplayStopWhenTheyAreToldTo(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v5"))
	all := datagramsOf(t, []string{file})
	for _, command := range []string{"decode", "replay"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr screen
		code := runWith(ctx, nil, &stdout, &stderr, command, file)
		if n := counted(t, stderr.text(), "datagrams"); code == 0 || n >= all {
			t.Errorf("%s read %d datagrams and ended with %d", command, n, code)
		}
	}
}

// datagramsOf counts the datagrams of files, or of what the demo plays without any.
func datagramsOf(t *testing.T, files []string) (n int) {
	t.Helper()
	rec, err := openRecording(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range rec.datagrams() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func run(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	var stdout, stderr screen
	code := runWith(t.Context(), stdin, &stdout, &stderr, args...)
	return result{code, stdout.text(), stderr.text()}
}

func runWith(ctx context.Context, stdin io.Reader, stdout, stderr *screen, args ...string) int {
	if stdin == nil {
		stdin = bytes.NewReader(nil)
	}
	return service.Run(ctx, program, new(cli), service.Process{Args: args, Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

// screen is written to from several goroutines, as a terminal is.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func captures(t *testing.T) []lab.Capture {
	t.Helper()
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func capture(t *testing.T, name string) lab.Capture {
	t.Helper()
	all := captures(t)
	i := slices.IndexFunc(all, func(c lab.Capture) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("the lab has no capture %s", name)
	}
	return all[i]
}

// onDisk returns a file of c, packed as it is.
func onDisk(t *testing.T, c lab.Capture) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture") // no suffix: nothing is known by its name
	if err := os.WriteFile(path, c.Zst, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// flowsOf counts the flows of a capture with a decoder of its own.
func flowsOf(t *testing.T, c lab.Capture) (n int) {
	t.Helper()
	decoder := netflow.NewDecoder(netflow.NewTemplates(netflow.DefaultConfig()), netflow.DefaultConfig())
	rec := recordingOf(t, func() (*flowfile.Reader, error) {
		pcap, err := c.Open()
		return flowfile.Open([]string{"-"}, pcap), err
	})
	for d, err := range rec.datagrams() {
		if err != nil {
			t.Fatal(err)
		}
		flows, _ := decoder.Decode(nil, d.From.Addr(), d.Received, d.Payload)
		n += len(flows)
	}
	return n
}

// finding is what the last revision of an alert says, but for where its flows are.
type finding struct {
	Source              netip.Addr
	Kind                schema.Kind
	Revision            uint32
	Hosts, Ports, Pairs schema.Count
	Flows               uint64
	First, Last         time.Time
}

// findings reads alerts in JSON, by id.
func findings(t *testing.T, stdout string) map[string]finding {
	t.Helper()
	all := map[string]finding{}
	for line := range strings.Lines(stdout) {
		a, err := schema.ParseAlert([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if a.Revision < all[a.ID].Revision {
			t.Errorf("%s: revision %d behind %d", a.ID, a.Revision, all[a.ID].Revision)
		}
		all[a.ID] = finding{a.Source, a.Kind, a.Revision, a.Hosts, a.Ports, a.Pairs, a.Flows, a.FirstSeen, a.LastSeen}
	}
	return all
}

func compareAddr() cmp.Option {
	return cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
}

func object(t *testing.T, line string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return o
}

// counted returns the number before name in a table, 0 if it is not there.
func counted(t *testing.T, table, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)(\d+) +` + regexp.QuoteMeta(name) + `$`).FindStringSubmatch(table)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
