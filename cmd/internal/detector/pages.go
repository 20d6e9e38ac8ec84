package detector

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"text/tabwriter"

	"github.com/scanhound/scanhound/cmd/internal/explain"
	"github.com/scanhound/scanhound/cmd/internal/rules"
)

// rulesPage shows the profile that is chosen and the rules in force.
func (d *Detector) rulesPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(d.rules.InForce().Text()) // a client that went away is no error
}

// exceptionsPage lists the exceptions that are in force and what they hid.
func (d *Detector) exceptionsPage(w http.ResponseWriter, _ *http.Request) {
	list := d.known.InForce()
	hidden := make([]uint64, len(list.Exceptions))
	for _, worker := range d.held() {
		for i, n := range worker.hidden(list) {
			hidden[i] += n
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "hidden flows\tsources\ttargets\tports\texporters\tuntil\towner\treason")
	for i, e := range list.Exceptions {
		fmt.Fprintf(t, "%d\t%v\t%v\t%v\t%v\t%s\t%s\t%s\n", hidden[i], e.Sources, e.Targets, e.Ports, e.Exporters, rules.Until(&e), e.Owner, e.Reason)
	}
	_ = t.Flush()
}

// assetsPage lists the assets that are in force.
func (d *Detector) assetsPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "asset\tcriticality\tprefixes\trole\towner\texpected scanners")
	for _, a := range d.known.InForce().Assets {
		fmt.Fprintf(t, "%s\t%s\t%v\t%s\t%s\t%v\n", a.Name, a.Criticality, a.Prefixes, a.Role, a.Owner, a.Scanners)
	}
	_ = t.Flush()
}

// explainPage answers /explain?source=ADDRESS and /explain?alert=ID from the
// partition that has it.
func (d *Detector) explainPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var q explain.Subject
	if err := q.UnmarshalText([]byte(cmp.Or(query.Get("alert"), query.Get("source")))); err != nil {
		http.Error(w, "give a source or an alert: /explain?source=192.0.2.1, /explain?alert=ID: "+err.Error(), http.StatusBadRequest)
		return
	}
	for _, worker := range d.held() {
		if x, ok := worker.explain(q); ok {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			x.Write(w, d.known.InForce().Exceptions)
			return
		}
	}
	why := "nothing is held of " + q.String() + " here: it was not seen within the window"
	if q.Alert != "" {
		why = fmt.Sprintf("alert %s is not open here, nor among the last %d that closed in each partition", q, maxClosed)
	}
	http.Error(w, why+", or another detector has its partition", http.StatusNotFound)
}

// held returns the workers that own a partition now.
func (d *Detector) held() (list []*worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.workers {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *worker) int { return int(a.at.Partition - b.at.Partition) })
	return list
}
