package detect

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// wormPorts are those that worms spread by: an internal host that sweeps them
// outside is infected more likely than curious.
var wormPorts = []uint16{22, 23, 445, 3389, 5555}

// severity is how soon a person should look.
func (d *docket) severity(sc *scan, m *measured, confidence string) schema.Severity {
	if len(sc.sessions) > 0 {
		return schema.Critical
	}
	s := d.bySides(sc, m)
	if s == schema.High && (confidence == "low" || sc.suspect.sampled) {
		return schema.Medium
	}
	return s
}

func (d *docket) bySides(sc *scan, m *measured) schema.Severity {
	switch {
	case len(d.cfg.Internal) == 0:
		return schema.Medium // nobody told what is ours
	case !sc.suspect.internal && sc.crossing.fanOut:
		return schema.Low // a tarpit answers everybody
	case !sc.suspect.internal && d.responders.share(m) >= respondersShare:
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

func (d *docket) mostlyInternal(m *measured, s *suspect) bool {
	n := 0
	for _, c := range m.contacts {
		if a := s.target(c); a.IsValid() && d.isInternal(a) {
			n++
		}
	}
	return 2*n >= len(m.contacts)
}

// technique returns the MITRE ATT&CK ids (enterprise matrix, v17): T1018 remote
// system discovery, T1046 network service discovery, T1595.001 scanning IP blocks.
func (d *docket) technique(sc *scan) []string {
	switch {
	case len(d.cfg.Internal) > 0 && !sc.suspect.internal:
		return scanningBlocks
	case sc.track == trackEchoes:
		return systemDiscovery
	}
	return serviceDiscovery
}

// What alerts share: nobody changes a technique.
var (
	scanningBlocks   = []string{"T1595.001"}
	systemDiscovery  = []string{"T1018"}
	serviceDiscovery = []string{"T1046"}
)
