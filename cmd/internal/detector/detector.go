package detector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/reload"
	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Detector is the program.
//
// wide: each field is something else that runs beside the others.
type Detector struct {
	cfg      Config
	log      *slog.Logger
	book     *place.Book
	files    *reload.Files
	rules    *rules.Choice
	known    rules.Known // of the exceptions and the assets
	consumer *stream.Consumer
	alerts   atomic.Pointer[stream.AlertProducer]
	store    atomic.Pointer[stream.StateStore]
	watch    lookout
	service  *service.Service
	observe  func(*detect.Detector, []schema.Flow, int64) []schema.Alert // its Observe

	mu      sync.Mutex
	workers map[*worker]struct{} // those of the partitions held
	gone    counts               // of the workers that were closed
	states  stateCounts
	budget  *budget
	frugal  frugal
}

// lookout is what the program looks at beside its work.
type lookout struct {
	kafka   *service.Probe
	refusal stream.Trouble // of Kafka, at the start
	peers   peers
	delays  delays
}

// New checks the settings and registers metrics and checks with s.
func New(cfg Config, s *service.Service) (*Detector, error) {
	if err := cfg.Detect.Validate(); err != nil {
		return nil, err
	}
	if _, err := cfg.Kafka.Options(); err != nil {
		return nil, s.MisconfiguredIn("kafka-", err)
	}
	d := &Detector{cfg: cfg, log: s.Log, service: s, observe: (*detect.Detector).Observe, workers: map[*worker]struct{}{}}
	var err error
	if d.book, err = place.Open(cfg.Place, s.Log); err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	if err := d.readFiles(s); err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	consume := cfg.Consumer
	consume.Topic, consume.Group, consume.Says = cfg.FlowsTopic, cfg.Group, d.says
	if d.consumer, err = stream.NewConsumer(cfg.Kafka, consume, d.open, s.Log); err != nil {
		return nil, err
	}
	d.budget = newBudget(cfg.Detect.Memory, s.Log)
	d.advise()
	d.watch.kafka = s.Probe("kafka", d.usable)
	s.Note("partitions", d.consumer.Spare)
	s.Note("settings", d.watch.peers.note)
	s.Note("checkpoints", d.unwritten)
	s.Ready("state", d.restoring)
	d.register(s)
	return d, nil
}

// readFiles reads the files that are read again when they change.
func (d *Detector) readFiles(s *service.Service) error {
	d.files = reload.New(s.Log)
	d.rules = rules.New(d.cfg.Choice, d.cfg.Detect.Rules, s.Given)
	if d.cfg.Choice.Rules == "" {
		if err := d.rules.Take(nil); err != nil {
			return err
		}
	}
	if err := errors.Join(
		d.files.Add("rules", d.cfg.Choice.Rules, d.rules.Take),
		d.files.Add("assets", d.cfg.Assets, d.known.TakeAssets),
		d.files.Add("exceptions", d.cfg.Exceptions, d.known.TakeExceptions),
	); err != nil {
		return err
	}
	if f := d.rules.InForce(); f.Idle() {
		s.Log.Warn("the rules file changes nothing of the profile that is chosen", "profile", f.Name, "file", f.File)
	}
	return nil
}

// advise logs what is allowed and seldom meant.
func (d *Detector) advise() {
	if len(d.cfg.Detect.Internal) == 0 && len(d.book.Internal()) == 0 {
		d.log.Warn("no network is said to be ours: every source is judged as one from outside, by higher thresholds and lower severities; give --internal, or --networks")
	}
	ours := slices.Concat(d.cfg.Detect.Internal, d.book.Internal())
	for _, a := range d.known.InForce().Assets {
		if len(ours) > 0 && !slices.ContainsFunc(a.Prefixes, func(p netip.Prefix) bool { return slices.ContainsFunc(ours, p.Overlaps) }) {
			d.log.Warn("an asset lies outside of all networks that are said to be ours", "asset", a.Name, "prefixes", a.Prefixes)
		}
	}
	for _, rule := range d.rules.InForce().Rules.Falling() {
		d.log.Warn("the thresholds of a rule fall with the time over which they count, so that the longer ones open first", "rule", rule)
	}
}

