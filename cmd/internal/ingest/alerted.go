package ingest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// AlertsConfig says where ingest learns who scans.
type AlertsConfig struct {
	Topic string `default:"scanhound.alerts.v1" help:"Topic of alerts, in which ingest reads which sources have one, open or closed within 48 hours: a session that somebody opens to such a source is also copied to that source's partition, where its detector sees a target connect back. Empty: no copies are made."`
}

// alerted is who has an alert, open or closed lately, as far as this ingest knows. What it does not
// know yet, or never learns, costs copies: ingest itself does not wait for it.
type alerted struct {
	known   detect.Alerted                 // of the goroutine that reads the topic
	sources atomic.Pointer[detect.Sources] // for the workers: never changed, only replaced; nil: nobody
	count   struct{ learned, bad atomic.Uint64 }
}

// AlertedStats says what is known of who scans.
type AlertedStats struct {
	Sources uint64 // with an alert
	Learned uint64 // alert revisions read
	Bad     uint64 // records that are no alert
}

// followAlerts learns until ctx ends.
func (in *Ingest) followAlerts(ctx context.Context) error {
	if in.cfg.Alerts.Topic == "" {
		return nil
	}
	return stream.Follow(ctx, in.cfg.Kafka, in.cfg.Alerts.Topic, time.Now().Add(-detect.AlertedFor), in.learnAlerts, in.log)
}

func (in *Ingest) learnAlerts(records []*kgo.Record) {
	a := &in.alerted
	for _, r := range records {
		alert, err := schema.ParseAlert(r.Value)
		if err != nil {
			a.count.bad.Add(1)
			in.log.Warn("a record of the alerts topic is left out: it is no alert", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
			continue
		}
		a.known.Learn(alert)
		a.count.learned.Add(1)
	}
	if a.known.Changed() {
		a.sources.Store(a.known.Sources())
	}
}

// stats may be called from any goroutine.
func (a *alerted) stats() AlertedStats {
	return AlertedStats{
		Sources: uint64(a.sources.Load().Len()),
		Learned: a.count.learned.Load(), Bad: a.count.bad.Load(),
	}
}

// registerAlerted shows who is known and what came of it.
func (in *Ingest) registerAlerted(s *service.Service) {
	s.Gauge("alerted_sources", "Sources that have an alert, open or closed within 48 hours, as far as is known here.", func() float64 { return float64(in.alerted.stats().Sources) })
	s.Counters("alerts_read_total", "Records of the alerts topic: those learned from, and those that are no alert.", "what",
		func(yield func(string, uint64)) {
			st := in.alerted.stats()
			yield("learned", st.Learned)
			yield("bad", st.Bad)
		})
	s.Counter("copies_total", "Sessions with an alerted source that were copied to its partition; they are handed to Kafka beside the flows.",
		func() uint64 { return in.Stats().Copies })
}
