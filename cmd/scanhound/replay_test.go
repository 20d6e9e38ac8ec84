package main

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
)

func TestReplayOfWhatDecodePrintsFindsWhatReplayFinds(t *testing.T) {
	// Which halves of a conversation meet in a batch depends on where it ends: of flows
	// without flags some are answers there and questions here.
	halves := cmpopts.IgnoreFields(finding{}, "Flows")
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			file := onDisk(t, c)
			direct := run(t, nil, "replay", "--final", "--output=json", file)
			piped := run(t, strings.NewReader(run(t, nil, "decode", file).stdout), "replay", "--final", "--output=json", "-")
			if diff := cmp.Diff(findings(t, direct.stdout), findings(t, piped.stdout), compareAddr(), halves); diff != "" {
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

// Each form of a SIEM has a document for each revision, in the same order.
func TestReplayWritesTheFormsOfSIEMs(t *testing.T) {
	for _, c := range captures(t)[:3] {
		file := onDisk(t, c)
		var names []string
		for line := range strings.Lines(run(t, nil, "replay", "--output=json", file).stdout) {
			a, err := schema.ParseAlert([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, a.MessageID())
		}
		for _, form := range []string{"ecs", "ocsf", "cef", "cee"} {
			n := 0
			for line := range strings.Lines(run(t, nil, "replay", "--output", form, file).stdout) {
				if n >= len(names) || !strings.Contains(line, names[n]) {
					t.Errorf("%s, %s: document %d is of another revision: %s", c.Name, form, n, line)
				}
				n++
			}
			if n != len(names) || n == 0 {
				t.Errorf("%s: %d documents of %s, %d revisions", c.Name, n, form, len(names))
			}
		}
	}
}
