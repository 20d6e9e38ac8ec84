package detector

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// exception is one entry of the exceptions file:
//
//   - sources: [10.9.0.5/32]
//     targets: [10.0.0.0/8]
//     ports: [22, 443]
//     exporters: [192.0.2.1/32]
//     owner: security@example.org
//     reason: weekly vulnerability scan
//     until: 2027-01-01T00:00:00Z
//
// Whatever is given must match; owner and reason must be given.
type exception struct {
	Sources   []netip.Prefix `yaml:"sources"`
	Targets   []netip.Prefix `yaml:"targets"`
	Ports     []uint16       `yaml:"ports"`
	Exporters []netip.Prefix `yaml:"exporters"`
	Owner     string         `yaml:"owner"`
	Reason    string         `yaml:"reason"`
	Until     time.Time      `yaml:"until"`
}

// ReadExceptions reads the text of an exceptions file.
func ReadExceptions(text []byte) ([]detect.Exception, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var list []exception
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("%w: want a list of sources, targets, ports, exporters, owner, reason and until", err)
	}
	all := make([]detect.Exception, 0, len(list))
	for i, e := range list {
		switch {
		case e.Owner == "" || e.Reason == "":
			return nil, fmt.Errorf("entry %d: owner and reason are missing: say who answers for it, and why", i+1)
		case len(e.Sources)+len(e.Targets)+len(e.Ports)+len(e.Exporters) == 0:
			return nil, fmt.Errorf("entry %d: it covers everything: give sources, targets, ports or exporters", i+1)
		}
		all = append(all, detect.Exception{
			Sources: e.Sources, Targets: e.Targets, Ports: e.Ports, Exporters: e.Exporters,
			Owner: e.Owner, Reason: e.Reason, Until: schema.TimeOf(e.Until),
		})
	}
	return all, nil
}
