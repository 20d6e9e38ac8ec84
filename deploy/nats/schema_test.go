// Package nats_test holds real alerts to the published form, by a validator that is not ours.
package nats_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func published(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	s, err := c.Compile("../../docs/alert.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// replayed are the alerts of the lab's recordings, and of all corpora that are there.
func replayed(t *testing.T) (alerts []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "scanhound")
	build := exec.Command("go", "build", "-pgo=off", "-o", program, "./cmd/scanhound")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	captures, err := filepath.Glob("../../lab/captures/*.pcap.zst")
	if err != nil || len(captures) == 0 {
		t.Fatal(captures, err)
	}
	for _, capture := range captures {
		var stderr bytes.Buffer
		cmd := exec.Command(program, "replay", "--output=json", "--internal=10.0.0.0/8", capture)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("replay %s: %v\n%s", capture, err, &stderr)
		}
		for line := range strings.Lines(string(out)) {
			alerts = append(alerts, line)
		}
	}
	return alerts
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRealAlertsHaveThePublishedForm(t *testing.T) {
	s, alerts := published(t), replayed(t)
	if len(alerts) < 20 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for _, text := range alerts {
		if err := s.Validate(parsed(t, text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	t.Logf("%d alerts", len(alerts))
}

// Each shape, version of IP and turn of life: the same alerts that are reviewed in the forms of SIEMs.
func TestEveryShapeAndTurnHasThePublishedForm(t *testing.T) {
	s := published(t)
	text, err := os.ReadFile("../../schema/siem/testdata/native.golden")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[2]any]int{}
	for line := range strings.Lines(string(text)) {
		a := parsed(t, line)
		if err := s.Validate(a); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		m := a.(map[string]any)
		seen[[2]any{m["kind"], m["state"]}]++
	}
	if len(seen) != 6*3 {
		t.Errorf("%d shapes and states: %v", len(seen), seen)
	}
}

func TestWhatIsNoAlertIsRefused(t *testing.T) {
	s, good := published(t), replayed(t)[0]
	for _, change := range []func(map[string]any){
		func(a map[string]any) { delete(a, "id") },
		func(a map[string]any) { delete(a, "schema_version") },
		func(a map[string]any) { a["revision"] = "one" },
		func(a map[string]any) { a["severity"] = "dire" },
		func(a map[string]any) { a["source"] = "nobody" },
		func(a map[string]any) { a["first_seen"] = "yesterday" },
		func(a map[string]any) { a["hosts"] = 5 },
		func(a map[string]any) { a["flows"] = -1 },
		func(a map[string]any) { a["targets"] = []any{"10.0.0.300"} },
	} {
		var a map[string]any
		if err := json.Unmarshal([]byte(good), &a); err != nil {
			t.Fatal(err)
		}
		change(a)
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(parsed(t, string(text))) == nil {
			t.Errorf("taken for an alert: %s", text)
		}
	}
	var newer map[string]any
	if err := json.Unmarshal([]byte(good), &newer); err != nil {
		t.Fatal(err)
	}
	newer["from_tomorrow"] = map[string]any{"a": 1}
	text, err := json.Marshal(newer)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(parsed(t, string(text))); err != nil {
		t.Errorf("a field of a newer release is refused: %v", err)
	}
}

// Each reference in the AsyncAPI document leads somewhere.
func TestTheAsyncAPIDocumentHoldsTogether(t *testing.T) {
	text, err := os.ReadFile("../../docs/alert.asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	refs := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if ref, is := v["$ref"].(string); is {
				refs++
				resolve(t, whole, ref)
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(whole)
	if version, _ := whole["asyncapi"].(string); !strings.HasPrefix(version, "3.") || refs < 7 {
		t.Errorf("AsyncAPI %s with %d references", version, refs)
	}
}

func resolve(t *testing.T, whole map[string]any, ref string) {
	t.Helper()
	path, local := strings.CutPrefix(ref, "#/")
	if !local {
		if _, err := os.Stat(filepath.Join("../../docs", ref)); err != nil {
			t.Error(err)
		}
		return
	}
	var at any = whole
	for step := range strings.SplitSeq(path, "/") {
		m, is := at.(map[string]any)
		if at = m[step]; !is || at == nil {
			t.Errorf("%s leads nowhere", ref)
			return
		}
	}
}
