package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream"
)

// Ingest is the program. Its sockets are bound from New on, so that nothing is
// lost that arrives while Kafka is still awaited, as far as the sockets hold it.
type Ingest struct {
	cfg        Config
	log        *slog.Logger
	udp        *stream.UDP
	templates  *netflow.Templates
	book       *place.Book
	workers    []*worker
	producer   atomic.Pointer[stream.FlowProducer]
	table      atomic.Pointer[stream.Table]
	badEntries atomic.Uint64
	alerted    alerted
	kafka      *service.Probe
}

// New binds the sockets and registers metrics and checks with s.
func New(cfg Config, s *service.Service) (*Ingest, error) {
	if _, err := cfg.Kafka.Options(); err != nil {
		return nil, s.MisconfiguredIn("kafka-", err)
	}
	book, err := place.Open(cfg.Place, s.Log)
	if err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	udp, err := stream.ListenUDP(cfg.UDP, s.Log)
	if err != nil {
		return nil, err
	}
	in := &Ingest{cfg: cfg, log: s.Log, udp: udp, book: book, templates: netflow.NewTemplates(cfg.NetFlow)}
	for range udp.Workers() {
		in.workers = append(in.workers, newWorker(in.templates, book, &in.alerted.sources, &in.cfg))
	}
	in.kafka = s.Probe("kafka", in.reachable)
	in.register(s)
	return in, nil
}

// Addrs are the addresses on which datagrams are received.
func (in *Ingest) Addrs() []netip.AddrPort { return in.udp.Addrs() }

func (in *Ingest) reachable(ctx context.Context) error {
	p := in.producer.Load()
	if p == nil {
		return in.cfg.Kafka.Ask(ctx)
	}
	return p.Reachable(ctx)
}

// flushTimeout is how long Kafka may take to accept what is held at the end.
const flushTimeout = 15 * time.Second

// Run receives until ctx ends, then hands over what is held.
func (in *Ingest) Run(ctx context.Context) error {
	defer in.udp.Close()
	watch, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return in.kafka.Run(watch) })
	g.Go(func() error { return in.book.Run(watch) })
	g.Go(func() error { return in.tellLosses(watch) })
	g.Go(func() error { return in.followAlerts(watch) })
	err := in.run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

func (in *Ingest) run(ctx context.Context) error {
	if err := stream.PrepareTopic(ctx, in.cfg.Kafka, in.cfg.Flows.Topic, in.cfg.Topic, in.log); err != nil {
		return err
	}
	p, err := stream.OpenFlowProducer(ctx, in.cfg.Kafka, in.cfg.Flows, in.log)
	if err != nil {
		return err
	}
	table, err := in.shareTemplates(ctx)
	if err != nil {
		p.Close(context.WithoutCancel(ctx))
		return err
	}
	in.producer.Store(p)
	in.log.Info("receiving", "addresses", in.udp.Addrs(), "topic", in.cfg.Flows.Topic, "partitions", p.Partitions())
	err = in.udp.Run(ctx, func(n int) stream.Handler {
		in.workers[n].batcher = p.NewBatcher()
		return in.workers[n]
	})
	table.stop()
	flush, done := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer done()
	return errors.Join(err, p.Close(flush), table.close(flush))
}
