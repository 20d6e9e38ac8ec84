package detector

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/profile"
	"github.com/scanhound/scanhound/cmd/internal/reload"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/stream"
)

// Detector is the program.
type Detector struct {
	cfg        Config
	log        *slog.Logger
	book       *place.Book
	files      *reload.Files
	rules      *profile.Choice
	exceptions atomic.Pointer[[]detect.Exception]
	consumer   *stream.Consumer
	alerts     atomic.Pointer[stream.AlertProducer]
	kafka      *service.Probe

	mu      sync.Mutex
	workers map[int32]*worker // by partition
	gone    counts            // of the workers that were closed
}

// New checks the settings and registers metrics and checks with s.
func New(cfg Config, s *service.Service) (*Detector, error) {
	if err := cfg.Detect.Validate(); err != nil {
		return nil, err
	}
	if _, err := cfg.Kafka.Options(); err != nil {
		return nil, s.MisconfiguredIn("kafka-", err)
	}
	d := &Detector{cfg: cfg, log: s.Log, workers: map[int32]*worker{}}
	var err error
	if d.book, err = place.Open(cfg.Place, s.Log); err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	if err := d.readFiles(s); err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	consume := cfg.Consumer
	consume.Topic, consume.Group = cfg.FlowsTopic, cfg.Group
	if d.consumer, err = stream.NewConsumer(cfg.Kafka, consume, d.open, s.Log); err != nil {
		return nil, err
	}
	d.kafka = s.Probe("kafka", d.consumer.Ready)
	s.Ready("replay", d.replayed)
	d.register(s)
	return d, nil
}

// readFiles reads the files that are read again when they change.
func (d *Detector) readFiles(s *service.Service) error {
	d.files = reload.New(s.Log)
	d.exceptions.Store(new([]detect.Exception))
	d.rules = profile.New(d.cfg.Profile, d.cfg.Detect.Rules, s.Given)
	if d.cfg.Profile.Rules == "" {
		if err := d.rules.Take(nil); err != nil {
			return err
		}
	}
	if err := errors.Join(
		d.files.Add("rules", d.cfg.Profile.Rules, d.rules.Take),
		d.files.Add("exceptions", d.cfg.Exceptions, d.takeExceptions),
	); err != nil {
		return err
	}
	if f := d.rules.InForce(); f.Idle() {
		s.Log.Warn("the rules file changes nothing of the profile that is chosen", "profile", f.Name, "file", f.File)
	}
	return nil
}

func (d *Detector) takeExceptions(text []byte) error {
	list, err := ReadExceptions(text)
	if err == nil {
		d.exceptions.Store(&list)
	}
	return err
}

// Run detects until ctx ends.
func (d *Detector) Run(ctx context.Context) error {
	watch, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return d.kafka.Run(watch) })
	g.Go(func() error { return d.book.Run(watch) })
	g.Go(func() error { return d.files.Run(watch) })
	err := d.run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

func (d *Detector) run(ctx context.Context) error {
	if err := stream.PrepareTopic(ctx, d.cfg.Kafka, d.cfg.Alerts.Topic, d.cfg.Topic, d.log); err != nil {
		return err
	}
	p, err := stream.OpenAlertProducer(ctx, d.cfg.Kafka, d.cfg.Alerts, d.log)
	if err != nil {
		return err
	}
	defer p.Close()
	d.alerts.Store(p)
	return d.consumer.Run(ctx)
}

// lookback is how much more than the window is read again: flows are stamped
// with their arrival, and an exporter tells of a flow when it has ended.
const lookback = time.Hour

// open makes the worker of a partition. Its state is rebuilt from the flows of
// the window before what was last committed.
func (d *Detector) open(_ context.Context, a stream.Assignment) (stream.Worker, time.Time, error) {
	cfg, rules := d.cfg.Detect, d.rules.InForce()
	cfg.Rules = rules.Rules
	state, err := detect.New(cfg)
	if err != nil {
		return nil, time.Time{}, err
	}
	w := &worker{d: d, at: a, state: state, rules: rules}
	d.mu.Lock()
	d.workers[a.Partition] = w
	d.mu.Unlock()
	from := time.Time{}
	if a.Committed > a.Earliest && !a.LastStamp.IsZero() {
		from = a.LastStamp.Add(-d.cfg.Detect.Window - lookback)
		d.log.Info("reading the window's flows again", "partition", a.Partition, "from", from, "committed", a.Committed)
	}
	return w, from, nil
}

// replayed says why alerts would come late: state is still being rebuilt.
func (d *Detector) replayed() error {
	var left int64
	for _, p := range d.consumer.Stats().Partitions {
		left += p.Replay
	}
	if left > 0 {
		return errReplay
	}
	return nil
}

var errReplay = errors.New("reading the window's flows again to rebuild state")

func (d *Detector) forget(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.workers[w.at.Partition] == w {
		delete(d.workers, w.at.Partition)
	}
	c := w.counts()
	c.state.Sources = 0 // those are held no more
	d.gone.add(&c)
}
