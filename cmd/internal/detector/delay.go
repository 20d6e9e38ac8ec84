package detector

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
)

// delays is how long it takes from a flow to the alert that it opens.
type delays struct {
	sinceStart, sinceArrival prometheus.Histogram
	last                     atomic.Int64 // ms, when Kafka had the last alert; 0: none yet
}

// From the time of a batch to that of a flow that an exporter tells of when it ends.
var delayBuckets = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800, 3600}

func (d *delays) register(s *service.Service) {
	d.sinceStart = s.Histogram("alert_delay_seconds", "Seconds from the start of the flow that opened an alert until the alert was in Kafka; exporters tell of a flow when it has ended, or after their active timeout.", delayBuckets)
	d.sinceArrival = s.Histogram("alert_delay_arrival_seconds", "Seconds from the arrival at ingest of the flow that opened an alert until the alert was in Kafka.", delayBuckets)
	s.Gauge("last_alert_timestamp_seconds", "When Kafka took the last alert revision, in seconds since 1970; 0 before the first since the start.", func() float64 { return float64(d.last.Load()) / 1000 })
}

// opened is an alert that was opened: by a flow that began and arrived then.
type opened struct{ started, arrived time.Time }

// note remembers what opened an alert that is to be said.
func (w *worker) note(a *schema.Alert, arrived time.Time) {
	if a.State == schema.Open && a.Revision == 1 {
		w.opened = append(w.opened, opened{a.LastSeen, arrived})
	}
}

// took observes that what is to be said of a batch is in Kafka.
func (d *delays) took(now time.Time, revisions int, opened []opened) {
	if revisions > 0 {
		d.last.Store(now.UnixMilli())
	}
	for _, o := range opened {
		d.sinceStart.Observe(max(0, now.Sub(o.started).Seconds()))
		d.sinceArrival.Observe(max(0, now.Sub(o.arrived).Seconds()))
	}
}
