package cases

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// Ticket writes all that an analyst needs of an alert, as text to paste.
func Ticket(w io.Writer, a *schema.Alert) {
	fmt.Fprintf(w, "%s\n\n", siem.Message(a))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, form string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(form, args...)) }
	row("alert", "%s, revision %d, %s", a.ID, a.Revision, a.State)
	row("severity", "%s, %s confidence, MITRE ATT&CK %s", a.Severity, a.Confidence, strings.Join(a.MITRE, ", "))
	row("reason", "%s", a.Reason)
	row("rule", "%s: threshold %d within %s", a.Rule, a.Threshold, a.Window)
	row("source", "%s", origin(a))
	row("seen", "%s to %s UTC", a.FirstSeen.UTC().Format("2006-01-02 15:04:05"), a.LastSeen.UTC().Format("2006-01-02 15:04:05"))
	row("touched", "%s hosts, %s ports, %s targets; %d flows, %d packets, at most %d flows a minute", a.Hosts, a.Ports, a.Pairs, a.Flows, a.Packets, a.Peak)
	row("where", "%d internal and %d external hosts in %d networks%s", a.Coverage.Internal, a.Coverage.External, a.Coverage.Networks, estimated(a.Coverage.Estimated))
	row("ports", "%s", ports(a.TopPorts))
	row("targets", "%s", addresses(a.Targets))
	for _, e := range a.Answered {
		row("GOT IN", "%s", session(e))
	}
	row("outcomes", "%s", counts(a.Outcomes))
	row("said by", "%s", addresses(a.Exporters))
	row("flows", "%s partition %d, offsets %d to %d", a.Origin.Topic, a.Origin.Partition, a.Origin.FirstOffset, a.Origin.LastOffset)
	row("nfdump", "%s", Filter(a))
	_ = t.Flush() // who reads no more is no error
	for i := range a.Footprint {
		fmt.Fprintln(w)
		Draw(w, &a.Footprint[i])
	}
}

func origin(a *schema.Alert) string {
	s := siem.Source(a)
	if a.Internal {
		s += ", internal"
	} else {
		s += ", external"
	}
	if a.Country != "" {
		s += ", " + a.Country
	}
	if a.AS != 0 {
		s += fmt.Sprintf(", AS%d", a.AS)
	}
	if a.Site != "" {
		s += ", site " + a.Site
	}
	return s
}

func estimated(is bool) string {
	if is {
		return " (estimated)"
	}
	return ""
}

func ports(all []schema.PortCount) string {
	var s []string
	for _, p := range all {
		s = append(s, fmt.Sprintf("%s/%d on %d hosts", p.Proto, p.Port, p.Hosts))
	}
	return strings.Join(s, ", ")
}

func addresses(all []netip.Addr) string {
	var s []string
	for _, a := range all {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

func session(e schema.Endpoint) string {
	if e.Back {
		return fmt.Sprintf("%s opened a session to its scanner's %s/%d", e.Addr, e.Proto, e.Port)
	}
	return fmt.Sprintf("a session with %s %s/%d", e.Addr, e.Proto, e.Port)
}

func counts(m map[string]uint64) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s = append(s, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(s, ", ")
}