// Run detects until ctx ends.
func (d *Detector) Run(ctx context.Context) error {
	watch, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return d.watch.kafka.Run(watch) })
	g.Go(func() error { return d.book.Run(watch) })
	g.Go(func() error { return d.files.Run(watch) })
	g.Go(func() error { return d.comparePeers(watch) })
	g.Go(func() error { return d.tellProgress(watch) })
	g.Go(func() error { return d.frugal.run(watch, func() uint64 { return d.Stats().Detect.Bytes }) })
	err := d.run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

func (d *Detector) run(ctx context.Context) error {
	if err := d.service.Start(ctx, func(ctx context.Context) error {
		return stream.Insist(ctx, &d.watch.refusal, d.log, d.connect)
	}); err != nil {
		return err
	}
	defer d.alerts.Load().Close()
	defer d.store.Load().Close()
	return d.consumer.Run(ctx)
}

// usable says why Kafka cannot be used.
func (d *Detector) usable(ctx context.Context) error {
	if err := d.watch.refusal.Now(); err != nil {
		return err
	}
	if p := d.alerts.Load(); p != nil && p.Trouble.Now() != nil {
		return p.Trouble.Now()
	}
	return d.consumer.Ready(ctx)
}

// unwritten says why the state is not kept; alerts come all the same.
func (d *Detector) unwritten() string {
	if store := d.store.Load(); store != nil {
		if err := store.Trouble(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// connect waits for Kafka and makes the topics of alerts and of the state.
func (d *Detector) connect(ctx context.Context) error {
	g, each := errgroup.WithContext(ctx) // at once: Kafka takes a while to make one
	g.Go(func() error {
		return stream.PrepareTopic(each, d.cfg.Kafka, d.cfg.Alerts.Topic, d.cfg.alertsTopic(), d.log)
	})
	g.Go(func() error {
		return stream.PrepareState(each, d.cfg.Kafka, d.cfg.StateTopic, d.cfg.FlowsTopic, d.cfg.Topics, d.log)
	})
	g.Go(func() error {
		return stream.CheckFlows(each, d.cfg.Kafka, d.cfg.FlowsTopic, d.cfg.flowsNeed(), d.log)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	store, err := stream.OpenStateStore(d.cfg.Kafka, d.cfg.StateTopic, d.cfg.Group, d.log)
	if err != nil {
		return err
	}
	p, err := stream.OpenAlertProducer(ctx, d.cfg.Kafka, d.cfg.Alerts, d.log)
	if err != nil {
		store.Close()
		return err
	}
	d.alerts.Store(p)
	d.store.Store(store)
	return nil
}

// open makes the worker of a partition.
func (d *Detector) open(ctx context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
	w, err := d.worker(a)
	if err != nil {
		return nil, stream.From{}, err
	}
	from, err := w.look(ctx)
	if err != nil {
		d.forget(w)
		return nil, stream.From{}, err
	}
	return w, from, nil
}

// worker is one that knows nothing yet.
func (d *Detector) worker(a stream.Assignment) (*worker, error) {
	cfg, rules := d.cfg.Detect, d.rules.InForce()
	cfg.Rules = rules.Rules
	state, err := detect.New(cfg)
	if err != nil {
		return nil, err
	}
	w := &worker{d: d, at: a, state: state, rules: rules, next: -1, kept: newCheckpoints(time.Now())}
	d.mu.Lock()
	d.workers[w] = struct{}{}
	d.budget.divide(len(d.workers))
	d.mu.Unlock()
	w.state.SetMemory(d.budget.share())
	return w, nil
}

// digest is what detectors of one group should have in common. Which rules are in force
// may change while they run.
func (d *Detector) digest() uint64 {
	c := &d.cfg.Detect
	text := fmt.Sprintf("%v %v %+v", c.Window, c.Internal, d.rules.InForce().Rules)
	if assets := d.known.InForce().Assets; len(assets) > 0 {
		text += fmt.Sprintf(" %+v", assets)
	}
	return xxh3.HashString(text)
}

// restoring says why alerts come late: state is still being restored.
func (d *Detector) restoring() error {
	var all []error
	for _, w := range d.held() {
		all = append(all, w.restoring())
	}
	return errors.Join(all...)
}

// forget moves what w has counted to what is gone, in one step: no sum falls.
func (d *Detector) forget(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.workers, w)
	d.budget.divide(len(d.workers))
	d.budget.giveBack()
	c := w.counts()
	c.state.Sources, c.state.Bytes = 0, 0 // those are held no more
	d.gone.add(&c)
}
