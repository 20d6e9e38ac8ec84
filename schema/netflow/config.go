package netflow

import (
	"fmt"
	"time"
)

// Config bounds what exporters can make us remember. The zero value means the defaults.
type Config struct {
	MaxTemplates int           `default:"100000" help:"Templates remembered over all exporters; beyond it the oldest one that decodes nothing is evicted and counted."`
	WaitAge      time.Duration `default:"5m" help:"How long data waits for a template that was not announced yet."`
	WaitTotal    int           `default:"67108864" help:"Bytes of data of all exporters that may wait for templates; what comes beyond is lost and counted." placeholder:"BYTES"`

	MaxPerExporter int `kong:"-"` // templates remembered per exporter, version and domain, over all its ports; 0: maxPerExporter
	WaitBytes      int `kong:"-"` // bytes of one exporter, version and domain that may wait, over all its ports; 0: waitBytes
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	switch {
	case c.MaxTemplates < 1:
		return fmt.Errorf("max-templates %d: give 1 or more", c.MaxTemplates)
	case c.WaitAge <= 0:
		return fmt.Errorf("wait-age %v: give 1s or more", c.WaitAge)
	case c.WaitTotal < 1:
		return fmt.Errorf("wait-total %d: give 1 or more", c.WaitTotal)
	}
	return nil
}

// What a bound is where nothing else is given, by the tags above.
const (
	maxTemplates = 100_000
	waitAge      = 5 * time.Minute
	waitTotal    = 64 << 20
)

const (
	// maxPerExporter is a sixteenth of the ids that there are, 256 to 65535 (RFC 7011,
	// 3.4.1): an exporter that takes new ids at each restart, or an attacker who takes
	// all, pushes out its own and nobody else's. Beyond it the oldest is evicted and
	// counted.
	maxPerExporter = 4096
	// waitBytes is some 700 full datagrams of one exporter: a sixty-fourth of what all
	// may have, so that one that never announces its templates does not take it from
	// the others. What comes beyond is lost and counted.
	waitBytes = 1 << 20
)

func (c Config) orDefault() Config {
	if c.MaxTemplates < 1 {
		c.MaxTemplates = maxTemplates
	}
	if c.MaxPerExporter < 1 {
		c.MaxPerExporter = maxPerExporter
	}
	if c.WaitAge <= 0 {
		c.WaitAge = waitAge
	}
	if c.WaitBytes < 1 {
		c.WaitBytes = waitBytes
	}
	if c.WaitTotal < 1 {
		c.WaitTotal = max(waitTotal, c.WaitBytes)
	}
	return c
}
