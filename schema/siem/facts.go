package siem

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// What several forms say alike.

const product = "scanhound"

// The version of ATT&CK from which the names are.
const attackVersion = "17.1"

// technique is what ATT&CK calls a technique, and the tactic that it serves here.
type technique struct {
	id, name         string
	subID, subName   string
	tactic, tacticID string
}

var techniques = map[string]technique{
	"T1595.001": {"T1595", "Active Scanning", "T1595.001", "Scanning IP Blocks", "Reconnaissance", "TA0043"},
	"T1018":     {"T1018", "Remote System Discovery", "", "", "Discovery", "TA0007"},
	"T1046":     {"T1046", "Network Service Discovery", "", "", "Discovery", "TA0007"},
}

// techniquesOf are those of an alert. One that this program does not know has its id for a name,
// and serves what all scans serve.
func techniquesOf(a *schema.Alert) (all []technique) {
	for _, id := range a.MITRE {
		t, ok := techniques[id]
		if !ok {
			parent, _, sub := strings.Cut(id, ".")
			t = technique{id: parent, name: parent, tactic: "Reconnaissance", tacticID: "TA0043"}
			if a.Internal {
				t.tactic, t.tacticID = "Discovery", "TA0007"
			}
			if sub {
				t.subID, t.subName = id, id
			}
		}
		all = append(all, t)
	}
	return all
}

func (t *technique) reference() string { return "https://attack.mitre.org/techniques/" + t.id + "/" }

func (t *technique) subReference() string {
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(t.subID, ".", "/") + "/"
}

func (t *technique) tacticReference() string {
	return "https://attack.mitre.org/tactics/" + t.tacticID + "/"
}

// transport is the one protocol of a scan: its IP number and its name; ok is false where there
// are several or none.
func transport(a *schema.Alert) (number uint8, name string, ok bool) {
	switch name = a.Transport(); name {
	case "icmp":
		return 1, name, true
	case "ipv6-icmp":
		return 58, name, true
	}
	number, ok = schema.ParseProto(strings.ToUpper(name))
	return number, name, ok
}

// target is the only host of a scan, and port its only port; zero where there are several.
func target(a *schema.Alert) (host netip.Addr) {
	if a.Hosts.Count == 1 && len(a.Targets) == 1 {
		host = a.Targets[0]
	}
	return host
}

func port(a *schema.Alert) uint16 {
	if a.Ports.Count == 1 && len(a.TopPorts) == 1 {
		return a.TopPorts[0].Port
	}
	return 0
}

func sourcePort(a *schema.Alert) uint16 {
	if len(a.SourcePorts) == 1 {
		return a.SourcePorts[0]
	}
	return 0
}

// direction is where a scan goes, seen from our networks.
type direction uint8

const (
	unknown  direction = iota // no network is said to be ours
	inbound                   // from elsewhere to ours
	outbound                  // from ours to elsewhere
	lateral                   // from ours to ours
	external                  // past ours
)

func directionOf(a *schema.Alert) direction {
	ours := a.Coverage.Internal > 0 && a.Coverage.Internal >= a.Coverage.External
	switch {
	case a.Internal && ours:
		return lateral
	case a.Internal:
		return outbound
	case a.Coverage.Internal > 0:
		return inbound
	}
	return unknown
}

func (w *Writer) site(a *schema.Alert) string {
	if a.Site != "" {
		return a.Site
	}
	return w.Site
}

// country is empty where the database does not know it.
func known(country string) string {
	if country == "??" {
		return ""
	}
	return country
}

// severities are the numbers of a severity.
type severities struct{ ecs, cef, ocsf int }

var severityNumbers = map[schema.Severity]severities{
	schema.Low: {21, 3, 2}, schema.Medium: {47, 5, 3}, schema.High: {73, 8, 4}, schema.Critical: {99, 10, 5},
}

func version(a *schema.Alert) string {
	if a.Source.Is4() {
		return "4"
	}
	return "6"
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
