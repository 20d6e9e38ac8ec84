package detector

import (
	"fmt"
	"net/http"
	"slices"
	"text/tabwriter"

	"github.com/scanhound/scanhound/detect"
)

// rulesPage shows the profile that is chosen and the rules in force.
func (d *Detector) rulesPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(d.rules.InForce().Text()) // a client that went away is no error
}

// exceptionsPage lists the exceptions that are in force and what they hid.
func (d *Detector) exceptionsPage(w http.ResponseWriter, _ *http.Request) {
	list := d.exceptions.Load()
	hidden := make([]uint64, len(*list))
	for _, worker := range d.held() {
		for i, n := range worker.hidden(list) {
			hidden[i] += n
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "hidden flows\tsources\ttargets\tports\texporters\tuntil\towner\treason")
	for i, e := range *list {
		fmt.Fprintf(t, "%d\t%v\t%v\t%v\t%v\t%s\t%s\t%s\n", hidden[i], e.Sources, e.Targets, e.Ports, e.Exporters, until(&e), e.Owner, e.Reason)
	}
	_ = t.Flush()
}

func until(e *detect.Exception) string {
	if e.Until == 0 {
		return "for ever"
	}
	return e.Until.Std().Format("2006-01-02 15:04")
}

// held returns the workers that own a partition now.
func (d *Detector) held() (list []*worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *worker) int { return int(a.at.Partition - b.at.Partition) })
	return list
}
