package output

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/cmd/internal/reload"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema/siem"
	"github.com/scanhound/scanhound/stream"
)

// Config is every setting of the outputs.
type Config struct {
	Outputs string `placeholder:"FILE" help:"YAML file of outputs beside NATS: files, syslog servers, webhooks, each with what it takes; read again when it changes. See docs/outputs.md."`
}

// Source is where the alerts are.
type Source struct {
	Kafka stream.KafkaConfig
	Topic string
	Group string // each output's is this, a dot and its name
	Site  string // of an alert that names none

	Consumer stream.ConsumerConfig // but for topic and group
}

// Set is the outputs of a file.
type Set struct {
	from    Source
	log     *slog.Logger
	version string
	files   *reload.Files
	changed chan struct{}

	mu      sync.Mutex
	entries []Entry
	all     map[string]*output // every one that there has been: what it counted stays
}

// New reads the file and registers metrics with s. Without a file there are no outputs.
func New(cfg Config, from Source, s *service.Service) (*Set, error) {
	o := &Set{
		from: from, log: s.Log, version: service.Version().Version, files: reload.New(s.Log),
		changed: make(chan struct{}, 1), all: map[string]*output{},
	}
	if err := o.files.Add("outputs", cfg.Outputs, o.take); err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	if cfg.Outputs != "" {
		o.register(s)
	}
	return o, nil
}

func (o *Set) take(text []byte) error {
	entries, err := Read(text)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = entries
	o.again()
	return nil
}

// Run works until ctx ends. When the file changes, all outputs end, commit, and begin anew.
func (o *Set) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.files.Run(ctx) })
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := o.runOnce(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// runOnce works until the file changes or ctx ends.
func (o *Set) runOnce(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	select {
	case <-o.changed: // what is read now
	default:
	}
	outputs, err := o.make()
	if err != nil {
		return err
	}
	g.Go(func() error {
		select {
		case <-o.changed:
			stop()
		case <-ctx.Done():
		}
		return nil
	})
	for _, out := range outputs {
		g.Go(func() error { return o.consume(ctx, out) })
	}
	return g.Wait()
}

// again says that the file has changed.
func (o *Set) again() {
	select {
	case o.changed <- struct{}{}:
	default: // one that waits is enough
	}
}

// make makes the outputs of the file as it is now. One of a name goes on counting.
func (o *Set) make() ([]*output, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var outputs []*output
	for i := range o.entries {
		e := &o.entries[i]
		to, err := url.Parse(e.To)
		if err != nil {
			return nil, err // Read has parsed it
		}
		out := o.all[e.Name]
		if out == nil {
			out = &output{log: o.log.With("output", e.Name)}
			o.all[e.Name] = out
		}
		out.Entry, out.policy = e, newPolicy(e)
		out.writer = siem.Writer{Format: e.Format, Version: o.version, Site: o.from.Site, Max: e.MaxBytes}
		out.sink, out.dead = sinkOf(e, to), nil
		if e.DeadLetters != "" {
			out.dead = &file{path: e.DeadLetters, maxSize: e.MaxSize, keep: e.MaxFiles}
		}
		outputs = append(outputs, out)
	}
	return outputs, nil
}

func sinkOf(e *Entry, to *url.URL) sink {
	switch to.Scheme {
	case "tcp", "tls":
		return newSyslog(e, to)
	case "http", "https":
		return newWebhook(e)
	}
	return &file{path: e.To, maxSize: e.MaxSize, keep: e.MaxFiles}
}

// drainTimeout is how long an output goes on with a batch when the program stops. One whose
// receiver is away would take all of it.
const drainTimeout = 3 * time.Second

func (o *Set) consume(ctx context.Context, out *output) error {
	open := func(context.Context, stream.Assignment) (stream.Worker, stream.From, error) {
		return out, stream.From{}, nil
	}
	cfg := o.from.Consumer
	cfg.Topic, cfg.Group, cfg.DrainTimeout = o.from.Topic, o.from.Group+"."+out.Name, drainTimeout
	c, err := stream.NewConsumer(o.from.Kafka, cfg, open, out.log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var digests sync.WaitGroup
	if out.Digest > 0 {
		digests.Go(func() { out.tellDigests(ctx) })
	}
	err = c.Run(ctx)
	stop()
	digests.Wait()
	out.lastDigest()
	if err != nil {
		return fmt.Errorf("output %s: %w", out.Name, err)
	}
	out.sink.close()
	if out.dead != nil {
		out.dead.close()
	}
	return nil
}

func (o *Set) register(s *service.Service) {
	each := func(read func(*output) uint64) func(func(string, uint64)) {
		return func(yield func(string, uint64)) {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, name := range slices.Sorted(maps.Keys(o.all)) {
				yield(name, read(o.all[name]))
			}
		}
	}
	help := [fates]string{
		"Alert revisions that an output's receiver has taken.", "Alert revisions that an output does not ask for.",
		"Updates left out since another of the alert came within updates-every.", "Alert revisions held back by an output's per-minute.",
		"Alert revisions that a receiver will never take.", "Records that are no alert.",
		"Alert revisions that an output tells in a digest.",
	}
	for f, name := range fateNames {
		s.Counters("output_"+name+"_total", help[f], "output", each(func(out *output) uint64 { return out.count[f].Load() }))
	}
	s.Gauges("output_waiting", "1 while an output's receiver takes nothing.", "output", func(yield func(string, float64)) {
		each(func(out *output) uint64 {
			if out.waits.Load() {
				return 1
			}
			return 0
		})(func(name string, n uint64) { yield(name, float64(n)) })
	})
	s.Counters("output_retries_total", "Batches sent again since an output's receiver did not take them.", "output",
		each(func(out *output) uint64 { return out.retry.Load() }))
}
