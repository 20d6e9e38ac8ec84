package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"text/tabwriter"

	"github.com/scanhound/scanhound/schema"
)

// exportersPage lists who sent what, and what is wrong with it.
func (in *Ingest) exportersPage(w http.ResponseWriter, _ *http.Request) {
	t := textTable(w)
	fmt.Fprintln(t, "exporter\tname\tdatagrams\tflows\tlost\tresets\tlimited\tskew\twrong time\tcorrected\ttemplates changed\tflapping\trefused\tsets refused\tlast seen")
	for _, e := range in.Exporters() {
		addr, name := e.Addr.String(), cmp.Or(e.Name, "-")
		if !e.Addr.IsValid() {
			addr = "(others)"
		}
		last := "never"
		if e.Last != 0 { // else others have heard it: another ingest, or an account that made room
			last = e.Last.Std().Format("2006-01-02 15:04:05")
		}
		m := &e.Templates
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", addr, name, e.Datagrams, e.Flows, e.Lost, e.Resets,
			e.Limited, e.Skew, e.Wrong, e.Corrected, m.Changed, m.Flapping, m.Refused, m.Sets, last)
	}
	_ = t.Flush() // a client that went away is no error
}

// Exporters returns the accounts of all workers together, by address.
func (in *Ingest) Exporters() []Exporter {
	by := sumOf(in.workers, func(e *Exporter) netip.Addr { return e.Addr })
	all := slices.Collect(maps.Values(by))
	slices.SortFunc(all, func(a, b Exporter) int { return a.Addr.Compare(b.Addr) })
	return all
}

// sumOf adds up the accounts of all workers by what key says.
func sumOf[K comparable](workers []*worker, key func(*Exporter) K) map[K]Exporter {
	by := map[K]Exporter{}
	for _, w := range workers {
		w.accounts(func(e *Exporter) {
			sum, known := by[key(e)]
			if !known {
				sum.Addr, sum.Name = e.Addr, e.Name
			}
			sum.add(e)
			by[key(e)] = sum
		})
	}
	return by
}

func (e *Exporter) add(o *Exporter) {
	if o.Last > e.Last {
		e.Last, e.Skew = o.Last, o.Skew
	}
	e.Datagrams += o.Datagrams
	e.Limited += o.Limited
	e.Flows += o.Flows
	e.Lost += o.Lost
	e.Resets += o.Resets
	e.Wrong += o.Wrong
	e.Corrected += o.Corrected
	e.Templates.add(&o.Templates)
}

// templatesPage lists the templates that are held, and those that are missing.
func (in *Ingest) templatesPage(w http.ResponseWriter, _ *http.Request) {
	t := textTable(w)
	fmt.Fprintln(t, "exporter\tport\tversion\tdomain\tid\tkind\tsampling\tannounced\tfields")
	for _, i := range in.templates.List() {
		kind := "data"
		if i.Options {
			kind = "options"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\t", i.Exporter, i.Port, i.Version, i.Domain, i.ID, kind, i.Sampling, i.When.Std().Format("2006-01-02 15:04:05"))
		for n, f := range i.Fields {
			if n > 0 {
				fmt.Fprint(t, " ")
			}
			fmt.Fprint(t, f)
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(t, "\nmissing: exporter\tport\tversion\tdomain\tid\tsets waiting\tsets lost\tfirst asked\tlast asked")
	for _, m := range in.templates.Missing() {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", m.Exporter, m.Port, m.Version, m.Domain, m.ID, m.Waiting.Sets, m.Lost.Sets,
			m.First.Std().Format("2006-01-02 15:04:05"), m.Last.Std().Format("2006-01-02 15:04:05"))
	}
	_ = t.Flush()
}

// servicesPage lists the ports that behave like services and are not in the list.
func (in *Ingest) servicesPage(w http.ResponseWriter, _ *http.Request) {
	t := textTable(w)
	fmt.Fprintln(t, "port\tprotocol\tflows in the sample\thosts that serve it")
	for _, worker := range in.workers {
		for _, p := range worker.proposals() {
			fmt.Fprintf(t, "%d\t%s\t%d\t%v\n", p.Port, schema.ProtoName(p.Proto), p.Flows, p.Hosts)
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w, "\nThese are proposals: orient-services is the list that is used. It has", len(in.cfg.Orient.Services), "ports.")
}

func textTable(w http.ResponseWriter) *tabwriter.Writer {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}
