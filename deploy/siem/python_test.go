package siem_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a rule of Sigma finds among the reviewed documents, by the query that pySigma makes of it.
var sigmaFinds = map[string]func(flat map[string]any) bool{
	"sigma/scanhound_got_in.yml": func(d map[string]any) bool { return d["event.outcome"] == "success" },
	"sigma/scanhound_lateral.yml": func(d map[string]any) bool {
		return d["network.direction"] == "internal" && d["event.action"] != "scan-close"
	},
}

// sigma returns a query of Lucene for each rule, in the order of their names.
func sigma(t *testing.T) (rules, queries []string) {
	t.Helper()
	rules, err := filepath.Glob("sigma/*.yml")
	if err != nil || len(rules) != len(sigmaFinds) {
		t.Fatalf("rules %v, %v", rules, err)
	}
	dir, err := filepath.Abs("../../.cache/sigma-1.5.1")
	if err != nil {
		t.Fatal(err)
	}
	python, done := filepath.Join(dir, "bin/python"), filepath.Join(dir, "done")
	if _, err := os.Stat(done); err != nil {
		if out, err := exec.Command("python3", "-m", "venv", "--clear", dir).CombinedOutput(); err != nil {
			lacks(t, "no python3 with venv: "+err.Error()+": "+string(out))
		}
		install := func() ([]byte, error) {
			return exec.Command(python, "-m", "pip", "install", "-q", "pysigma==1.5.1", "pysigma-backend-opensearch==2.0.3", "pysigma-backend-elasticsearch==2.1.1").CombinedOutput()
		}
		out, err := install()
		for try := 1; err != nil && try < 3; try++ {
			time.Sleep(time.Duration(try) * 3 * time.Second)
			out, err = install()
		}
		if err != nil {
			lacks(t, "cannot fetch pySigma: "+err.Error()+": "+string(out))
		}
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, append([]string{"testdata/queries.py"}, rules...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pySigma: %v\n%s", err, stderr.String())
	}
	queries = strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(queries) != len(rules) {
		t.Fatalf("%d queries of %d rules: %q", len(queries), len(rules), queries)
	}
	return rules, queries
}

// Each rule finds on OpenSearch what it is said to find, and that is neither nothing nor all.
func sigmaOn(t *testing.T, url string, docs []map[string]any) {
	t.Helper()
	rules, queries := sigma(t)
	for i, rule := range rules {
		want := 0
		for _, d := range docs {
			all := map[string]any{}
			if flat(all, "", d); sigmaFinds[rule](all) {
				want++
			}
		}
		query, err := json.Marshal(map[string]any{"query_string": map[string]string{"query": queries[i]}})
		if err != nil {
			t.Fatal(err)
		}
		if got := found(t, url, string(query)); got != want || want == 0 || want == len(docs) {
			t.Errorf("%s (%s) finds %d of %d, want %d", rule, queries[i], got, len(docs), want)
		}
	}
}

// The regular expressions of transforms.conf take a line of CEF apart: every name that is in it, and none that is in a text.
func TestSplunksTransformsReadEveryFieldOfCEF(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		lacks(t, err.Error())
	}
	lines := string(read(t, "../../schema/siem/testdata/cef.golden"))
	const hostile = `CEF:0|scan\|hound|scanhound|1|a\\b|Scan|8|rt=1 reason=src\=10.0.0.1 act\=\\ x|y msg=ends with a blank  externalId=a.1 cs6=last\n<1> end\=2` + "\n"
	cmd := exec.Command("python3", "testdata/splunk.py", "splunk/transforms.conf")
	cmd.Stdin = strings.NewReader(lines + hostile)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := strings.Split(strings.TrimSpace(lines), "\n")
	if len(got) != len(want)+1 {
		t.Fatalf("%d lines of %d", len(got), len(want))
	}
	for i, line := range got {
		var d map[string]string
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		if i == len(want) {
			last := map[string]string{
				"vendor": `scan\|hound`, "product": "scanhound", "version": "1", "signature_id": `a\\b`, "signature": "Scan", "severity_id": "8", "rt": "1",
				"reason": `src\=10.0.0.1 act\=\\ x|y`, "msg": "ends with a blank ", "externalId": "a.1", "cs6": `last\n<1> end\=2`,
			}
			if len(d) != len(last) {
				t.Errorf("%d fields of a hostile line, want %d: %v", len(d), len(last), d)
			}
			for k, v := range last {
				if d[k] != v {
					t.Errorf("%s of a hostile line is %q, want %q", k, d[k], v)
				}
			}
			continue
		}
		if d["product"] != "scanhound" || d["externalId"] == "" || d["cs1Label"] != "alertId" || d["cnt"] != "26" || !strings.Contains(want[i], " msg="+d["msg"]) {
			t.Errorf("line %d: %v", i, d)
		}
	}
}
