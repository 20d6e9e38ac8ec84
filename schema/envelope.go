package schema

import (
	"slices"
	"strings"
	"time"
)

// AlertVersion is the version of an alert's form. Fields may be added within it; one that changes
// its meaning or goes makes another.
const AlertVersion = 1

// Envelope is what a reader needs to place an alert, and all of it follows from the rest.
type Envelope struct {
	Version    uint8     `json:"schema_version"` // AlertVersion
	Vendor     string    `json:"vendor"`
	Product    string    `json:"product"`
	Time       time.Time `json:"time"`               // of this revision, by the flows' clock
	SeverityID uint8     `json:"severity_id"`        // as OCSF has it: 2 low, 3 medium, 4 high, 5 critical
	Tactics    []string  `json:"tactics"`            // ATT&CK tactic ids that the techniques serve
	Protocol   string    `json:"protocol,omitempty"` // of all targets: tcp, udp, icmp, ipv6-icmp, ...; none where there are several
	Spoofed    bool      `json:"may_be_spoofed,omitempty"`
}

// Enclose fills in the envelope of a revision that is written at a moment of event time.
func (a *Alert) Enclose(at time.Time) {
	a.Envelope = Envelope{
		Version: AlertVersion, Vendor: "scanhound", Product: "scanhound", Time: at.UTC(),
		SeverityID: uint8(a.Severity.rank() + 1), Tactics: a.tactics(), Protocol: a.Transport(), Spoofed: a.maySpoof(),
	}
	if a.Severity.rank() == 0 {
		a.SeverityID = 0 // unknown
	}
}

// The tactics that a scan serves.
const (
	TacticReconnaissance = "TA0043" // from outside
	TacticDiscovery      = "TA0007" // from inside
)

func (a *Alert) tactics() (ids []string) {
	for _, technique := range a.MITRE {
		id := TacticDiscovery
		if strings.HasPrefix(technique, "T1595") {
			id = TacticReconnaissance
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Transport is the one protocol of the scan's targets, in small letters, or "".
func (a *Alert) Transport() string {
	switch {
	case a.Kind == Sweep && a.Source.Is6() && !a.Source.Is4In6():
		return "ipv6-icmp"
	case a.Kind == Sweep:
		return "icmp"
	case a.Kind == Protocols || len(a.TopPorts) == 0:
		return ""
	}
	for _, p := range a.TopPorts {
		if p.Proto != a.TopPorts[0].Proto {
			return ""
		}
	}
	return strings.ToLower(a.TopPorts[0].Proto)
}

// maySpoof reports whether nothing shows that the source got an answer: it is external, sent one
// packet a flow, over TCP lone SYNs, and neither completed a handshake nor held a session. Where packets
// are sampled, one packet of a flow means nothing. A scanner
// such as masscan looks the same, and so does a flood with made-up sources: it is a doubt, and no proof.
func (a *Alert) maySpoof() bool {
	if a.Internal || a.Sampling > 1 || a.Flows == 0 || a.Packets != a.Flows || len(a.Answered) > 0 || a.Outcomes["answered"]+a.Outcomes["reached"] > 0 {
		return false
	}
	for flags := range a.Flags {
		if flags != "S" {
			return false
		}
	}
	return true
}
