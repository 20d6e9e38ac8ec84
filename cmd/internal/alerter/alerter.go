package alerter

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/cmd/internal/output"
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
	outputs  *output.Set
	scanners *scanners
	kafka    *service.Probe
	stored   *service.Probe
	service  *service.Service

	mu         sync.Mutex
	publishers map[int32]*stream.Publisher // by partition, kept when it goes
	read, bad  uint64
	skipped    uint64

	last atomic.Int64 // ms, when NATS had the last alert; 0: none yet
}

// New begins to connect to NATS and registers metrics and checks with s.
func New(cfg Config, s *service.Service) (*Alerter, error) {
	if _, err := cfg.Kafka.Options(); err != nil {
		return nil, s.MisconfiguredIn("kafka-", err)
	}
	a := &Alerter{cfg: cfg, log: s.Log, service: s, publishers: map[int32]*stream.Publisher{}}
	consume := cfg.Consumer
	consume.Topic, consume.Group = cfg.AlertsTopic, cfg.Group
	var err error
	if a.consumer, err = stream.NewConsumer(cfg.Kafka, consume, a.open, s.Log); err != nil {
		return nil, err
	}
	if a.nats, err = stream.DialNATS(cfg.NATS, s.Log); err != nil {
		return nil, s.MisconfiguredIn("nats-", err)
	}
	a.scanners = &scanners{nats: a.nats, log: s.Log, replica: cfg.NATS.Replicas, todo: map[string][]*schema.Alert{}}
	from := output.Source{Kafka: cfg.Kafka, Topic: cfg.AlertsTopic, Group: cfg.Group, Site: cfg.Site, Consumer: cfg.Consumer}
	if a.outputs, err = output.New(cfg.Outputs, from, s); err != nil {
		return nil, err
	}
	a.kafka = s.Probe("kafka", a.consumer.Ready)
	s.Ready("nats", a.nats.Connected)
	a.stored = s.Probe("nats stream", a.takes)
	s.Note("partitions", a.consumer.Spare)
	a.register(s)
	return a, nil
}

