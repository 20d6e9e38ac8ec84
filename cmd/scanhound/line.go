package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// appendLine appends an alert as one line for a person: who, what, how much,
// since when, how sure.
//
//	2026-11-21 07:33:36 open   horizontal  low       198.51.100.7 -> 25 hosts, 1 port (tcp/22), since 07:33:31, high confidence: ...
func appendLine(b []byte, a *schema.Alert) []byte {
	b = fmt.Appendf(b, "%s %-6s %-10s %-8s %s -> %s, since %s, %s confidence: %s",
		a.LastSeen.Format("2006-01-02 15:04:05"), a.State, a.Kind, a.Severity, source(a), extent(a),
		since(a), a.Confidence, a.Reason)
	return fmt.Appendf(b, " [%.12s.%d]", a.ID, a.Revision)
}

// source is the address, or the network where the scan is all of it.
func source(a *schema.Alert) string {
	if a.Prefix != 0 {
		return netip.PrefixFrom(a.Source, int(a.Prefix)).String()
	}
	return a.Source.String()
}

// extent is how many hosts and ports, with their names where they are few.
func extent(a *schema.Alert) string {
	hosts := plural(a.Hosts, "host")
	if a.Hosts.Count == 1 && len(a.Targets) == 1 {
		hosts = a.Targets[0].String()
	}
	switch {
	case a.Kind == schema.Protocols:
		return fmt.Sprintf("%s, %s", hosts, plural(a.Pairs, "IP protocol"))
	case len(a.TopPorts) == 0:
		return hosts
	}
	ports := plural(a.Ports, "port")
	if a.Ports.Count <= 3 && len(a.TopPorts) <= 3 {
		var names []string
		for _, p := range a.TopPorts {
			names = append(names, fmt.Sprintf("%s/%d", strings.ToLower(p.Proto), p.Port))
		}
		ports += " (" + strings.Join(names, ", ") + ")"
	}
	return hosts + ", " + ports
}

func plural(c schema.Count, what string) string {
	if c.Count != 1 {
		what += "s"
	}
	return c.String() + " " + what
}

// since leaves the day out where it is that of the line.
func since(a *schema.Alert) string {
	form := "15:04:05"
	if y, d := a.LastSeen.Year(), a.LastSeen.YearDay(); a.FirstSeen.Year() != y || a.FirstSeen.YearDay() != d {
		form = "2006-01-02 15:04:05"
	}
	return a.FirstSeen.Format(form)
}
