package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestExplainTellsTheAlertsTheFatesAndTheKeysOfOneSource(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	for source, want := range map[string][]string{
		"10.66.0.18": {"open   horizontal", "counted, oriented by flags", "open alert", "TCP/22", "crosses within 5m"},
		"10.55.0.27": {"4 failed targets", "below the threshold"},
		"192.0.2.99": {"nothing is held of 192.0.2.99"},
	} {
		r := run(t, nil, "explain", source, file)
		for _, text := range want {
			if r.code != 0 || !strings.Contains(r.stdout, text) {
				t.Errorf("%s: status %d, no %q in\n%s%s", source, r.code, text, r.stdout, r.stderr)
			}
		}
		if other := "10.66.0.11"; strings.Contains(r.stdout, other) {
			t.Errorf("%s: tells of %s", source, other)
		}
	}
}

func TestEachPartOfAnExplanationBeginsOnALineOfItsOwn(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	for source, want := range map[string][]string{
		"10.66.0.18": {"its flows  ", "source  ", "held  ", "open alert  ", "rule  "},
		"192.0.2.99": {"nothing is held of "},
	} {
		r := run(t, nil, "explain", source, file)
		for _, part := range want {
			if !strings.HasPrefix(r.stdout, part) && !strings.Contains(r.stdout, "\n"+part) {
				t.Errorf("%s: no line begins with %q in\n%s", source, part, r.stdout)
			}
		}
		if !strings.HasSuffix(r.stdout, "\n") {
			t.Errorf("%s: the last line does not end:\n%s", source, r.stdout)
		}
	}
}

func TestExplainFindsTheSourceOfAnAlertAndTellsWhichRuleFired(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	for id, f := range findings(t, run(t, nil, "replay", "--final", "--output=json", file).stdout) {
		if f.Kind != schema.Horizontal {
			continue
		}
		r := run(t, nil, "explain", id[:12], file)
		for _, text := range []string{"alert  " + id, "fired: rule horizontal, threshold 25 within 5m", "source      " + f.Source.String(), "counted, oriented by flags"} {
			if r.code != 0 || !strings.Contains(r.stdout, text) {
				t.Errorf("%s: status %d, no %q in\n%s%s", id, r.code, text, r.stdout, r.stderr)
			}
		}
	}
	none := strings.Repeat("0", 32)
	if r := run(t, nil, "explain", none, file); r.code != 1 || !strings.Contains(r.stderr, "no alert has the id "+none) {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	if r := run(t, nil, "explain", none, "-"); r.code != 1 || !strings.Contains(r.stderr, "give files") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	if r := run(t, nil, "explain", "me", file); r.code != 2 || !strings.Contains(r.stderr, "12 hex digits") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
}

func TestExplainTellsHowManyFlowsAnExceptionCovers(t *testing.T) {
	list := filepath.Join(t.TempDir(), "exceptions.yaml")
	if err := os.WriteFile(list, []byte("- {sources: [10.66.0.18/32], owner: red team, reason: lab}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, nil, "explain", "--exceptions", list, "10.66.0.18", onDisk(t, capture(t, "softflowd-v9")))
	if r.code != 0 || !strings.Contains(r.stdout, "kept silent by exception") {
		t.Errorf("status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestAnExceptionsFileKeepsAReplaySilentAndAWrongOneIsRefusedWithItsEntry(t *testing.T) {
	file := onDisk(t, capture(t, "softflowd-v9"))
	list := filepath.Join(t.TempDir(), "exceptions.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("- sources: [10.66.0.0/16]\n  owner: red team\n  reason: lab\n  until: 2099-01-01T00:00:00Z\n")
	r := run(t, nil, "replay", "--exceptions", list, file)
	if r.code != 0 || r.stdout != "" || !regexp.MustCompile(`(?m)^kept silent by(.*\n)*? +[1-9][0-9]* +exception$`).MatchString(r.stderr) {
		t.Errorf("status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for text, want := range map[string]string{
		"- sources: [10.66.0.0/16]\n":         "entry 1: owner and reason are missing",
		"- owner: me\n  reason: mine\n":       "entry 1: it covers everything",
		"- source: 10.0.0.0/8\n  owner: me\n": "line 1: entry 1: source is not known here; did you mean sources?",
	} {
		write(text)
		if r := run(t, nil, "replay", "--exceptions", list, file); r.code != 3 || !strings.Contains(r.stderr, want) {
			t.Errorf("status %d, no %q in %s", r.code, want, r.stderr)
		}
	}
}

func TestALineOfALiveInputIsDecodedBeforeTheNextComes(t *testing.T) {
	in, feed := io.Pipe()
	var stdout, stderr screen
	done := make(chan int, 1)
	go func() { done <- runWith(t.Context(), in, &stdout, &stderr, "decode", "-") }()
	line := `{"type":"NETFLOW_V9","src_addr":"198.51.100.7","dst_addr":"10.0.0.1","proto":"TCP","src_port":40000,"dst_port":22,"packets":1,"bytes":44}` + "\n"
	if _, err := io.WriteString(feed, line); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the line is there", func() bool { return strings.Count(stdout.text(), "\n") == 1 })
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 {
		t.Errorf("status %d: %s", code, stderr.text())
	}
}
