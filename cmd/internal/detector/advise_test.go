package detector

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
)

func TestWhatIsSeldomMeantIsLoggedAtTheStart(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // "": nothing
	}{
		"as it should be":    {func(c *Config) { c.Detect.Internal = ours }, ""},
		"nothing is ours":    {func(*Config) {}, "no network is said to be ours"},
		"falling thresholds": {func(c *Config) { c.Detect.Internal, c.Detect.Block = ours, []uint32{50, 75, 60, 150} }, "rule=block"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults.Of[Config]()
			c.change(&cfg)
			var log bytes.Buffer
			if _, err := New(cfg, service.New("detector", slog.New(slog.NewTextHandler(&log, nil)))); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); c.want == "" && strings.Contains(got, "WARN") || !strings.Contains(got, c.want) {
				t.Errorf("logged %q, want %q", got, c.want)
			}
		})
	}
}
