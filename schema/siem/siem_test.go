package siem

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/schema"
)

var update = flag.Bool("update", false, "write the golden documents anew")

var noon = time.Date(2026, 11, 27, 12, 0, 0, 123_000_000, time.UTC)

// life is what an alert is at each turn of its life.
var life = []string{"open", "update", "close", "reopened"}

// alertOf is an alert as the detector writes one, of each shape, version of IP and turn.
func alertOf(kind schema.Kind, v6 bool, turn int) *schema.Alert {
	host := func(n int) netip.Addr {
		if v6 {
			return netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%x", n))
		}
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
	}
	a := &schema.Alert{
		ID: strings.Repeat("0123456789abcdef", 2), Revision: uint32(turn + 1), State: []schema.State{schema.Open, schema.Update, schema.Close, schema.Update}[turn],
		Reason: "25 failed targets within 5m", Kind: kind, Severity: []schema.Severity{schema.Low, schema.Medium, schema.High, schema.Critical}[turn],
		MITRE: []string{"T1046"}, Source: host(250), Internal: turn%2 == 1, Country: []string{"DE", "??", "", "US"}[turn],
		AS: uint32(turn) * 64496, Site: []string{"", "berlin"}[turn%2], FirstSeen: noon, LastSeen: noon.Add(time.Duration(turn) * time.Hour),
		Verdict:  schema.Verdict{Rule: "horizontal", Window: schema.Duration(5 * time.Minute), Threshold: 25, Confidence: "high", Orientation: "flags"},
		Scale:    schema.Scale{Hosts: exactly(25), Ports: exactly(1), Pairs: exactly(25), Flows: 26, Packets: 27, Scaled: 27, Bytes: 1188},
		Evidence: schema.Evidence{Peak: 25, Outcomes: map[string]uint64{"failed": 26}, Flags: map[string]uint64{"S": 25, "SR": 1}, Exporters: []netip.Addr{host(1)}},
		Origin:   schema.Origin{Topic: schema.FlowsTopic, FirstOffset: 1, LastOffset: 9},
	}
	for n := range 4 {
		a.Targets = append(a.Targets, host(10+n))
	}
	a.TopPorts = []schema.PortCount{{Port: 22, Proto: "TCP", Hosts: 25}}
	a.Coverage = schema.Coverage{Internal: uint64(turn) * 8, External: 25 - uint64(turn)*8, Networks: 1, Top: []schema.NetworkCount{}}
	switch kind {
	case schema.Vertical, schema.Protocols:
		a.Targets, a.Hosts, a.Ports = a.Targets[:1], exactly(1), exactly(25)
		a.TopPorts = append(a.TopPorts, schema.PortCount{Port: 53, Proto: "UDP", Hosts: 1})
		a.SourcePorts = []uint16{61000}
	case schema.Sweep:
		a.TopPorts, a.MITRE = nil, []string{"T1018"}
	case schema.Block:
		a.MITRE, a.Prefix = []string{"T1595.001"}, map[bool]uint8{true: 64}[v6]
		a.Footprint = []schema.Footprint{{Of: schema.FootprintPorts, Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Proto: "TCP", Count: 2}}
	case schema.Mixed:
		a.MITRE = []string{"T9999.123"} // of a newer detector
	}
	if turn == 3 {
		a.Answered = []schema.Endpoint{{Addr: host(12), Port: 22, Proto: "TCP"}, {Addr: host(13), Port: 4444, Proto: "TCP", Back: true}}
		a.Reason = "got in: " + host(12).String() + " port 22"
	}
	if a.AS != 0 {
		a.ASName, a.ToCountry = "Example \"Net\" GmbH & Co", "FR"
	}
	if turn > 0 {
		a.Tenant = []string{"", "north"}[turn%2]
		a.Assets = []schema.Asset{{Name: "billing", Owner: "payments@example.org", Role: "database", Criticality: schema.Critical}, {Name: "vpn", Criticality: schema.Medium}}
		a.AssetsCount = uint32(turn + 1)
	}
	a.Enclose(a.LastSeen)
	return a
}

func exactly(n uint64) schema.Count { return schema.Count{Count: n, Exact: true} }

func documents(t *testing.T, f Format) []byte {
	t.Helper()
	w := Writer{Format: f, Version: "1.0.0", Site: "default"}
	var b []byte
	for _, kind := range []schema.Kind{schema.Vertical, schema.Horizontal, schema.Block, schema.Mixed, schema.Sweep, schema.Protocols} {
		for _, v6 := range []bool{false, true} {
			for turn := range life {
				a := alertOf(kind, v6, turn)
				raw, err := schema.AppendAlert(nil, a)
				if err != nil {
					t.Fatal(err)
				}
				if b, err = w.Append(b, raw, a); err != nil {
					t.Fatal(err)
				}
				b = append(b, '\n')
			}
		}
	}
	return b
}

// Every shape, version of IP and turn of life, in every form, is as it was reviewed.
func TestADocumentIsAsItWasReviewed(t *testing.T) {
	for _, f := range formats {
		got, golden := documents(t, f), filepath.Join("testdata", string(f)+".golden")
		if *update {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		have, wanted := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(have), len(wanted)) {
			if have[i] != wanted[i] {
				t.Errorf("%s, line %d:\n%s\nwant\n%s", f, i+1, have[i], wanted[i])
			}
		}
		if len(have) != len(wanted) || len(have) != 6*2*len(life)+1 {
			t.Errorf("%s: %d lines, want %d", f, len(have), len(wanted))
		}
	}
}

