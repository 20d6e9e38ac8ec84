package detect

import "github.com/scanhound/scanhound/schema"

// Reading is what one oriented flow says of its contact, before any state is asked.
type Reading struct {
	Guard    string // that keeps the flow silent; then the rest says nothing
	Strong   bool   // evidence that stands alone
	Faint    bool   // evidence that takes many
	Answered bool   // a session
}

// ReadFlow reads a flow as Observe does. knowsFlags says that its exporter has
// sent TCP flags, in this flow or before.
func ReadFlow(f *schema.Flow, knowsFlags bool) Reading {
	if g := silence(f); g != guardNone {
		return Reading{Guard: guards[g].name}
	}
	o := outcomeOf(f, knowsFlags)
	if f.Orientation == schema.OrientService && o.isProbe() {
		o = touched
	}
	return Reading{Strong: o&probes != 0, Faint: o&faint != 0, Answered: o&answered != 0}
}
