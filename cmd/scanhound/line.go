package main

import (
	"fmt"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// appendLine appends an alert as one line for a person: who, what, how much,
// since when, how sure.
//
//	2026-11-21 07:33:36 open   horizontal  low       198.51.100.7 -> 25 hosts, 1 port (tcp/22), since 07:33:31, high confidence: ...
func appendLine(b []byte, a *schema.Alert) []byte {
	b = fmt.Appendf(b, "%s %-6s %-10s %-8s %s -> %s, since %s, %s confidence: %s",
		a.LastSeen.Format("2006-01-02 15:04:05"), a.State, a.Kind, a.Severity, siem.Source(a), siem.Extent(a),
		since(a), a.Confidence, a.Reason)
	return fmt.Appendf(b, " [%.12s.%d]", a.ID, a.Revision)
}

// since leaves the day out where it is that of the line.
func since(a *schema.Alert) string {
	form := "15:04:05"
	if y, d := a.LastSeen.Year(), a.LastSeen.YearDay(); a.FirstSeen.Year() != y || a.FirstSeen.YearDay() != d {
		form = "2006-01-02 15:04:05"
	}
	return a.FirstSeen.Format(form)
}
