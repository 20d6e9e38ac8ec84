package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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

func TestTheDemoIsSilentAboutWhatAnExceptionCoversAndRefusesAWrongFile(t *testing.T) {
	list := filepath.Join(t.TempDir(), "exceptions.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("- {sources: [10.66.0.0/16], owner: red team, reason: lab}\n")
	r := run(t, nil, "demo", "--exit-when-idle", "--within=1s", "--exceptions="+list)
	if r.code != 0 || counted(t, r.stdout, "flows consumed") == 0 || counted(t, r.stdout, "alerts opened") != 0 || strings.Contains(r.stdout, "10.66.0.11") {
		t.Errorf("status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	write("- sources: [10.66.0.0/16]\n  onwer: red team\n")
	r = run(t, nil, "demo", "--exceptions="+list)
	if want := "scanhound: --exceptions: exceptions: read " + list + ": line 2: entry 1: onwer is not known here; did you mean owner?\n"; r.code != 3 || !strings.HasSuffix(r.stderr, want) {
		t.Errorf("status %d, does not end with %s\n%s", r.code, want, r.stderr)
	}
}
