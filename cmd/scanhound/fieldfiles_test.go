package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// What people have in the field ends with the scan that is in it, and with the
// status that says whether all of it was read.
func TestReplayOfFilesFromTheFieldFindsTheScanAndSaysWhatWasNotRead(t *testing.T) {
	dir := filepath.Join(filepath.Dir(filepath.Clean(corpora(t, "."))), "field")
	for name, want := range map[string]struct {
		code   int
		hosts  string // of the horizontal scan, empty if too little was read
		stderr string
	}{
		"nfdump-array.json":             {0, "60 hosts, 1 port (tcp/22)", "60  flows"},
		"nfdump-lines.ndjson":           {0, "60 hosts, 1 port (tcp/22)", "60  flows"},
		"suricata-eve-flow.jsonl":       {0, "60 hosts, 1 port (tcp/22)", "60  flows"},
		"argus-ra-default-columns.csv":  {0, "60 hosts, 1 port (tcp/22)", "60  flows"},
		"damaged-in-the-middle.pcap":    {1, "", "is read in part, up to packet 11: capture length exceeds"},
		"cut-short.pcap.gz":             {1, " hosts, 1 port (tcp/22)", "the gzip data ends early"},
		"two-captures-in-one-file.pcap": {0, "60 hosts, 1 port (tcp/22)", "120  datagrams"},
		"capture-in-pppoe.pcap":         {0, "60 hosts, 1 port (tcp/22)", "60  datagrams"},
		"capture-in-mpls.pcap":          {0, "60 hosts, 1 port (tcp/22)", "60  datagrams"},
		"capture-in-vxlan.pcap":         {0, "60 hosts, 1 port (tcp/22)", "60  datagrams"},
	} {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err != nil {
			t.Skip(err)
		}
		r := run(t, nil, "replay", "--final", "--internal", "10.0.0.0/8", file)
		if alerts := strings.Count(r.stdout, "\n"); r.code != want.code || (want.hosts == "") != (alerts == 0) || alerts > 1 || !strings.Contains(r.stdout, want.hosts) {
			t.Errorf("%s: status %d, alerts %s", name, r.code, r.stdout)
		}
		if squeezed := strings.Join(strings.Fields(r.stderr), " "); !strings.Contains(squeezed, strings.Join(strings.Fields(want.stderr), " ")) {
			t.Errorf("%s does not say %q:\n%s", name, want.stderr, r.stderr)
		}
	}
}

func TestTheStatusSaysWhetherAllWasRead(t *testing.T) {
	flow := `{"src_addr":"198.51.100.7","dst_addr":"203.0.113.9","proto":"TCP","dst_port":22}` + "\n"
	text := "    198.51.100.7;     203.0.113.9;    22;TCP  ;2026-11-20 12:00:00.250\n"
	for name, c := range map[string]struct {
		in   string
		args []string
		code int
		says string
	}{
		"all flows":              {flow + flow, nil, 0, ""},
		"a broken line":          {flow + "{\n" + flow, nil, 0, "line 2"},
		"none is a flow":         {`{"src_addr":"198.51.100.7"}`, nil, 1, "none of its lines is a flow; line 1: has no address"},
		"only other events":      {`{"event_type":"dns","src_ip":"198.51.100.7"}`, nil, 1, "none of its 1 events is a flow"},
		"ends within an object":  {"[\n" + flow + ",{", nil, 1, "is read in part, up to line 3: the file ends within an object"},
		"text without a header":  {text, nil, 1, "tell the --format"},
		"text with its format":   {text, []string{"--format", "fmt:%sa;%da;%dp;%pr;%ts"}, 0, "1  flows"},
		"text, and no format":    {text, []string{"--format", "csv"}, 3, "format"},
		"packed, and cut":        {"\x1f\x8b\x08\x00", nil, 1, "but the file ends early"},
		"another packer's":       {"\xfd7zXZ\x00", nil, 1, "xz -dc FILE"},
		"nothing, as a file may": {"", nil, 0, "files_empty"},
	} {
		for _, command := range []string{"decode", "replay"} {
			r := run(t, strings.NewReader(c.in), append([]string{command, "-"}, c.args...)...)
			if squeezed := strings.Join(strings.Fields(r.stderr), " "); r.code != c.code || !strings.Contains(squeezed, strings.Join(strings.Fields(c.says), " ")) {
				t.Errorf("%s, %s: status %d, want %d and %q:\n%s", command, name, r.code, c.code, c.says, r.stderr)
			}
		}
	}
}

// halves are the flows of a recording, of which the first file has every other one.
func halves(t *testing.T, lines string) []string {
	t.Helper()
	var parts [2]bytes.Buffer
	i := 0
	for line := range strings.Lines(lines) {
		parts[i%2].WriteString(line)
		i++
	}
	var names []string
	for i := range parts {
		name := filepath.Join(t.TempDir(), "half")
		if err := os.WriteFile(name, parts[i].Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestFilesOfTheSameHoursGiveTheAlertsOfAll(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	whole := run(t, nil, "replay", "--final", file)
	names := halves(t, run(t, nil, "decode", file).stdout)
	first, second := run(t, nil, "replay", "--final", names[0], names[1]), run(t, nil, "replay", "--final", names[1], names[0])
	if n := strings.Count(whole.stdout, "\n"); first.code != 0 || strings.Count(first.stdout, "\n") != n || n < 10 {
		t.Errorf("%d alerts of the whole, of its halves:\n%s%s", n, first.stdout, first.stderr)
	}
	if strings.Count(second.stdout, "\n") != strings.Count(first.stdout, "\n") {
		t.Errorf("named the other way round they are other alerts:\n%s", second.stdout)
	}
	source := "10.66.0.18"
	if r := run(t, nil, "explain", source, names[0], names[1]); r.code != 0 || !strings.Contains(r.stdout, "open   horizontal") {
		t.Errorf("explain: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestReplayAndExplainKnowPlaces(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	dir := t.TempDir()
	networks := filepath.Join(dir, "networks.yaml")
	if err := os.WriteFile(networks, []byte("- prefix: 10.66.0.0/16\n  site: berlin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	countries := filepath.Join(dir, "country.mmdb")
	if err := os.WriteFile(countries, countryDatabase(t, "10.66.0.0/16", "DE"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, nil, "replay", "--final", "--output=json", "--networks", networks, "--country-db", countries, file)
	lines := 0
	for line := range strings.Lines(r.stdout) {
		a, err := schema.ParseAlert([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if lines++; strings.HasPrefix(a.Source.String(), "10.66.") && (a.Site != "berlin" || a.Country != "DE") {
			t.Errorf("site %q, country %q: %s", a.Site, a.Country, line)
		}
	}
	if r.code != 0 || lines == 0 {
		t.Errorf("status %d, %d alerts: %s", r.code, lines, r.stderr)
	}
	if r := run(t, nil, "explain", "--networks", networks, "--country-db", countries, "10.66.0.18", file); r.code != 0 || !strings.Contains(r.stdout, "open alert") {
		t.Errorf("explain: status %d: %s", r.code, r.stderr)
	}
	for _, command := range [][]string{{"replay"}, {"explain", "10.66.0.18"}} {
		r := run(t, nil, append(command, "--as-db", filepath.Join(dir, "none.mmdb"), file)...)
		if r.code != 3 && r.code != 2 || !strings.Contains(r.stderr, "as-db") {
			t.Errorf("%v with a database that is not there: status %d: %s", command, r.code, r.stderr)
		}
	}
}
