package ingest

import (
	"cmp"
	"net/http"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream"
)

// Stats is what ingest has counted, all workers together.
type Stats struct {
	UDP       stream.UDPStats
	Refused   uint64 // datagrams of exporters that may not send
	Limited   uint64 // datagrams beyond their exporter's rate
	Decoded   netflow.Stats
	Templates netflow.TemplatesStats
	Oriented  orient.Stats
	Alerted   AlertedStats
	Copies    uint64 // flows that were added a second time, for the partition of their destination
	Flows     stream.FlowStats
}

// Stats may be called at any time, from any goroutine.
func (in *Ingest) Stats() Stats {
	s := Stats{UDP: in.udp.Stats(), Templates: in.templates.Stats(), Alerted: in.alerted.stats()}
	for _, w := range in.workers {
		c := w.counts()
		s.Refused += c.refused
		s.Limited += c.limited
		s.Decoded.Add(c.decoded)
		s.Oriented.Add(c.oriented)
		s.Copies += c.copied
	}
	if p := in.producer.Load(); p != nil {
		s.Flows = p.Stats()
	}
	return s
}

func (in *Ingest) register(s *service.Service) {
	s.Counters("datagrams_total", "Datagrams that reached the sockets, by what the socket did with them.", "fate",
		func(yield func(string, uint64)) {
			u := in.udp.Stats()
			yield("received", u.Datagrams)
			yield("too_long", u.Truncated)
			yield("kernel_drop", u.KernelDrops)
		})
	s.Counters("left_out_total", "Datagrams received and not decoded, by why.", "why",
		func(yield func(string, uint64)) {
			st := in.Stats()
			yield("exporter_not_allowed", st.Refused)
			yield("exporter_rate", st.Limited)
		})
	s.Counters("decoded_total", "What the decoder met: datagrams by outcome, sets, records, templates.", "what",
		func(yield func(string, uint64)) {
			d := in.Stats().Decoded
			d.Each(yield)
		})
	s.Counters("oriented_total", "Flows by the rule that decided who started them.", "rule",
		func(yield func(string, uint64)) {
			for rule, n := range in.Stats().Oriented.By {
				yield(schema.Orientation(rule).String(), n)
			}
		})
	s.Counter("swapped_total", "Flows that were turned round.", func() uint64 { return in.Stats().Oriented.Swapped })
	s.Counter("initiator_denied_total", "Flows whose exporter named the wrong side as the one that started it, as their TCP flags or a half that sent nothing say.", func() uint64 { return in.Stats().Oriented.Denied })
	s.Counter("server_calls_total", "Flows marked as a server's call to a client that had just opened a session with it.", func() uint64 { return in.Stats().Oriented.ServerCalls })
	s.Gauge("flows_held", "Flows that may be such calls, while their session may still come.", func() float64 { return float64(in.Stats().Oriented.Held) })
	s.Counters("flows_total", "Flows handed to Kafka, copies too, by fate.", "fate",
		func(yield func(string, uint64)) {
			f := in.Stats().Flows
			yield("produced", f.Produced)
			yield("queue_full", f.QueueFull)
			yield("failed", f.Failed)
		})
	s.Gauge("flows_pending", "Flows on their way to Kafka.", func() float64 { return float64(in.Stats().Flows.Pending) })
	in.registerTemplates(s)
	in.registerExporters(s)
	in.registerAlerted(s)
	s.Counter("files_broken_total", "Times that a changed database or networks file could not be used.", in.book.Broken)
}

// registerTemplates shows what is known of templates, and what waits for one.
func (in *Ingest) registerTemplates(s *service.Service) {
	s.Gauge("templates", "Templates held.", func() float64 { return float64(in.templates.Stats().Held) })
	s.Counters("early_sets_total", "Data sets that came before their template, by what became of them.", "fate",
		func(yield func(string, uint64)) {
			w := in.templates.Stats().Waiting
			yield("recovered", w.Recovered.Sets)
			yield("lost", w.Lost.Sets)
		})
	s.Counter("early_sets_ambiguous_total", "Of these, sets whose template other ports of the address had announced, and not alike.",
		func() uint64 { return in.templates.Stats().Waiting.Ambiguous.Sets })
	s.Gauge("early_sets_waiting", "Data sets that wait for their template.", func() float64 { return float64(in.templates.Stats().Waiting.Waiting.Sets) })
	s.Gauge("templates_missing", "Templates that data asked for and nobody has announced.", func() float64 { return float64(in.templates.Stats().Missing) })
	s.Counters("templates_table_total", "Entries of the templates topic: loaded at the start, learned since, written, not written, and those that are none.", "what",
		func(yield func(string, uint64)) {
			var st stream.TableStats
			if t := in.table.Load(); t != nil {
				st = t.Stats()
			}
			yield("loaded", st.Loaded)
			yield("applied", st.Applied)
			yield("put", st.Put)
			yield("failed", st.Failed)
			yield("bad", in.badEntries.Load())
		})
}

// labelOf is the name of an exporter, or what those without one are called.
func labelOf(e *Exporter) string { return cmp.Or(e.Name, unnamed) }

// registerExporters shows accounts by name: those without one are together, so
// that the number of series is known beforehand.
func (in *Ingest) registerExporters(s *service.Service) {
	s.Page("GET /exporters", http.HandlerFunc(in.exportersPage))
	s.Page("GET /templates", http.HandlerFunc(in.templatesPage))
	s.Page("GET /services", http.HandlerFunc(in.servicesPage))
	counter := func(name, help string, of func(*Exporter) uint64) {
		s.Counters(name, help, "exporter", func(yield func(string, uint64)) {
			for name, e := range sumOf(in.workers, labelOf) {
				yield(name, of(&e))
			}
		})
	}
	counter("exporter_datagrams_total", "Datagrams by exporter.", func(e *Exporter) uint64 { return e.Datagrams })
	counter("exporter_flows_total", "Flows by exporter.", func(e *Exporter) uint64 { return e.Flows })
	counter("exporter_lost_total", "What the sequence numbers of exporters say is missing: flows (v5, IPFIX) or datagrams (v9, sFlow).", func(e *Exporter) uint64 { return e.Lost })
	counter("exporter_wrong_time_total", "Flows whose exporter's clock is wrong.", func(e *Exporter) uint64 { return e.Wrong })
	counter("exporter_corrected_time_total", "Of these, those moved to their arrival.", func(e *Exporter) uint64 { return e.Corrected })
	counter("exporter_templates_changed_total", "Times that an exporter changed a template.", func(e *Exporter) uint64 { return e.Templates.Changed })
	counter("exporter_templates_flapping_total", "Of these, those that came again and again: two exporters in one, as it seems.", func(e *Exporter) uint64 { return e.Templates.Flapping })
	counter("exporter_templates_refused_total", "Templates that cannot be: too many fields, impossible ids, records of no bytes or longer than a datagram.", func(e *Exporter) uint64 { return e.Templates.Refused })
	counter("exporter_sets_refused_total", "Sets that are shorter than their own header; what stands behind one is lost too.", func(e *Exporter) uint64 { return e.Templates.Sets })
	s.Gauges("exporter_skew_seconds", "Arrival minus export of the last datagram of an exporter with a name.", "exporter",
		func(yield func(string, float64)) {
			for name, e := range sumOf(in.workers, labelOf) {
				if name != unnamed {
					yield(name, e.Skew.Seconds())
				}
			}
		})
	s.Gauge("exporters", "Exporters that an account is kept of.", func() float64 { return float64(len(in.Exporters())) })
}