// Run publishes until ctx ends.
func (a *Alerter) Run(ctx context.Context) error {
	defer a.nats.Close()
	watch, stop := context.WithCancel(ctx)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var g errgroup.Group
	g.Go(func() error { return a.kafka.Run(watch) })
	g.Go(func() error { return a.stored.Run(watch) })
	g.Go(func() error { return a.scanners.Run(watch) })
	g.Go(func() error {
		err := a.giveUp(watch)
		if err != nil {
			end(err)
		}
		return err
	})
	// NATS that is away holds up no other output.
	g.Go(func() error {
		err := a.cfg.Kafka.Await(ctx, a.log)
		if err == nil {
			err = a.outputs.Run(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		end(err)
		return err
	})
	err := a.service.Start(ctx, a.connect)
	if err == nil {
		answers := &answers{nats: a.nats, scanners: a.scanners, stream: a.cfg.NATS.Name, log: a.log}
		stopAnswers := answers.start()
		err = a.consumer.Run(ctx)
		stopAnswers()
	}
	end(nil)
	stop()
	if gaveUp := g.Wait(); gaveUp != nil {
		return gaveUp // err follows from it
	}
	return err
}

// giveUp returns an error when NATS has not been reached for as long as the settings
// allow, or nil when ctx ends.
func (a *Alerter) giveUp(ctx context.Context) error {
	limit := a.cfg.NATS.GiveUpAfter
	if limit == 0 {
		return nil
	}
	look := time.NewTicker(max(limit/20, time.Millisecond))
	defer look.Stop()
	for reached := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		err := a.nats.Connected()
		switch {
		case err == nil:
			reached = time.Now()
		case time.Since(reached) >= limit:
			return service.Unreachable(fmt.Errorf("not within %v, the nats-give-up-after: %w", limit, err))
		}
	}
}

// takes says why NATS would not store an alert.
func (a *Alerter) takes(ctx context.Context) error {
	h := schema.AlertHeader{ID: "0"}
	return a.nats.Takes(ctx, h.Subject(a.cfg.Site))
}

// connect waits for NATS and Kafka.
func (a *Alerter) connect(ctx context.Context) error {
	if err := a.nats.EnsureStream(ctx); err != nil {
		return err
	}
	return a.cfg.Kafka.Await(ctx, a.log)
}

func (a *Alerter) open(_ context.Context, at stream.Assignment) (stream.Worker, stream.From, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.publishers[at.Partition]
	if p == nil {
		p = a.nats.Publisher(a.cfg.Site)
		a.publishers[at.Partition] = p
	}
	return &worker{a, p}, stream.From{}, nil
}

// worker publishes one partition.
type worker struct {
	a         *Alerter
	publisher *stream.Publisher
}

// Process returns when NATS has acknowledged every alert of records. They are passed
// on as they came, so that an alerter older than the detector takes nothing away. What
// is no alert is left out and counted.
func (w *worker) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	alerts := make([]stream.RawAlert, 0, len(records))
	var bad, skipped uint64
	for _, r := range records {
		if w.a.cfg.Skip.Has(r) {
			skipped++
			w.a.log.Warn("a record is left out: skip-alert-offsets says so", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
			continue
		}
		var a stream.RawAlert
		var err error
		if err := w.a.cfg.Skip.Read(r, "skip-alert-offsets", w.a.log, func() { a, err = stream.ReadAlert(r.Value) }); err != nil {
			return 0, err
		}
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
	w.a.skipped += skipped
	w.a.mu.Unlock()
	if err := w.publisher.Publish(ctx, alerts); err != nil {
		return 0, err
	}
	if len(alerts) > 0 {
		w.a.last.Store(time.Now().UnixMilli())
		w.a.scanners.note(ctx, alerts)
	}
	return records[len(records)-1].Offset + 1, nil
}

// Close has nothing to let go of: the connection is shared.
func (w *worker) Close(context.Context, stream.Reason) {}

// Stats adds up: Records = Bad + Skipped + Published + Refused, but for those on their way
// and those that were cut off and read again.
type Stats struct {
	Records uint64
	Bad     uint64 // that are no alert
	Skipped uint64 // that skip-alert-offsets leaves out
	stream.PublisherStats
	Consumer stream.ConsumerStats
}

// Stats may be called at any time, from any goroutine.
func (a *Alerter) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Stats{Records: a.read, Bad: a.bad, Skipped: a.skipped, Consumer: a.consumer.Stats()}
	for _, p := range a.publishers {
		one := p.Stats()
		s.Published += one.Published
		s.Duplicates += one.Duplicates
		s.Refused += one.Refused
		s.Retries += one.Retries
		s.Copies += one.Copies
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
			yield("skipped", st.Skipped)
		})
	s.Counters("rebalances_total", "Times that the group gave this member partitions, took some back, and gave some away without waiting for it, since it heard nothing of it.", "what",
		func(yield func(string, uint64)) {
			st := a.consumer.Stats()
			yield("assigned", st.Assigned)
			yield("revoked", st.Revoked)
			yield("lost", st.Lost)
		})
	s.Gauges("lag_records", "Records that wait, by partition.", "partition",
		func(yield func(string, float64)) {
			for _, p := range a.consumer.Stats().Partitions {
				yield(strconv.Itoa(int(p.Partition)), float64(p.Lag))
			}
		})
	s.Gauge("last_alert_timestamp_seconds", "When NATS acknowledged the last alert revision, in seconds since 1970; 0 before the first since the start.",
		func() float64 { return float64(a.last.Load()) / 1000 })
	s.Counter("scanners_written_total", "Times that a source was written to the bucket of active scanners, or taken out.", a.scanners.written.Load)
	s.Counter("scanners_failed_total", "Times that it could not be, and is tried again.", a.scanners.failed.Load)
	s.Gauge("scanners_waiting", "Sources that wait to be written to the bucket of active scanners.", a.scanners.waiting)
	s.Counter("severe_copies_total", "Copies of high and critical revisions that their stream has acknowledged, repeated ones too.", func() uint64 { return a.Stats().Copies })
	s.Counter("retries_total", "Alert revisions sent to NATS again.", func() uint64 { return a.Stats().Retries })
}
