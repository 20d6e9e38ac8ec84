package detector

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// explained is what a partition knows of a source.
type explained struct {
	detect.Explanation
	held   bool // there is state; else only closed alerts
	spans  [4]time.Duration
	asked  *closedAlert // the one that was asked about
	closed []closedAlert
}

// explainPage answers /explain?source=ADDRESS and /explain?alert=ID from the
// partition that has it.
func (d *Detector) explainPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var q Subject
	if err := q.UnmarshalText([]byte(cmp.Or(query.Get("alert"), query.Get("source")))); err != nil {
		http.Error(w, "give a source or an alert: /explain?source=192.0.2.1, /explain?alert=ID: "+err.Error(), http.StatusBadRequest)
		return
	}
	for _, worker := range d.held() {
		if x, ok := worker.explain(q); ok {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			d.writeExplained(w, &x)
			return
		}
	}
	why := "nothing is held of " + q.String() + " here: it was not seen within the window"
	if q.Alert != "" {
		why = fmt.Sprintf("alert %s is not open here, nor among the last %d that closed in each partition", q, maxClosed)
	}
	http.Error(w, why+", or another detector has its partition", http.StatusNotFound)
}

func (d *Detector) writeExplained(w io.Writer, x *explained) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if x.asked != nil {
		x.asked.write(t)
	}
	for i := range x.closed {
		if x.asked == nil || x.closed[i].id != x.asked.id {
			fmt.Fprintf(t, "closed alert\t%s\t%s, %s, last seen %s\n", x.closed[i].id, x.closed[i].kind, fired(&x.closed[i].verdict), moment(x.closed[i].last))
		}
	}
	list := d.exceptions.Load()
	for i := range *list {
		if e := &(*list)[i]; e.Names(x.Source) {
			fmt.Fprintf(t, "exception\t%s of %s, %s: what it covers is counted as touched, never as failed\n", e.Reason, e.Owner, until(e))
		}
	}
	_ = t.Flush() // a client that went away is no error
	if x.held {
		WriteExplanation(w, &x.Explanation, x.spans)
		return
	}
	fmt.Fprintf(w, "nothing is held of %s any more\n", x.Source)
}

// WriteExplanation writes what is held of a source for a person.
func WriteExplanation(w io.Writer, x *detect.Explanation, spans [4]time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	where := "external"
	if x.Internal {
		where = "internal"
	}
	fmt.Fprintf(t, "source\t%s (%s), last seen %s\n", Subject{Source: x.Source, Net: x.Net}, where, moment(x.Last))
	fmt.Fprintf(t, "held\t%s failed targets, %s others, %d of them with a session\n", x.Failed, x.Other, x.Answered)
	if x.Told > 0 {
		fmt.Fprintf(t, "kept silent\t%d failed targets that a closed alert told of\n", x.Told)
	}
	if x.Down > 0 {
		fmt.Fprintf(t, "kept silent\t%d failed targets that are down: they fail for other sources too\n", x.Down)
	}
	for i := range x.Open {
		f := &x.Open[i]
		fmt.Fprintf(t, "open alert\t%s\trevision %d, from %s to %s\n", f.ID, f.Revision, moment(f.First), moment(f.Last))
		fmt.Fprintf(t, "\tfired at %s: %d failed targets within %s, the %s threshold is %d\n",
			keyName(f.Host, f.Proto, f.Port), f.Count, schema.Duration(f.Horizon), f.Rule, f.Threshold)
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
			fmt.Fprintf(t, "\t%d of %d", k.Counts[h], k.Threshold[h])
		}
		fmt.Fprintf(t, "\t%d\t%s\n", k.Good, k.Why)
	}
	_ = t.Flush() // a client that went away is no error
}

// WriteAlert writes which rule fired for an alert, by its last revision.
func WriteAlert(w io.Writer, a *schema.Alert) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	one := closedAlertOf(a)
	one.write(t)
	_ = t.Flush() // a client that went away is no error
}

func (c *closedAlert) write(w io.Writer) {
	fmt.Fprintf(w, "alert\t%s\trevision %d, %s\n", c.id, c.revision, c.reason)
	fmt.Fprintf(w, "\tfired: %s\n", fired(&c.verdict))
	fmt.Fprintf(w, "\ttold: %s, %s targets from %s to %s\n", c.kind, c.pairs, moment(c.first), moment(c.last))
}

func fired(v *schema.Verdict) string {
	return fmt.Sprintf("rule %s, threshold %d within %s", v.Rule, v.Threshold, v.Window)
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

func keyName(host netip.Addr, proto string, port uint16) string {
	switch {
	case host.IsValid():
		return host.String()
	case port != 0:
		return fmt.Sprintf("%s/%d", proto, port)
	}
	return "all"
}
