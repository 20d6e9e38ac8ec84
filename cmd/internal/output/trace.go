package output

import (
	"fmt"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// Trace says what would become of alerts at the outputs of a file, without sending anything. Alerts
// are taken in their order, at the time that they say; what was said before them is not known.
type Trace struct {
	version, site string
	entries       []Entry
	policies      []*policy
}

// NewTrace reads the text of an outputs file. The site is that of an alert that names none.
func NewTrace(text []byte, version, site string) (*Trace, error) {
	entries, err := Read(text)
	if err != nil {
		return nil, err
	}
	t := &Trace{version: version, site: site, entries: entries}
	for i := range entries {
		t.policies = append(t.policies, newPolicy(&entries[i]))
	}
	return t, nil
}

// Way is what becomes of an alert at one output.
type Way struct {
	Output, To string
	Sent       bool
	Why        string // how it is sent, or which key of the entry holds it back
}

// Of says what becomes of the next alert; raw is the alert as it came.
func (t *Trace) Of(raw []byte, a *schema.Alert) (ways []Way) {
	for i := range t.entries {
		e := &t.entries[i]
		w := Way{Output: e.Name, To: e.To}
		switch f := t.policies[i].decide(a, a.Time); f {
		case sent:
			w.Sent, w.Why = t.document(e, raw, a)
		case unwanted:
			w.Why = e.unwanted(a)
		case thinned:
			w.Why = fmt.Sprintf("updates-every %v", e.UpdatesEvery)
		case inDigest:
			w.Sent, w.Why = true, fmt.Sprintf("digest %v", e.Digest)
		case limited:
			w.Why = fmt.Sprintf("per-minute %d", e.PerMinute)
		default:
			w.Why = fateNames[f]
		}
		ways = append(ways, w)
	}
	return ways
}

func (t *Trace) document(e *Entry, raw []byte, a *schema.Alert) (sent bool, how string) {
	if e.Template != "" {
		return true, e.Template
	}
	w := siem.Writer{Format: e.Format, Version: t.version, Site: t.site, Max: e.MaxBytes}
	text, err := w.Append(nil, raw, a)
	if err != nil {
		return false, err.Error()
	}
	return true, fmt.Sprintf("%s, %d bytes", e.Format, len(text))
}
