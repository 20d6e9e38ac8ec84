package rules

import (
	"cmp"
	"errors"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
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
// Whatever is given must match; owner and reason must be given. The owner of an asset in which all
// targets lie need not be repeated.
type exception struct {
	Sources   []netip.Prefix
	Targets   []netip.Prefix
	Ports     []uint16
	Exporters []netip.Prefix
	Owner     string
	Reason    string
	Until     end
}

// ReadExceptions reads the text of an exceptions file. Its error has a line for
// each mistake.
func ReadExceptions(text []byte, assets []detect.Asset) ([]detect.Exception, error) {
	var e exception
	var all []detect.Exception
	values := settings.ValuesOf(&e)
	file := yamlfile.Parse(text)
	for entry := range file.Entries("a list of entries, each with an owner, a reason, and sources, targets, ports or exporters") {
		e = exception{}
		if !entry.Fill(values) {
			continue
		}
		e.Owner = cmp.Or(e.Owner, ownerOf(e.Targets, assets))
		unowned := e.Owner == "" || e.Reason == ""
		boundless := len(e.Sources)+len(e.Targets)+len(e.Ports)+len(e.Exporters) == 0
		if unowned {
			entry.Wrong("owner and reason are missing: say who answers for it, and why")
		}
		if boundless {
			entry.Wrong("it covers everything: give sources, targets, ports or exporters")
		}
		if !unowned && !boundless {
			all = append(all, detect.Exception{
				Sources: e.Sources, Targets: e.Targets, Ports: e.Ports, Exporters: e.Exporters,
				Owner: e.Owner, Reason: e.Reason, Until: schema.TimeOf(e.Until.Time),
			})
		}
	}
	if err := file.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// end is when an exception ends, in one of the forms that YAML has for a time.
type end struct{ time.Time }

// UnmarshalText takes a time or a day, which begins in UTC.
func (e *end) UnmarshalText(text []byte) error {
	for _, form := range []string{"2006-1-2T15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2"} {
		if at, err := time.Parse(form, string(text)); err == nil {
			e.Time = at
			return nil
		}
	}
	return errors.New("want a time such as 2027-01-01T00:00:00Z or 2027-01-01")
}

// Until says for a person how long an exception holds.
func Until(e *detect.Exception) string {
	if e.Until == 0 {
		return "for ever"
	}
	return e.Until.Std().Format("2006-01-02 15:04")
}
