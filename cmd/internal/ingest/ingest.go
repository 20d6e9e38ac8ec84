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
	refusal    stream.Trouble // of Kafka, at the start
	service    *service.Service
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
	in := &Ingest{cfg: cfg, log: s.Log, service: s, udp: udp, book: book, templates: netflow.NewTemplates(cfg.NetFlow)}
	notices := &noticeLog{log: s.Log}
	for range udp.Workers() {
		in.workers = append(in.workers, newWorker(in.templates, book, notices, &in.alerted.sources, &in.cfg))
	}
	in.kafka = s.Probe("kafka", in.reachable)
	in.register(s)
	return in, nil
}

// Addrs are the addresses on which datagrams are received.
func (in *Ingest) Addrs() []netip.AddrPort { return in.udp.Addrs() }

func (in *Ingest) reachable(ctx context.Context) error {
	if err := in.refusal.Now(); err != nil {
		return err
	}
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
	var p *stream.FlowProducer
	var table *shared
	err := in.service.Start(ctx, func(ctx context.Context) error {
		return stream.Insist(ctx, &in.refusal, in.log, func(ctx context.Context) (err error) {
			p, table, err = in.connect(ctx)
			return err
		})
	})
	if err != nil {
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

// connect waits for Kafka, makes the topic of flows and loads the templates of
// other ingests.
func (in *Ingest) connect(ctx context.Context) (*stream.FlowProducer, *shared, error) {
	if err := stream.PrepareTopic(ctx, in.cfg.Kafka, in.cfg.Flows.Topic, in.cfg.flowsTopic(), in.log); err != nil {
		return nil, nil, err
	}
	p, err := stream.OpenFlowProducer(ctx, in.cfg.Kafka, in.cfg.Flows, in.log)
	if err != nil {
		return nil, nil, err
	}
	table, err := in.shareTemplates(ctx)
	if err != nil {
		p.Close(context.WithoutCancel(ctx))
		return nil, nil, err
	}
	return p, table, nil
}
