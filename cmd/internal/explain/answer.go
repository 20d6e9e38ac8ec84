package explain

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/detect"
)

// Answer is what a detector that runs knows of a source.
type Answer struct {
	detect.Explanation
	Held   bool // there is state; else only closed alerts
	Spans  [4]time.Duration
	Asked  *Alert // the one that was asked about, if it has closed
	Closed []Alert
}

// Write writes the answer, with the exceptions of the list that name its source.
func (x *Answer) Write(w io.Writer, exceptions []detect.Exception) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if x.Asked != nil {
		x.Asked.rows(t)
	}
	for i := range x.Closed {
		if c := &x.Closed[i]; x.Asked == nil || c.ID != x.Asked.ID {
			fmt.Fprintf(t, "closed alert\t%s\t%s, %s, last seen %s\n", c.ID, c.Kind, fired(&c.Verdict), moment(c.Last))
		}
	}
	for i := range exceptions {
		if e := &exceptions[i]; e.Names(x.Source) {
			fmt.Fprintf(t, "exception\t%s of %s, %s: what it covers is counted as touched, never as failed\n", e.Reason, e.Owner, rules.Until(e))
		}
	}
	_ = t.Flush() // a client that went away is no error
	if x.Held {
		Source(w, &x.Explanation, x.Spans)
		return
	}
	fmt.Fprintf(w, "nothing is held of %s any more\n", x.Source)
}
