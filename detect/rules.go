package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// horizons are the spans over which targets are counted; the last is the window.
var horizons = [4]time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour, 0}

// fastHorizons: a scan that crosses none but these, and lasts no longer than
// they see, closes after an hour of quiet.
const fastHorizons = 2

// rule is what a rule counts of a key.
type rule uint8

const (
	vertical   rule = iota // ports of one host
	horizontal             // hosts on one port
	block                  // pairs, many by many
	sweep                  // hosts that got an ICMP request
	protocols              // IP protocols of one host
	mixed                  // pairs of TCP ports that lie together, in no shape
)

var ruleKinds = [...]schema.Kind{schema.Vertical, schema.Horizontal, schema.Block, schema.Sweep, schema.Protocols, schema.Mixed}

func (f rule) String() string { return string(ruleKinds[f]) }

// Evidence that an ordinary exchange leaves too counts only in these numbers
// (lone ACK, FIN+ACK, SYN+ACK; an RST that nobody asked for).
const (
	faintPorts = 100
	faintHosts = 500
)

// mixedPairs are the failed pairs that rule M takes, per horizon; never within the
// first. So many lone SYNs to hosts that lie together are a scan in any shape: one of a
// /24 x 65,535 is thin for longer than a person waits.
var mixedPairs = [len(horizons)]uint32{0, 300, 500, 700}

// mixedRatio is the share of failures that rule M takes.
const mixedRatio = 0.9

// minSample is how many contacts of a key a sample must hold before its
// estimate can cross a threshold: one contact that stands for 64 proves nothing.
const minSample = 8

// thresholds are those of a Config, ready to be asked.
type thresholds struct {
	cfg   *Config
	spans [len(horizons)]uint32 // in units of a stamp
	late  uint32                // inTime, in the same

	smallest int // contacts with which any rule can fire
}

func newThresholds(cfg *Config, u units) thresholds {
	r := thresholds{cfg: cfg, late: u.count(inTime)}
	for i, h := range horizons {
		if h == 0 || h > cfg.Window {
			h = cfg.Window
		}
		r.spans[i] = u.count(h)
	}
	r.smallest = int(slices.Min(slices.Concat(cfg.Vertical, cfg.HorizontalExternal, cfg.HorizontalInternal, cfg.Block, cfg.Sweep, cfg.Protocols)))
	if len(cfg.Internal) > 0 && len(cfg.SensitivePorts) > 0 {
		r.smallest = min(r.smallest, fewestSensitive)
	}
	if cfg.Sequential > 0 {
		r.smallest = min(r.smallest, int(cfg.Sequential))
	}
	return r
}

// forgetJudgements drops what was remembered of earlier judgements to spare
// later ones, because what they depended on has changed.
func (l *ledger) forgetJudgements() {
	for _, s := range l.suspects {
		if s != nil {
			s.notBefore, s.credits = notBefore{}, credits{}
		}
	}
}

// threshold returns how many distinct targets of the key of c cross at horizon h.
func (r *thresholds) threshold(f rule, h int, c contact, internal bool) uint64 {
	t := r.list(f, internal)[h]
	if f == horizontal && slices.Contains(r.cfg.BusyPorts, c.port()) {
		t *= r.cfg.BusyFactor
	}
	if c.marks.class() == classUDP {
		t *= r.cfg.UDPFactor
	}
	return uint64(t)
}

// list returns the thresholds of a rule, one for each horizon.
func (r *thresholds) list(f rule, internal bool) []uint32 {
	switch {
	case f == vertical:
		return r.cfg.Vertical
	case f == horizontal && internal:
		return r.cfg.HorizontalInternal
	case f == horizontal:
		return r.cfg.HorizontalExternal
	case f == block:
		return r.cfg.Block
	case f == sweep:
		return r.cfg.Sweep
	case f == mixed:
		return mixedPairs[:]
	}
	return r.cfg.Protocols
}

// faint returns how many targets of the key cross when the evidence is weak.
func (f rule) faint() uint64 {
	if f == vertical {
		return faintPorts
	}
	return faintHosts
}
