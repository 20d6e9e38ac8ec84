package explain

import (
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// Source writes what is held of a source; spans are the horizons of its rules.
func Source(w io.Writer, x *detect.Explanation, spans [4]time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	where := "external"
	if x.Internal {
		where = "internal"
	}
	fmt.Fprintf(t, "source\t%s (%s), last seen %s\n", Subject{Source: x.Source, Net: x.Net}, where, moment(x.Last))
	fmt.Fprintf(t, "held\t%s failed targets, %s others, %d of them with a session\n", x.Failed, x.Other, x.Answered)
	if x.Sampled {
		fmt.Fprint(t, "sampled\tit is what sampled exporters show: they are judged apart\n")
	}
	if x.Reported > 0 {
		fmt.Fprintf(t, "kept silent\t%d failed targets that a closed alert told of\n", x.Reported)
	}
	if x.Down > 0 {
		fmt.Fprintf(t, "kept silent\t%d failed targets that are down: they fail for other sources too\n", x.Down)
	}
	for i := range x.Open {
		f := &x.Open[i]
		fmt.Fprintf(t, "open alert\t%s\trevision %d, from %s to %s\n", f.ID, f.Revision, moment(f.First), moment(f.Last))
		counted := "failed targets"
		if f.Reached {
			counted = "targets that were reached"
		}
		fmt.Fprintf(t, "\tfired at %s: %d %s within %s, the %s threshold is %d\n",
			keyName(f.Host, f.Proto, f.Port), f.Count, counted, schema.Duration(f.Horizon), f.Rule, f.Threshold)
	}
	_ = t.Flush() // the rows that follow have other columns
	writeKeys(w, x.Keys, spans)
}

func writeKeys(w io.Writer, keys []detect.KeyCount, spans [4]time.Duration) {
	if len(keys) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nrule\tkey")
	for _, s := range spans {
		fmt.Fprintf(t, "\t%s", schema.Duration(s))
	}
	fmt.Fprintln(t, "\tanswered\tverdict")
	for _, k := range keys {
		fmt.Fprintf(t, "%s\t%s", k.Rule, keyName(k.Host, k.Proto, k.Port))
		for h := range k.Counts {
			if k.Threshold[h] == 0 { // the rule does not count over it
				fmt.Fprint(t, "\t-")
				continue
			}
			fmt.Fprintf(t, "\t%d of %d", k.Counts[h], k.Threshold[h])
		}
		fmt.Fprintf(t, "\t%d\t%s\n", k.Good, k.Why)
	}
	_ = t.Flush() // a client that went away is no error
}

func keyName(host netip.Addr, proto string, port uint16) string {
	switch {
	case host.IsValid():
		return host.String()
	case port != 0:
		return fmt.Sprintf("%s/%d", proto, port)
	}
	return "all"
}
