package detect

import (
	"fmt"
	"net/netip"
	"time"
)

// Config is every setting of detection: the rules, which may change while flows
// are counted, and what the state is made for, which may not.
type Config struct {
	Window   time.Duration  `default:"48h" help:"How long a source is remembered; the longest horizon over which targets are counted (1h-192h)."`
	Internal []netip.Prefix `help:"Prefixes that are ours. Decides thresholds and severity; with none, every source counts as external."`
	Rules
	Memory  uint64        `default:"268435456" placeholder:"BYTES" help:"Bytes of state per partition, some two million sources. From 85% on new sources must touch several targets before they get a place; at 100% the weakest are evicted. Both are counted."`
	MaxSkew time.Duration `default:"5m" help:"How far a flow may lie ahead of its arrival; beyond it the flow is counted and left out."`
	Tenant  string        `help:"Goes into alert ids, so that two installations never share one."`
}

// Rules decide what of the state is a scan: see SetRules. A threshold list has
// one number per horizon: 5 min, 1 h, 24 h, and the whole window.
type Rules struct {
	Vertical     []uint32 `default:"15,20,30,40" help:"Ports of one host that make a vertical scan, per horizon: 5m, 1h, 24h, window."`
	HorizontalIn []uint32 `name:"horizontal-internal" default:"15,25,40,60" help:"Hosts on one port that make a horizontal scan by an internal source, per horizon."`
	HorizontalEx []uint32 `name:"horizontal-external" default:"25,50,100,150" help:"Hosts on one port that make a horizontal scan by an external source, per horizon."`
	Block        []uint32 `default:"50,75,100,150" help:"Pairs of host and port, many by many, that make a block scan, per horizon."`
	Sweep        []uint32 `default:"25,50,80,120" help:"Hosts that make an ICMP sweep, answered or not, per horizon."`
	Protocols    []uint32 `default:"8,10,10,10" help:"IP protocols of one host that make a protocol scan, per horizon."`
	Early        uint32   `default:"9" help:"Net failures (failed less answered contacts, never below none) within an hour of one port or host that open an alert of an internal source before a threshold does; 0 for never."`
	FailureRatio float64  `default:"0.7" help:"Share of failed contacts that a port, host or source must reach before it can alert."`
	UDPFactor    uint32   `name:"udp-factor" default:"2" help:"Multiplies the thresholds for UDP."`
	BusyFactor   uint32   `default:"4" help:"Multiplies the horizontal threshold of a busy port."`
	BusyPorts    []uint16 `default:"80,443,53,123,7680,17500" help:"Ports on which ordinary clients touch many hosts."`
}

// DefaultConfig is what the tags above say, for callers that have no command line.
func DefaultConfig() Config {
	return Config{Window: 48 * time.Hour, Rules: DefaultRules(), Memory: 256 << 20, MaxSkew: 5 * time.Minute}
}

// DefaultRules is the rules of DefaultConfig.
func DefaultRules() Rules {
	return Rules{
		Vertical: []uint32{15, 20, 30, 40}, HorizontalIn: []uint32{15, 25, 40, 60},
		HorizontalEx: []uint32{25, 50, 100, 150}, Block: []uint32{50, 75, 100, 150}, Sweep: []uint32{25, 50, 80, 120},
		Protocols: []uint32{8, 10, 10, 10}, Early: 9, FailureRatio: 0.7, UDPFactor: 2, BusyFactor: 4,
		BusyPorts: []uint16{80, 443, 53, 123, 7680, 17500},
	}
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	if c.Window < time.Hour || c.Window > 192*time.Hour {
		return fmt.Errorf("window %v: give 1h to 192h", c.Window)
	}
	if err := c.Rules.Validate(); err != nil {
		return err
	}
	switch {
	case c.Memory < minMemory:
		return fmt.Errorf("memory %d: give %d bytes or more", c.Memory, minMemory)
	case c.MaxSkew <= 0:
		return fmt.Errorf("max-skew %v: give a positive duration", c.MaxSkew)
	}
	return nil
}

// Validate says what is wrong and what to write instead; it begins with the
// name of the setting.
func (r *Rules) Validate() error {
	for _, t := range []struct {
		name string
		list []uint32
	}{
		{"vertical", r.Vertical}, {"horizontal-internal", r.HorizontalIn}, {"horizontal-external", r.HorizontalEx},
		{"block", r.Block}, {"sweep", r.Sweep}, {"protocols", r.Protocols},
	} {
		if err := checkThresholds(t.list); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	switch {
	case r.Early == 1 || r.Early > 1000:
		return fmt.Errorf("early %d: give 2 to 1000, or 0 for never", r.Early)
	case r.FailureRatio < 0 || r.FailureRatio > 1:
		return fmt.Errorf("failure-ratio %v: give a share from 0 to 1", r.FailureRatio)
	case r.UDPFactor < 1 || r.UDPFactor > maxFactor:
		return fmt.Errorf("udp-factor %d: give 1 to %d", r.UDPFactor, maxFactor)
	case r.BusyFactor < 1 || r.BusyFactor > maxFactor:
		return fmt.Errorf("busy-factor %d: give 1 to %d", r.BusyFactor, maxFactor)
	}
	return nil
}

// minMemory is what an empty table and a few heavy sources take.
const minMemory = 1 << 20

// maxFactor keeps the product of both factors and a threshold within 32 bits.
const maxFactor = 1000

func checkThresholds(list []uint32) error {
	if len(list) != len(horizons) {
		return fmt.Errorf("%d thresholds: give %d, for 5m, 1h, 24h and the window", len(list), len(horizons))
	}
	for _, v := range list {
		// 1,000 of a sample of 1,024 is the most that one evaluation can see.
		if v < 2 || v > 1000 {
			return fmt.Errorf("threshold %d: give 2 to 1000", v)
		}
	}
	return nil
}
