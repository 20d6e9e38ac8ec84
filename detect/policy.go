package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// policy is what the operator decides: what counts as a scan, what is ours, what is excepted.
type policy struct {
	cfg        Config
	thresholds thresholds
	exceptions []Exception
	hidden     []uint64 // flows, by exception
	assets     *assets  // nil: none
}

func (p *policy) isInternal(a netip.Addr) bool {
	for _, ours := range p.cfg.Internal {
		if ours.Contains(a) {
			return true
		}
	}
	return false
}

// divides: some of the network is ours and some is not.
func (p *policy) divides(net netip.Prefix) bool {
	return slices.ContainsFunc(p.cfg.Internal, func(ours netip.Prefix) bool { return ours.Bits() > net.Bits() && ours.Overlaps(net) })
}

// SetInternal changes which prefixes are ours, for all sources at once.
func (d *Detector) SetInternal(prefixes []netip.Prefix) {
	d.cfg.Internal = prefixes
	d.network.responders = responders{} // of other hosts
	for _, s := range d.ledger.suspects {
		if s != nil {
			s.internal = d.isInternal(s.addr)
		}
	}
	d.ledger.forgetJudgements() // internal sources have thresholds of their own
}

// Horizons are the spans that the counts of a KeyCount are over.
func (p *policy) Horizons() (spans [len(horizons)]time.Duration) {
	for h, span := range horizons {
		spans[h] = cmp.Or(span, p.cfg.Window)
	}
	return spans
}

// SetRules replaces the rules from the next flow on. All that was counted stays
// and counts for the new ones: a source is judged by them when it next touches a
// target that counts. Open alerts go on. Rules that are wrong change nothing.
func (d *Detector) SetRules(r Rules) error {
	if err := r.Validate(); err != nil {
		return err
	}
	d.cfg.Rules = r
	d.thresholds = newThresholds(&d.cfg, d.units)
	d.ledger.forgetJudgements()
	return nil
}

// Rules returns the rules in force; their lists are not to be changed.
func (d *Detector) Rules() Rules { return d.cfg.Rules }

// SetExceptions replaces the exceptions. What they have hidden so far is forgotten.
func (d *Detector) SetExceptions(list []Exception) {
	d.exceptions = list
	d.hidden = make([]uint64, len(list))
}

// Hidden returns how many flows each exception has hidden, in their order.
func (d *Detector) Hidden() []uint64 { return slices.Clone(d.hidden) }

// excepted reports whether an exception covers f, and counts it there.
func (p *policy) excepted(f *schema.Flow, t schema.Time) bool {
	for i := range p.exceptions {
		if p.exceptions[i].covers(f, t) {
			p.hidden[i]++
			return true
		}
	}
	return false
}

// mayProbe reports whether an exception covers what f.Dst did to the contact c.
func (p *policy) mayProbe(f *schema.Flow, t schema.Time, c contact) bool {
	probe := schema.Flow{Exporter: f.Exporter, Src: f.Dst, Dst: f.Src, Proto: c.marks.class().proto(c.port())}
	probe.Dst.Port = c.port()
	return slices.ContainsFunc(p.exceptions, func(e Exception) bool { return e.covers(&probe, t) })
}
