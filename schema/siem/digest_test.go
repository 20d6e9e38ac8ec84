package siem

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/encoding/json"
)

var someDigest = Digest{
	ID: "digest.soc.1", From: noon, Until: noon.Add(time.Hour), Scans: 3, Sources: 2, Kinds: map[string]int{"vertical": 3},
	TopPorts: []DigestPort{{22, "TCP", 2}}, Top: []DigestScan{{"a", "192.0.2.1", 90}},
}

func TestADigestIsALineInEachForm(t *testing.T) {
	const says = "3 scans of low severity by 2 sources from outside, 2026-11-27 12:00 to 13:00; mostly tcp/22; the largest by 192.0.2.1, 90 targets"
	for _, f := range formats {
		w := Writer{Format: f, Version: "1|0", Site: "site=1\nact=x"}
		b, err := w.AppendDigest(nil, someDigest)
		switch {
		case !f.HasDigest():
			if err == nil {
				t.Errorf("%s: %s", f, b)
			}
		case err != nil || strings.ContainsAny(string(b), "\r\n") || !strings.Contains(string(b), says):
			t.Errorf("%s: %v, %s", f, err, b)
		case f == CEF:
			checkCEF(t, string(b), map[string]string{"msg": says, "cs6": w.Site, "cnt": "3", "act": "scan-digest"}, "digest")
		case !json.Valid(b):
			t.Errorf("%s is no JSON: %s", f, b)
		}
	}
}

// Every field of the digest is one of ECS, of its type. It lacks only what is an alert's.
func TestADigestHasFieldsOfECS(t *testing.T) {
	checker := filepath.Join("..", "..", "..", "shared", "siem", "check-ecs.py")
	if _, err := os.Stat(checker); err != nil {
		t.Skip("no checkers: ", err)
	}
	if exec.Command("python3", "-c", "import yaml").Run() != nil {
		t.Skip("no python3 with PyYAML")
	}
	b, err := (&Writer{Format: ECS, Version: "1.0.0", Site: "berlin"}).AppendDigest(nil, someDigest)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "documents")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("python3", checker, file).CombinedOutput() // it always misses an alert's fields
	if says := string(out); !strings.HasPrefix(says, "1 ['missing rule.name") || strings.Count(says, "', '") != strings.Count(says, "', 'missing ") {
		t.Errorf("%s", says)
	}
}
