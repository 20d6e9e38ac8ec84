package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

// Real alerts, of a recording, go where the file says; what is held back says by which key.
func TestCheckSaysWhereAnAlertWouldGo(t *testing.T) {
	alerts := run(t, nil, "replay", "--output=json", "--internal=10.66.0.0/16", "../../lab/captures/softflowd-v9.pcap.zst")
	if alerts.code != 0 {
		t.Fatal(alerts.stderr)
	}
	file := filepath.Join(t.TempDir(), "alerts.json")
	if err := os.WriteFile(file, []byte(alerts.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	outputs := written(t, "outputs.yaml", `- {name: all, to: /var/log/x, format: native}
- {name: pager, to: "https://x.example.org/", template: slack, min-severity: critical}
- {name: closes, to: "tcp://x.example.org:601", states: [close]}
- {name: vault, to: /var/log/y, assets: [vault]}
- {name: few, to: /var/log/z, per-minute: 1}
`)
	settings := written(t, "scanhound.yaml", "outputs: "+outputs+"\nsite: berlin\n")
	r := run(t, nil, "check", "--alert="+file, "--settings="+settings)
	if r.code != 0 {
		t.Fatalf("%+v", r)
	}
	count := func(what string) int { return strings.Count(strings.Join(strings.Fields(r.stdout), " "), what) }
	lines := strings.Split(strings.TrimSpace(alerts.stdout), "\n")
	closes := 0
	for _, line := range lines {
		a, err := schema.ParseAlert([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if a.State == schema.Close {
			closes++
		}
		want := fmt.Sprintf("NATS sent %s ", schema.Subject(a, "berlin"))
		if count(want) == 0 || count(fmt.Sprintf("native, %d bytes", len(line))) == 0 {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
	if count("closes sent tcp://x.example.org:601 cef, ") != closes || closes == 0 || count("closes held back") != len(lines)-closes {
		t.Errorf("%d closes:\n%s", closes, r.stdout)
	}
	if count("pager held back https://x.example.org/ min-severity critical") != len(lines) || count("vault held back /var/log/y assets [vault]") != len(lines) {
		t.Errorf("%s", r.stdout)
	}
	if sent, held := count("few sent"), count("few held back /var/log/z per-minute 1"); sent == 0 || held == 0 || sent+held != len(lines) {
		t.Errorf("few: %d sent, %d held back\n%s", sent, held, r.stdout)
	}
}

func TestCheckSaysWhichLineIsNoAlert(t *testing.T) {
	file := written(t, "alerts.json", "\n{\"id\":\"a\"}\n")
	if r := run(t, nil, "check", "--alert="+file); r.code != 3 || !strings.Contains(r.stderr, "alert: line 2: decode alert: id or revision is missing") {
		t.Errorf("%+v", r)
	}
	if r := run(t, nil, "check", "--alert="+file+".none"); r.code != 3 || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	if err := trackAll(strings.NewReader(""), &out, nil, ""); err != nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}
