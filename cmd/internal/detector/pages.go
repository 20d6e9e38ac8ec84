package detector

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// explainPage answers /explain?source=ADDRESS from the partition that has it.
func (d *Detector) explainPage(w http.ResponseWriter, r *http.Request) {
	source, err := netip.ParseAddr(r.URL.Query().Get("source"))
	if err != nil {
		http.Error(w, "give the address of a source: /explain?source=192.0.2.1", http.StatusBadRequest)
		return
	}
	for _, worker := range d.held() {
		if x, spans, ok := worker.explain(source); ok {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			WriteExplanation(w, &x, spans)
			return
		}
	}
	http.Error(w, "nothing is held of "+source.String()+" here: it was not seen within the window, or another detector has its partition", http.StatusNotFound)
}

// WriteExplanation writes what is held of a source for a person.
func WriteExplanation(w interface{ Write([]byte) (int, error) }, x *detect.Explanation, spans [4]time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	where := "external"
	if x.Internal {
		where = "internal"
	}
	fmt.Fprintf(t, "source\t%s (%s), last seen %s\n", x.Source, where, x.Last.Format("2006-01-02 15:04:05"))
	fmt.Fprintf(t, "held\t%s failed targets, %s others, %d of them with a session\n", x.Failed, x.Other, x.Answered)
	for _, id := range x.Open {
		fmt.Fprintf(t, "open alert\t%s\n", id)
	}
	if len(x.Keys) > 0 {
		fmt.Fprint(t, "\nrule\tkey")
		for _, s := range spans {
			fmt.Fprintf(t, "\t%s", schema.Duration(s))
		}
		fmt.Fprintln(t, "\tanswered\tverdict")
	}
	for _, k := range x.Keys {
		fmt.Fprintf(t, "%s\t%s", k.Rule, keyName(&k))
		for h := range k.Counts {
			fmt.Fprintf(t, "\t%d of %d", k.Counts[h], k.Threshold[h])
		}
		fmt.Fprintf(t, "\t%d\t%s\n", k.Good, k.Why)
	}
	_ = t.Flush() // a client that went away is no error
}

func keyName(k *detect.KeyCount) string {
	switch {
	case k.Host.IsValid():
		return k.Host.String()
	case k.Port != 0:
		return fmt.Sprintf("%s/%d", k.Proto, k.Port)
	}
	return "all"
}

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
		until := "for ever"
		if e.Until != 0 {
			until = e.Until.Std().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(t, "%d\t%v\t%v\t%v\t%v\t%s\t%s\t%s\n", hidden[i], e.Sources, e.Targets, e.Ports, e.Exporters, until, e.Owner, e.Reason)
	}
	_ = t.Flush()
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
