package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/schema"
)

// rulesFile writes one and settings that name it.
func rulesFile(t *testing.T, text string) (rules, settings string) {
	t.Helper()
	dir := t.TempDir()
	rules, settings = filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "settings.yaml")
	for path, content := range map[string]string{rules: text, settings: "profile: dmz\nrules: " + rules + "\nblock: [61, 75, 100, 150]\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return rules, settings
}

func TestRulesPrintsWhatIsInForceAndWhereEachValueIsFrom(t *testing.T) {
	file, settings := rulesFile(t, "dmz: {extends: internet-edge, block: [62, 75, 100, 150], vertical: [11, 20, 30, 40], udp-factor: 3}\n")
	r := run(t, nil, "rules", "--settings="+settings, "--udp-factor=4")
	first, others, _ := strings.Cut(r.stdout, "\n\n")
	for _, line := range []string{
		"the profile dmz.\ndmz:\n", "vertical: [11, 20, 30, 40] # profile dmz", "block: [61, 75, 100, 150] # " + settings + ":3",
		"udp-factor: 4 # --udp-factor", "sweep: [50, 100, 160, 240] # profile internet-edge: ", "protocols: [8, 10, 10, 10] # default",
	} {
		if r.code != 0 || !strings.Contains(first, line) {
			t.Errorf("status %d, no %q in\n%s%s", r.code, line, first, r.stderr)
		}
	}
	for _, name := range []string{"default:", "internet-edge:", "internal:", "telescope:"} {
		if !strings.Contains(others, "\n"+name+"\n") {
			t.Errorf("no %s in\n%s", name, others)
		}
	}
	if _, err := rules.Read([]byte(r.stdout)); err != nil {
		t.Errorf("what is printed is no rules file: %v", err)
	}
	if r := run(t, nil, "rules", "--rules="+file); r.code != 0 || !strings.Contains(r.stderr, "changes nothing of the profile default") {
		t.Errorf("status %d, of a file without effect is said: %s", r.code, r.stderr)
	}
}

func TestRulesRefusesAFileWithEveryMistakeInIt(t *testing.T) {
	rules, settings := rulesFile(t, "dmz:\n  vertcal: [1, 2, 3, 4]\n  sweep: [0, 2, 3, 4]\n")
	for _, command := range [][]string{{"rules"}, {"replay", "nowhere.pcap"}, {"explain", "192.0.2.1", "nowhere.pcap"}} {
		r := run(t, nil, append(command, "--settings="+settings)...)
		for _, says := range []string{
			settings + ":2: rules: read " + rules + ": line 2: profile dmz: vertcal is not a rule; did you mean vertical?",
			"line 3: profile dmz: sweep: threshold 0: give 2 to 1000",
		} {
			if r.code != 3 || !strings.Contains(r.stderr, says) {
				t.Errorf("%v: status %d, no %q in\n%s", command, r.code, says, r.stderr)
			}
		}
	}
	if r := run(t, nil, "rules", "--profile=telescop"); r.code == 0 || !strings.Contains(r.stderr, `--profile: profile: there is no profile "telescop"; did you mean telescope?`) {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
}

func TestAReplayJudgesByItsProfile(t *testing.T) {
	_, settings := rulesFile(t, "dmz: {vertical: [500, 500, 500, 500]}\n")
	file := onDisk(t, capture(t, "softflowd-v5"))
	verticals := func(args ...string) (n int) {
		r := run(t, nil, append([]string{"replay", "--final", "--output=json", file}, args...)...)
		if r.code != 0 {
			t.Fatalf("status %d: %s", r.code, r.stderr)
		}
		for _, f := range findings(t, r.stdout) {
			if f.Kind == schema.Vertical {
				n++
			}
		}
		return n
	}
	all := verticals()
	if got := verticals("--settings=" + settings); got != 2 || all <= 2 {
		t.Errorf("%d vertical scans, with the profile %d", all, got)
	}
	if got := verticals("--settings="+settings, "--vertical=15,20,30,40"); got != all {
		t.Errorf("a flag does not win over the profile: %d of %d", got, all)
	}
}
