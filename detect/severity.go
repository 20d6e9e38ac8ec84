package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// wormPorts are those that worms spread by: an internal host that sweeps them
// outside is infected more likely than curious.
var wormPorts = []uint16{22, 23, 445, 3389, 5555}

// severity is how soon a person should look.
func (d *Detector) severity(sc *scan, m *measured, confidence string) schema.Severity {
	if len(sc.sessions) > 0 {
		return schema.Critical
	}
	s := d.bySides(sc, m)
	if s == schema.High && (confidence == "low" || sc.evidence().sampling > 1) {
		return schema.Medium
	}
	return s
}

func (d *Detector) bySides(sc *scan, m *measured) schema.Severity {
	switch {
	case len(d.cfg.Internal) == 0:
		return schema.Medium // nobody told what is ours
	case !sc.suspect.internal && d.answering.share(m) >= answeringShare:
		return schema.Medium
	case !sc.suspect.internal:
		return schema.Low
	case d.mostlyInternal(m, sc.suspect):
		return schema.High
	}
	for k := range m.outline.eachPort {
		if slices.Contains(wormPorts, k.port) {
			return schema.High
		}
	}
	return schema.Medium
}

func (d *Detector) mostlyInternal(m *measured, s *suspect) bool {
	n := 0
	for _, c := range m.contacts {
		if a := s.target(c); a.IsValid() && d.isInternal(a) {
			n++
		}
	}
	return 2*n >= len(m.contacts)
}

func (d *Detector) isInternal(a netip.Addr) bool {
	for _, p := range d.cfg.Internal {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// SetInternal changes which prefixes are ours, for all sources at once.
func (d *Detector) SetInternal(prefixes []netip.Prefix) {
	d.cfg.Internal = prefixes
	d.answering = answering{} // of other hosts
	for _, s := range d.suspects {
		if s != nil {
			s.internal = d.isInternal(s.addr)
		}
	}
	d.forgetJudgements() // internal sources have thresholds of their own
}

// technique returns the MITRE ATT&CK ids (enterprise matrix, v17): T1018 remote
// system discovery, T1046 network service discovery, T1595.001 scanning IP blocks.
func (d *Detector) technique(sc *scan) []string {
	switch {
	case len(d.cfg.Internal) > 0 && !sc.suspect.internal:
		return []string{"T1595.001"}
	case sc.track == trackEchoes:
		return []string{"T1018"}
	}
	return []string{"T1046"}
}
