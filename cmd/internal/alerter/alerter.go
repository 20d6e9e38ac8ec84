package alerter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Alerter is the program.
type Alerter struct {
	cfg      Config
	log      *slog.Logger
	consumer *stream.Consumer
	nats     *stream.NATS
	kafka    *service.Probe

	mu         sync.Mutex
	publishers map[int32]*stream.Publisher // by partition, kept when it goes
	read, bad  uint64
}

// New begins to connect to NATS and registers metrics and checks with s.
func New(cfg Config, s *service.Service) (*Alerter, error) {
	if _, err := cfg.Kafka.Options(); err != nil {
		return nil, s.MisconfiguredIn("kafka-", err)
	}
	a := &Alerter{cfg: cfg, log: s.Log, publishers: map[int32]*stream.Publisher{}}
	consume := cfg.Consumer
	consume.Topic, consume.Group = cfg.AlertsTopic, cfg.Group
	var err error
	if a.consumer, err = stream.NewConsumer(cfg.Kafka, consume, a.open, s.Log); err != nil {
		return nil, err
	}
	if a.nats, err = stream.DialNATS(cfg.NATS, s.Log); err != nil {
		return nil, s.MisconfiguredIn("nats-", err)
	}
	a.kafka = s.Probe("kafka", a.consumer.Ready)
	s.Ready("nats", a.nats.Connected)
	a.register(s)
	return a, nil
}

// Run publishes until ctx ends.
func (a *Alerter) Run(ctx context.Context) error {
	defer a.nats.Close()
	watch, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return a.kafka.Run(watch) })
	err := a.nats.EnsureStream(ctx)
	if err == nil {
		err = a.consumer.Run(ctx)
	}
	stop()
	return errors.Join(err, g.Wait())
}

func (a *Alerter) open(_ context.Context, at stream.Assignment) (stream.Worker, time.Time, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.publishers[at.Partition]
	if p == nil {
		p = a.nats.Publisher(a.cfg.Site)
		a.publishers[at.Partition] = p
	}
	return &worker{a, p}, time.Time{}, nil
}

// worker publishes one partition.
type worker struct {
	a         *Alerter
	publisher *stream.Publisher
}

// Process returns when NATS has acknowledged every alert of records. What is no
// alert is left out and counted.
func (w *worker) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	alerts := make([]*schema.Alert, 0, len(records))
	var bad uint64
	for _, r := range records {
		a, err := schema.ParseAlert(r.Value)
		if err != nil {
			bad++
			w.a.log.Warn("a record is left out: it is no alert", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
			continue
		}
		alerts = append(alerts, a)
	}
	w.a.mu.Lock()
	w.a.read += uint64(len(records))
	w.a.bad += bad
	w.a.mu.Unlock()
	if err := w.publisher.Publish(ctx, alerts); err != nil {
		return 0, err
	}
	return records[len(records)-1].Offset + 1, nil
}

// Close has nothing to let go of: the connection is shared.
func (w *worker) Close(stream.Reason) {}

// Stats adds up: Records = Bad + Published + Refused, but for those on their way
// and those that were cut off and read again.
type Stats struct {
	Records uint64
	Bad     uint64 // that are no alert
	stream.PublisherStats
	Consumer stream.ConsumerStats
}

// Stats may be called at any time, from any goroutine.
func (a *Alerter) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Stats{Records: a.read, Bad: a.bad, Consumer: a.consumer.Stats()}
	for _, p := range a.publishers {
		one := p.Stats()
		s.Published += one.Published
		s.Duplicates += one.Duplicates
		s.Refused += one.Refused
		s.Retries += one.Retries
	}
	return s
}

func (a *Alerter) register(s *service.Service) {
	s.Counter("records_total", "Kafka records read, those read again too.", func() uint64 { return a.Stats().Records })
	s.Counters("alerts_total", "Alert revisions by what became of them.", "fate",
		func(yield func(string, uint64)) {
			st := a.Stats()
			yield("published", st.Published-st.Duplicates)
			yield("duplicate", st.Duplicates)
			yield("refused", st.Refused)
			yield("no_alert", st.Bad)
		})
	s.Counter("retries_total", "Alert revisions sent to NATS again.", func() uint64 { return a.Stats().Retries })
}
