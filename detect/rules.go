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

// family is what a rule counts of a key.
type family uint8

const (
	vertical   family = iota // ports of one host
	horizontal               // hosts on one port
	block                    // pairs, many by many
	sweep                    // hosts that got an ICMP request
	protocols                // IP protocols of one host
)

var familyKinds = [...]schema.Kind{schema.Vertical, schema.Horizontal, schema.Block, schema.Sweep, schema.Protocols}

func (f family) String() string { return string(familyKinds[f]) }

// Evidence that an ordinary exchange leaves too counts only in these numbers
// (lone ACK, FIN+ACK, SYN+ACK; an RST that nobody asked for).
const (
	faintPorts = 100
	faintHosts = 500
)

// minSample is how many contacts of a key a sample must hold before its
// estimate can cross a threshold: one contact that stands for 64 proves nothing.
const minSample = 8

// rules are the thresholds of a Config, ready to be asked.
type rules struct {
	cfg   *Config
	spans [len(horizons)]uint32 // in units of a stamp

	smallest int // contacts with which any rule can fire
}

func newRules(cfg *Config, u units) rules {
	r := rules{cfg: cfg}
	for i, h := range horizons {
		if h == 0 || h > cfg.Window {
			h = cfg.Window
		}
		r.spans[i] = u.count(h)
	}
	r.smallest = int(slices.Min(slices.Concat(cfg.Vertical, cfg.HorizontalEx, cfg.HorizontalIn, cfg.Block, cfg.Sweep, cfg.Protocols)))
	if cfg.Early > 0 {
		r.smallest = min(r.smallest, int(cfg.Early))
	}
	return r
}

// SetRules replaces the rules from the next flow on. All that was counted stays
// and counts for the new ones: a source is judged by them when it next touches a
// target that counts. Open alerts go on. Rules that are wrong change nothing.
func (d *Detector) SetRules(r Rules) error {
	if err := r.Validate(); err != nil {
		return err
	}
	d.cfg.Rules = r
	d.rules = newRules(&d.cfg, d.units)
	d.forgetJudgements()
	return nil
}

// Rules returns the rules in force; their lists are not to be changed.
func (d *Detector) Rules() Rules { return d.cfg.Rules }

// forgetJudgements drops what was remembered of earlier judgements to spare
// later ones, because what they depended on has changed.
func (d *Detector) forgetJudgements() {
	for _, s := range d.suspects {
		if s != nil {
			s.blockAt, s.credits = [trackCount]int{}, credits{}
		}
	}
}

// threshold returns how many distinct targets of the key of c cross at horizon h.
func (r *rules) threshold(f family, h int, c contact, internal bool) uint64 {
	t := r.list(f, internal)[h]
	if f == horizontal && slices.Contains(r.cfg.BusyPorts, c.port()) {
		t *= r.cfg.BusyFactor
	}
	if c.marks.class() == classUDP {
		t *= r.cfg.UDPFactor
	}
	return uint64(t)
}

// list returns the thresholds of a family, one for each horizon.
func (r *rules) list(f family, internal bool) []uint32 {
	switch {
	case f == vertical:
		return r.cfg.Vertical
	case f == horizontal && internal:
		return r.cfg.HorizontalIn
	case f == horizontal:
		return r.cfg.HorizontalEx
	case f == block:
		return r.cfg.Block
	case f == sweep:
		return r.cfg.Sweep
	}
	return r.cfg.Protocols
}

// faint returns how many targets of the key cross when the evidence is weak.
func (f family) faint() uint64 {
	if f == vertical {
		return faintPorts
	}
	return faintHosts
}
