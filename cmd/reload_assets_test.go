package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestARunningDetectorTakesChangedAssets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "assets.yaml")
	if err := os.WriteFile(path, []byte("[]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newKennel(t, "lab: {horizontal-external: [30, 50, 100, 150]}\n", "--profile=lab", "--internal=10.0.0.0/8", "--assets="+path)
	k.probes("198.51.100.1", 0, 40)
	if a := k.said()["198.51.100.1"]; a.Severity != schema.Low || a.AssetsCount != 0 {
		t.Fatalf("without assets: %s, %+v", a.Severity, a.Assets)
	}
	k.write(path, `- {name: vault, prefixes: [10.0.0.5/32], owner: treasury, criticality: critical}
- {name: servers, prefixes: [10.0.0.0/24], owner: operations, criticality: low, scanners: [198.51.100.3/32]}
`)
	k.reads()
	k.probes("198.51.100.2", 0, 40)
	k.probes("198.51.100.3", 0, 40)
	said := k.said()
	if a := said["198.51.100.2"]; a.Severity != schema.High || a.AssetsCount != 2 || a.Assets[0].Name != "vault" || a.Assets[0].Owner != "treasury" {
		t.Errorf("%s, %+v", a.Severity, a.Assets)
	}
	if a, told := said["198.51.100.3"]; told {
		t.Errorf("an expected scanner: %s", a.Reason)
	}
	if page := k.page("/assets"); !strings.Contains(page, "vault") || !strings.Contains(page, "treasury") {
		t.Errorf("/assets:\n%s", page)
	}
	if page := k.page("/exceptions"); !strings.Contains(page, "\n40 ") || !strings.Contains(page, "expected scanner of servers") {
		t.Errorf("/exceptions:\n%s", page)
	}
	k.write(path, "- {name: vault}\n")
	k.fails()
	if page := k.page("/assets"); !strings.Contains(page, "treasury") {
		t.Errorf("after the broken file, /assets:\n%s", page)
	}
}
