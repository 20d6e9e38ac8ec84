package detector

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
)

const assetsFile = `- {name: billing, prefixes: [10.1.2.0/24], owner: payments@example.org, criticality: high, scanners: [10.9.0.5/32]}
- {name: abroad, prefixes: [203.0.113.0/24]}
`

func TestAssetsAreShownAndDetectorsWithOtherOnesJudgeOtherwise(t *testing.T) {
	var log bytes.Buffer
	detector := func(text string) *Detector {
		cfg := defaults.Of[Config]()
		cfg.Detect.Internal = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		cfg.Assets = filepath.Join(t.TempDir(), "assets.yaml")
		if err := os.WriteFile(cfg.Assets, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := New(cfg, service.New("detector", slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d, none := detector(assetsFile), detector("")
	w := httptest.NewRecorder()
	d.assetsPage(w, nil)
	if page := w.Body.String(); !strings.Contains(page, "billing  high") || !strings.Contains(page, "payments@example.org") || !strings.Contains(page, "[10.9.0.5/32]") {
		t.Errorf("/assets:\n%s", page)
	}
	w = httptest.NewRecorder()
	d.exceptionsPage(w, nil)
	if !strings.Contains(w.Body.String(), "expected scanner of billing") {
		t.Errorf("/exceptions:\n%s", w.Body)
	}
	if d.digest() == none.digest() {
		t.Error("the digest of the settings does not know the assets")
	}
	if got := log.String(); !strings.Contains(got, "asset=abroad") || strings.Contains(got, "asset=billing") {
		t.Errorf("logged %s", got)
	}
}