// The checkers hold documents to the lists of fields that Elastic and OCSF publish.
func TestDocumentsAreWhatTheirSchemasSay(t *testing.T) {
	for f, checker := range map[Format]string{ECS: "check-ecs.py", OCSF: "check-ocsf.py"} {
		t.Run(string(f), func(t *testing.T) {
			checker := filepath.Join("..", "..", "..", "shared", "siem", checker)
			if at := os.Getenv("SCANHOUND_CORPORA"); at != "" {
				checker = filepath.Join(at, "..", "siem", filepath.Base(checker))
			}
			if _, err := os.Stat(checker); err != nil {
				t.Skip("no checkers: ", err)
			}
			if exec.Command("python3", "-c", "import yaml").Run() != nil {
				t.Skip("no python3 with PyYAML")
			}
			file := filepath.Join(t.TempDir(), "documents")
			if err := os.WriteFile(file, documents(t, f), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("python3", checker, file).CombinedOutput(); err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}

// Who can choose what an alert says cannot begin a line, a field or a value of its own.
func TestHostileTextStaysWithinItsValue(t *testing.T) {
	a := alertOf(schema.Horizontal, false, 0)
	a.Reason = "x|y\\ src=10.0.0.1\nCEF:0|other\r\n<1>injected=\"1\""
	a.ASName = "nul\x00 tab\t escape\x1b[31m delete\x7f"
	a.Rule, a.Site = "rule|with=pipe\\\nand line", "site=1 act=denied"
	raw, err := schema.AppendAlert(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		w := Writer{Format: f, Version: "1|0"}
		b, err := w.Append(nil, raw, a)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || f == CEF && r == 0x7f }) {
			t.Errorf("%s: more than a line of text: %q", f, b)
		}
		if f == CEF {
			checkCEF(t, string(b), map[string]string{"reason": a.Reason, "cs6": a.Site, "src": "192.0.2.250", "act": "scan-open"}, a.Rule)
		} else if !json.Valid(b) {
			t.Errorf("%s is no JSON: %s", f, b)
		}
	}
}

// checkCEF reads a line as the format's definition says.
func checkCEF(t *testing.T, line string, want map[string]string, rule string) {
	t.Helper()
	var header []string
	field, rest := "", line
	for len(header) < 7 {
		switch {
		case rest == "":
			t.Fatalf("%d fields of a header: %q", len(header), line)
		case strings.HasPrefix(rest, `\\`), strings.HasPrefix(rest, `\|`):
			field, rest = field+rest[1:2], rest[2:]
		case rest[0] == '|':
			header, field, rest = append(header, field), "", rest[1:]
		default:
			field, rest = field+rest[:1], rest[1:]
		}
	}
	if header[0] != "CEF:0" || header[4] != strings.ReplaceAll(rule, "\n", " ") {
		t.Errorf("header %q", header)
	}
	// A name begins after a blank and ends at a "=" that no backslash stands before.
	got, unescape := map[string]string{}, strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r")
	parts := splitPairs(rest)
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is there twice: %q", name, line)
		}
		got[name] = unescape.Replace(value)
	}
	for name, v := range want {
		if strings.ReplaceAll(v, "\r\n", "\n") != got[name] {
			t.Errorf("%s is %q, want %q", name, got[name], v)
		}
	}
}

func splitPairs(s string) (parts []string) {
	begin := 0
	for i := range s {
		if s[i] != '=' || i > 0 && s[i-1] == '\\' {
			continue
		}
		if at := strings.LastIndexByte(s[:i], ' '); at > begin {
			parts = append(parts, s[begin:at])
			begin = at + 1
		}
	}
	return append(parts, s[begin:])
}

func TestWhatIsTooLongLosesItsListsAndKeepsItsCounts(t *testing.T) {
	a := alertOf(schema.Block, true, 3)
	a.Footprint[0].Bitmap = schema.Bitmap{1: 255}
	a.HostsSketch = bytes.Repeat([]byte{7}, 4000)
	raw, err := schema.AppendAlert(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		whole, err := (&Writer{Format: f}).Append(nil, raw, a)
		if err != nil {
			t.Fatal(err)
		}
		for limit := len(whole); limit > 0; limit -= 97 {
			b, err := (&Writer{Format: f, Max: limit}).Append(nil, raw, a)
			if err != nil {
				if !strings.Contains(err.Error(), "raise the maximum") || len(b) > 0 {
					t.Errorf("%s: %v, %d bytes", f, err, len(b))
				}
				break
			}
			if len(b) > limit || f != CEF && !json.Valid(b) {
				t.Fatalf("%s: %d bytes for %d: %s", f, len(b), limit, b)
			}
			if f != CEE && f != CEF && (!bytes.Contains(b, []byte(`"count":25`)) || f != Native && len(b) < len(whole) && !bytes.Contains(b, []byte(`"truncated":true`))) {
				t.Fatalf("%s, at most %d: %s", f, limit, b)
			}
		}
	}
}

func TestAFormatHasAName(t *testing.T) {
	for _, name := range formats {
		var f Format
		if err := f.UnmarshalText([]byte(name)); err != nil || f != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	var f Format
	if err := f.UnmarshalText([]byte("leef")); err == nil || !strings.Contains(err.Error(), "native, ecs, ocsf, cef, cee") {
		t.Error(err)
	}
}

// The table in docs/alert.md names every field of a CEE document.
func TestTheTableOfCEEIsComplete(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "alert.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(documents(t, CEE)) {
		var d map[string]any
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		for name, v := range d {
			names := []string{name}
			if of, ok := v.(map[string]any); ok {
				names = nil
				for field := range of {
					names = append(names, name+"."+field)
				}
			}
			for _, name := range names {
				if !bytes.Contains(doc, []byte("`"+name+"`")) {
					t.Errorf("docs/alert.md does not say where %s is from", name)
				}
			}
		}
	}
}
