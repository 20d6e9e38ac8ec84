package explain

import (
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Alert is what explains an alert, of its last revision: that says everything,
// and would take ten times as much.
type Alert struct {
	ID       string
	Revision uint32
	Source   netip.Addr
	Net      bool // the source is all of an IPv6 /64
	Kind     schema.Kind
	Verdict  schema.Verdict
	Reason   string
	Pairs    schema.Count
	First    time.Time
	Last     time.Time
}

// AlertOf returns what explains a.
func AlertOf(a *schema.Alert) Alert {
	return Alert{
		ID: a.ID, Revision: a.Revision, Source: a.Source, Net: a.Prefix != 0, Kind: a.Kind,
		Verdict: a.Verdict, Reason: a.Reason, Pairs: a.Pairs, First: a.FirstSeen, Last: a.LastSeen,
	}
}

// Write writes which rule fired for the alert.
func (a *Alert) Write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	a.rows(t)
	_ = t.Flush() // a client that went away is no error
}

func (a *Alert) rows(w io.Writer) {
	fmt.Fprintf(w, "alert\t%s\trevision %d, %s\n", a.ID, a.Revision, a.Reason)
	fmt.Fprintf(w, "\tfired: %s\n", fired(&a.Verdict))
	fmt.Fprintf(w, "\ttold: %s, %s targets from %s to %s\n", a.Kind, a.Pairs, moment(a.First), moment(a.Last))
}

func fired(v *schema.Verdict) string {
	return fmt.Sprintf("rule %s, threshold %d within %s", v.Rule, v.Threshold, v.Window)
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04:05") }
