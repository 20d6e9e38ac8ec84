package detect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/internal/defaults"

	"github.com/scanhound/scanhound/detect"
)

func TestAWrongSettingIsNamedWithWhatToWriteInstead(t *testing.T) {
	for want, change := range map[string]func(*detect.Config){
		"window 30m0s: give 1h to 192h":              func(c *detect.Config) { c.Window = 30 * time.Minute },
		"vertical: 2 thresholds: give 4":             func(c *detect.Config) { c.Vertical = []uint32{1, 2} },
		"sweep: threshold 0: give 2 to 1000":         func(c *detect.Config) { c.Sweep = []uint32{0, 5, 5, 5} },
		"failure-ratio 2: give a share from 0 to 1":  func(c *detect.Config) { c.FailureRatio = 2 },
		"early 1: give 2 to 1000, or 0 for never":    func(c *detect.Config) { c.Sequential = 1 },
		"udp-factor 0: give 1 to 1000":               func(c *detect.Config) { c.UDPFactor = 0 },
		"busy-factor 5000000: give 1 to 1000":        func(c *detect.Config) { c.BusyFactor = 5_000_000 },
		"memory 1: give 1048576 bytes or more, or 0": func(c *detect.Config) { c.Memory = 1 },
		"max-skew 0s: give a positive duration":      func(c *detect.Config) { c.MaxSkew = 0 },
		"block: threshold 5000: give 2 to 1000":      func(c *detect.Config) { c.Block = []uint32{50, 75, 100, 5000} },
		"horizontal-internal: 0 thresholds: give 4,": func(c *detect.Config) { c.HorizontalInternal = nil },
	} {
		cfg := defaults.Of[detect.Config]()
		change(&cfg)
		if _, err := detect.New(cfg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if cfg := defaults.Of[detect.Config](); cfg.Validate() != nil {
		t.Error("the defaults are refused")
	}
}

func TestEveryFateOfAFlowHasAName(t *testing.T) {
	seen := map[string]bool{}
	stats := newDetector(t, nil).Stats()
	for name := range stats.Fates {
		if name == "" || seen[name] {
			t.Errorf("fate %q", name)
		}
		seen[name] = true
	}
	if want := 7 + detect.LeavingGuards(); len(seen) != want {
		t.Errorf("%d fates, want seven and one for each of the %d guards by which a flow leaves", len(seen), want-7)
	}
}
