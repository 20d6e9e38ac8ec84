package netflow

import "fmt"

// Config bounds what exporters can make us remember. The zero value means the defaults.
type Config struct {
	MaxTemplates   int `default:"100000" help:"Templates remembered over all exporters; beyond it the oldest one that decodes nothing is evicted and counted."`
	MaxPerExporter int `default:"4096" help:"Templates remembered per exporter, version and domain; beyond it that exporter's oldest is evicted and counted."`
}

// DefaultConfig is what the tags above say, for callers that have no command line.
func DefaultConfig() Config { return Config{MaxTemplates: 100_000, MaxPerExporter: 4096} }

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	switch {
	case c.MaxTemplates < 1:
		return fmt.Errorf("max-templates %d: give 1 or more", c.MaxTemplates)
	case c.MaxPerExporter < 1:
		return fmt.Errorf("max-per-exporter %d: give 1 or more", c.MaxPerExporter)
	}
	return nil
}

func (c Config) orDefault() Config {
	if c.MaxTemplates < 1 {
		c.MaxTemplates = DefaultConfig().MaxTemplates
	}
	if c.MaxPerExporter < 1 {
		c.MaxPerExporter = DefaultConfig().MaxPerExporter
	}
	return c
}
