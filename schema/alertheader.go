package schema

import (
	"fmt"
	"strings"

	"github.com/segmentio/encoding/json"
)

// AlertHeader is what one must know of an alert to pass it on. The alerter reads no
// more of it: what a newer detector wrote beside these fields goes on as it came.
type AlertHeader struct {
	ID       string   `json:"id"`
	Revision uint32   `json:"revision"`
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
}

// Header returns what one must know of a to pass it on.
func (a *Alert) Header() AlertHeader {
	return AlertHeader{ID: a.ID, Revision: a.Revision, Kind: a.Kind, Severity: a.Severity}
}

// ReadAlertHeader reads the header out of the wire form of an alert. The rest must be
// JSON, whatever it says. An alert without id, revision, kind or severity has neither
// a name nor a subject, and is an error. A kind or a severity that this release does
// not know is none.
func ReadAlertHeader(b []byte) (AlertHeader, error) {
	var h AlertHeader
	if err := json.Unmarshal(b, &h); err != nil {
		return AlertHeader{}, fmt.Errorf("decode alert: %w", err)
	}
	switch {
	case h.ID == "" || h.Revision == 0:
		return AlertHeader{}, fmt.Errorf("decode alert: id or revision is missing")
	case !isToken(h.ID):
		return AlertHeader{}, fmt.Errorf("decode alert: id %q cannot stand in a subject", h.ID)
	case !isToken(string(h.Kind)):
		return AlertHeader{}, fmt.Errorf("decode alert %s: kind %q cannot stand in a subject", h.ID, h.Kind)
	case !isToken(string(h.Severity)):
		return AlertHeader{}, fmt.Errorf("decode alert %s: severity %q cannot stand in a subject", h.ID, h.Severity)
	}
	return h, nil
}

// Subject returns the NATS subject of an alert: alerts.scan.SITE.SHARD.ID. It has nothing in it
// that changes while the scan goes on, as its kind and severity do: all revisions of one alert
// have one subject, and no filter gets a part of them. SITE is the alerter's, SHARD the first
// digit of the id, for who shares the work among up to 16 consumers.
func (h *AlertHeader) Subject(site string) string { return "alerts.scan." + h.place(site) }

// SevereSubjects returns the subjects of the copies of a revision: alerts.high.SITE.SHARD.ID of
// what is high or critical, alerts.critical.SITE.SHARD.ID of what is critical. The severity of
// an alert never falls, so who filters by one of them gets all revisions since it was reached.
func (h *AlertHeader) SevereSubjects(site string) []string {
	switch h.Severity {
	case High:
		return []string{"alerts.high." + h.place(site)}
	case Critical:
		return []string{"alerts.high." + h.place(site), "alerts.critical." + h.place(site)}
	default:
		return nil
	}
}

func (h *AlertHeader) place(site string) string { return token(site) + "." + h.ID[:1] + "." + h.ID }

// MessageID is the name of one revision: NATS drops a second message that has it.
func (h *AlertHeader) MessageID() string { return fmt.Sprintf("%s.%d", h.ID, h.Revision) }

// notInToken are the bytes that end a token of a subject, or stand for any.
const notInToken = ".*> \t\r\n"

// isToken says whether s is one token of a subject as it is.
func isToken(s string) bool { return s != "" && !strings.ContainsAny(s, notInToken) }

// token makes s one token of a subject.
func token(s string) string {
	if s == "" {
		return "default"
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(notInToken, r) {
			return '_'
		}
		return r
	}, s)
}
