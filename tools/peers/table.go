package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// writeTable prints every row, and against each peer how ours does: CPU time as
// a part of theirs, rate as a multiple of theirs.
func writeTable(w io.Writer, rows []row, notes []string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(rows) > 0 {
		fmt.Fprintln(t, "version\tcollector\tCPU ns/record\tat its highest rate\trecords/s before 1 % loss\tingest's CPU is\tingest's rate is\t")
	}
	var ours row
	for _, r := range rows {
		cpu, rate := "", ""
		switch {
		case r.peer == "ingest":
			ours = r
		case ours.version == r.version:
			cpu, rate = ratio(ours.moderate, r.moderate), ratio(ours.best.sent, r.best.sent)
			if r.best.sent == 0 {
				rate = ""
			} else if r.limited {
				rate = "<= " + rate
			} else if ours.limited {
				rate = ">= " + rate
			}
		}
		loaded := "-"
		if r.loaded > 0 {
			loaded = fmt.Sprintf("%.0f", r.loaded)
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%s\t%s\t%s\t%s\t\n", r.version, r.peer, r.moderate, loaded, r.rate(), cpu, rate)
	}
	_ = t.Flush() // a terminal that is gone has nobody to tell
	for _, n := range notes {
		fmt.Fprintln(w, "-", n)
	}
}

func ratio(ours, theirs float64) string {
	if theirs == 0 {
		return "?"
	}
	return fmt.Sprintf("%.2f x", ours/theirs)
}

func thousands(n float64) string { return fmt.Sprintf("%.0f k", n/1000) }
