package netflow

import (
	"fmt"
	"time"
)

// Config bounds what exporters can make us remember. The zero value means the defaults.
type Config struct {
	MaxTemplates   int           `default:"100000" help:"Templates remembered over all exporters; beyond it the oldest one that decodes nothing is evicted and counted."`
	MaxPerExporter int           `default:"4096" help:"Templates remembered per exporter, version and domain; beyond it that exporter's oldest is evicted and counted."`
	KeyByPort      bool          `help:"Tell exporters apart by their source port too: for several behind one translated address. One that starts again elsewhere must announce its templates again."`
	WaitAge        time.Duration `default:"5m" help:"How long data waits for a template that was not announced yet."`
	WaitBytes      int           `default:"1048576" help:"Bytes of data of one exporter, version and domain that may wait for templates; what comes beyond is lost and counted." placeholder:"BYTES"`
	WaitTotal      int           `default:"67108864" help:"Bytes of data of all exporters that may wait for templates." placeholder:"BYTES"`
}

// DefaultConfig is what the tags above say, for callers that have no command line.
func DefaultConfig() Config {
	return Config{
		MaxTemplates: 100_000, MaxPerExporter: 4096,
		WaitAge: 5 * time.Minute, WaitBytes: 1 << 20, WaitTotal: 64 << 20,
	}
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	switch {
	case c.MaxTemplates < 1:
		return fmt.Errorf("max-templates %d: give 1 or more", c.MaxTemplates)
	case c.MaxPerExporter < 1:
		return fmt.Errorf("max-per-exporter %d: give 1 or more", c.MaxPerExporter)
	case c.WaitAge <= 0:
		return fmt.Errorf("wait-age %v: give 1s or more", c.WaitAge)
	case c.WaitBytes < 1:
		return fmt.Errorf("wait-bytes %d: give 1 or more", c.WaitBytes)
	case c.WaitTotal < c.WaitBytes:
		return fmt.Errorf("wait-total %d: give at least wait-bytes, %d", c.WaitTotal, c.WaitBytes)
	}
	return nil
}

func (c Config) orDefault() Config {
	d := DefaultConfig()
	if c.MaxTemplates < 1 {
		c.MaxTemplates = d.MaxTemplates
	}
	if c.MaxPerExporter < 1 {
		c.MaxPerExporter = d.MaxPerExporter
	}
	if c.WaitAge <= 0 {
		c.WaitAge = d.WaitAge
	}
	if c.WaitBytes < 1 {
		c.WaitBytes = d.WaitBytes
	}
	if c.WaitTotal < 1 {
		c.WaitTotal = max(d.WaitTotal, c.WaitBytes)
	}
	return c
}
