package detector

import (
	"net/http"
	"strconv"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/stream"
)

// recordCounts is what became of the records before detection.
type recordCounts struct {
	Records    uint64
	BadFlows   uint64 // messages that are no flow
	BadRecords uint64 // of these, records whose rest was lost with it
	Skipped    uint64 // records that skip-offsets leaves out
	Silent     uint64 // alerts that were said before, while state was rebuilt
}

type counts struct {
	recordCounts
	state detect.Stats
}

func (c *counts) add(o *counts) {
	c.Records += o.Records
	c.BadFlows += o.BadFlows
	c.BadRecords += o.BadRecords
	c.Skipped += o.Skipped
	c.Silent += o.Silent
	c.state.Add(&o.state)
}

// Stats is what the detector has counted, all partitions together.
type Stats struct {
	recordCounts
	Detect   detect.Stats
	Consumer stream.ConsumerStats
	Alerts   stream.AlertStats
}

// Stats may be called at any time, from any goroutine.
func (d *Detector) Stats() Stats {
	d.mu.Lock()
	sum := d.gone
	for w := range d.workers {
		c := w.counts()
		sum.add(&c)
	}
	d.mu.Unlock()
	s := Stats{recordCounts: sum.recordCounts, Detect: sum.state, Consumer: d.consumer.Stats()}
	if p := d.alerts.Load(); p != nil {
		s.Alerts = p.Stats()
	}
	return s
}

func (d *Detector) register(s *service.Service) {
	s.Page("GET /explain", http.HandlerFunc(d.explainPage))
	s.Page("GET /rules", http.HandlerFunc(d.rulesPage))
	s.Page("GET /exceptions", http.HandlerFunc(d.exceptionsPage))
	s.Page("GET /assets", http.HandlerFunc(d.assetsPage))
	s.Counter("files_broken_total", "Times that a changed file could not be used.", func() uint64 { return d.book.Broken() + d.files.Broken() })
	s.Counters("kept_silent_total", "What would have counted and did not, by guard: flows; of outage, fallback, cut_off, peer_to_peer, works_elsewhere, named_ports and ping_monitor, crossings of a threshold.", "guard",
		func(yield func(string, uint64)) {
			st := d.Stats().Detect
			for guard, n := range st.Guards {
				yield(guard, n)
			}
		})
	s.Gauge("state_bytes", "Bytes of state held.", func() float64 { return float64(d.Stats().Detect.Bytes) })
	s.Counter("records_total", "Kafka records read, those read again too.", func() uint64 { return d.Stats().Records })
	s.Counters("bad_input_total", "Messages that are no flow, records whose rest was lost with one, and records that skip-offsets leaves out.", "what",
		func(yield func(string, uint64)) {
			st := d.Stats()
			yield("flow", st.BadFlows)
			yield("record", st.BadRecords)
			yield("skipped", st.Skipped)
		})
	s.Counters("flows_total", "Flows by what became of them; they add up to those consumed.", "fate",
		func(yield func(string, uint64)) {
			st := d.Stats().Detect
			for fate, n := range st.Fates {
				yield(fate, n)
			}
		})
	s.Counters("sources_gone_total", "Sources that are held no more, by why.", "why",
		func(yield func(string, uint64)) {
			st := d.Stats().Detect
			yield("expired", st.Expired)
			yield("evicted", st.Evicted)
		})
	s.Counters("alerts_total", "Alert revisions by what became of them.", "fate",
		func(yield func(string, uint64)) {
			st := d.Stats()
			yield("produced", st.Alerts.Produced)
			yield("too_large", st.Alerts.Refused)
			yield("said_before", st.Silent)
		})
	s.Counters("scans_total", "Alerts opened, closed, and reopened because the scanner came back or got in; open and reopen less close are open now.", "state",
		func(yield func(string, uint64)) {
			st := d.Stats().Detect
			yield("open", st.Opened)
			yield("reopen", st.Reopened)
			yield("close", st.Closed)
		})
	d.registerState(s)
	d.watch.delays.register(s)
	s.Gauge("sources", "Sources held.", func() float64 { return float64(d.Stats().Detect.Sources) })
	d.registerConsumer(s)
}

func (d *Detector) registerConsumer(s *service.Service) {
	s.Counters("rebalances_total", "Times that the group gave this member partitions, took some back, and gave some away without waiting for it, since it heard nothing of it.", "what",
		func(yield func(string, uint64)) {
			st := d.consumer.Stats()
			yield("assigned", st.Assigned)
			yield("revoked", st.Revoked)
			yield("lost", st.Lost)
		})
	s.Gauges("lag_records", "Records that wait, by partition.", "partition",
		func(yield func(string, float64)) {
			for _, p := range d.consumer.Stats().Partitions {
				yield(strconv.Itoa(int(p.Partition)), float64(p.Lag))
			}
		})
}
