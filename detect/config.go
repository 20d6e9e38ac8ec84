package detect

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Config is every setting of detection: the rules, which may change while flows
// are counted, and what the state is made for, which may not.
type Config struct {
	Window   time.Duration  `default:"48h" help:"How long a source is remembered; the longest horizon over which targets are counted (1h-192h)."`
	Internal []netip.Prefix `help:"Prefixes that are ours. Decides thresholds and severity; with none, every source counts as external."`
	Rules
	Memory  uint64        `default:"0" placeholder:"BYTES" help:"Bytes of state of this process, which its partitions share; a million sources take some 90 MB. 0 for three fifths of GOMEMLIMIT, which follows the cgroup, else a quarter of the machine's memory. From 85% on new sources must touch several targets before they get a place; at 100% the weakest are evicted. Both are counted."`
	MaxSkew time.Duration `default:"5m" help:"How far a flow may lie ahead of its arrival; beyond it the flow is counted and left out."`
	Tenant  string        `help:"Goes into alert ids, so that two installations never share one."`
}

// Rules decide what of the state is a scan: see SetRules. A threshold list has
// one number per horizon: 5 min, 1 h, 24 h, and the whole window.
type Rules struct {
	Vertical           []uint32 `default:"15,20,30,40" help:"Ports of one host that make a vertical scan, per horizon: 5m, 1h, 24h, window."`
	HorizontalInternal []uint32 `name:"horizontal-internal" default:"15,25,40,60" help:"Hosts on one port that make a horizontal scan by an internal source, per horizon."`
	HorizontalExternal []uint32 `name:"horizontal-external" default:"25,50,100,150" help:"Hosts on one port that make a horizontal scan by an external source, per horizon."`
	Block              []uint32 `default:"50,75,100,150" help:"Pairs of host and port, many by many, that make a block scan, per horizon."`
	Sweep              []uint32 `default:"25,50,80,120" help:"Hosts that make an ICMP sweep, answered or not, per horizon."`
	Protocols          []uint32 `default:"8,10,10,10" help:"IP protocols of one host that make a protocol scan, per horizon."`
	Sequential         uint32   `name:"early" default:"0" help:"Net failures (failed less answered contacts, never below none) within an hour of one port or host that open an alert of an internal source before a threshold does, such as 9; 0 for never. On busy ports it never comes before the threshold."`
	FailureRatio       float64  `default:"0.7" help:"Share of failed contacts that a port, host or source must reach before it can alert."`
	UDPFactor          uint32   `name:"udp-factor" default:"2" help:"Multiplies the thresholds for UDP."`
	BusyFactor         uint32   `default:"4" help:"Multiplies the horizontal threshold of a busy port."`
	SensitivePorts     []uint16 `default:"21,22,23,135,139,445,1433,2323,3306,3389,5432,5555,5900,5985,5986,6379,9200,27017" help:"Ports of administration and of data: a few of them that fail on one of our hosts, or one on a few of our hosts, make a scan by an internal source."`
	BusyPorts          []uint16 `default:"80,443,53,123,7680,17500" help:"Ports on which ordinary clients touch many hosts."`
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
	case c.Memory != 0 && c.Memory < minMemory:
		return fmt.Errorf("memory %d: give %d bytes or more, or 0", c.Memory, minMemory)
	case c.MaxSkew <= 0:
		return fmt.Errorf("max-skew %v: give a positive duration", c.MaxSkew)
	}
	return nil
}

type namedList struct {
	name string
	list []uint32
}

func (r *Rules) lists() []namedList {
	return []namedList{
		{"vertical", r.Vertical}, {"horizontal-internal", r.HorizontalInternal}, {"horizontal-external", r.HorizontalExternal},
		{"block", r.Block}, {"sweep", r.Sweep}, {"protocols", r.Protocols},
	}
}

// Validate says all that is wrong and what to write instead, each error joined beginning with the
// name of its setting.
func (r *Rules) Validate() error {
	var wrong []error
	refuse := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, t := range r.lists() {
		if err := checkThresholds(t.list); err != nil {
			refuse("%s: %w", t.name, err)
		}
	}
	if r.Sequential == 1 || r.Sequential > 1000 {
		refuse("early %d: give 2 to 1000, or 0 for never", r.Sequential)
	}
	if r.FailureRatio < 0 || r.FailureRatio > 1 {
		refuse("failure-ratio %v: give a share from 0 to 1", r.FailureRatio)
	}
	if r.UDPFactor < 1 || r.UDPFactor > maxFactor {
		refuse("udp-factor %d: give 1 to %d", r.UDPFactor, maxFactor)
	}
	if r.BusyFactor < 1 || r.BusyFactor > maxFactor {
		refuse("busy-factor %d: give 1 to %d", r.BusyFactor, maxFactor)
	}
	return errors.Join(wrong...)
}

// Falling returns the rules of which a longer horizon has a lower threshold than a
// shorter one: allowed, and seldom meant.
func (r *Rules) Falling() (names []string) {
	for _, t := range r.lists() {
		if !slices.IsSorted(t.list) {
			names = append(names, t.name)
		}
	}
	return names
}

// usualMemory is the budget of a detector whose maker leaves it open.
const usualMemory = 256 << 20

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
