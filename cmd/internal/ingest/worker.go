package ingest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream"
)

// worker handles what one socket receives. Its socket's goroutine holds mu while
// it handles a batch; who wants to see the counts waits that long, less than a
// millisecond.
type worker struct {
	cfg     *Config
	batcher *stream.FlowBatcher

	mu        sync.Mutex
	decoder   *netflow.Decoder
	pairing   *detect.Pairing
	annotator *place.Annotator
	learner   *detect.Learner
	exporters *exporters
	alerted   *atomic.Pointer[detect.Sources]
	flows     []schema.Flow
	copies    []schema.Flow // of flows
	copied    uint64
	turn      uint // batches handled
}

// learnEvery: a sample is enough for the learner, which takes 380 ns a flow.
const learnEvery = 64

func newWorker(t *netflow.Templates, b *place.Book, alerted *atomic.Pointer[detect.Sources], cfg *Config) *worker {
	return &worker{
		cfg:       cfg,
		decoder:   netflow.NewDecoder(t, cfg.NetFlow),
		pairing:   detect.NewPairing(cfg.Orient.Conversations, cfg.Orient.Services),
		annotator: b.NewAnnotator(),
		learner:   detect.NewLearner(cfg.Orient.Services),
		exporters: newExporters(&cfg.Exporters),
		alerted:   alerted,
	}
}

// Handle decodes and orients a batch as a whole: the two records of a
// conversation often come in neighbouring datagrams.
func (w *worker) Handle(batch []stream.Datagram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flows = w.flows[:0]
	for i := range batch {
		w.decode(&batch[i])
	}
	w.handOn()
	w.batcher.Tick(schema.TimeOf(time.Now()))
}

// decode appends the flows of d, on the account of its exporter.
func (w *worker) decode(d *stream.Datagram) {
	e := w.exporters.of(d.From.Addr())
	if e == nil {
		return
	}
	e.Datagrams++
	e.Last = d.Received
	if !e.allow(d.Received, w.cfg.Exporters.Rate) {
		w.exporters.limited++
		return
	}
	before := len(w.flows)
	w.flows, _ = w.decoder.DecodeFrom(w.flows, d.From, d.Received, d.Data)
	port := uint16(0)
	if w.cfg.NetFlow.KeyByPort {
		port = d.From.Port()
	}
	e.follow(w.decoder.Header(), d.Received, port)
	e.Flows += uint64(len(w.flows) - before)
	e.check(w.flows[before:], &w.cfg.Exporters)
}

// handOn gives the flows to Kafka's batches.
func (w *worker) handOn() {
	if len(w.flows) == 0 {
		return
	}
	if w.turn++; w.turn%learnEvery == 0 {
		w.learner.Observe(w.flows)
	}
	w.pairing.Orient(w.flows)
	w.annotator.Annotate(w.flows)
	w.batcher.Add(w.flows)
	if w.copies = w.alerted.Load().Copies(w.copies[:0], w.flows); len(w.copies) > 0 {
		w.copied += uint64(len(w.copies))
		w.batcher.Add(w.copies)
	}
}

// Idle decodes what waited for a template that came from another ingest, and
// lets open batches grow old.
func (w *worker) Idle(now schema.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flows = w.decoder.Idle(w.flows[:0], now)
	w.handOn()
	w.batcher.Tick(now)
}

// Close hands over what is open.
func (w *worker) Close() { w.batcher.Close() }

// counts is what a worker has counted.
type counts struct {
	decoded          netflow.Stats
	oriented         detect.OrientStats
	refused, limited uint64
	copied           uint64
}

func (w *worker) counts() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return counts{w.decoder.Stats(), w.pairing.Stats, w.exporters.refused, w.exporters.limited, w.copied}
}

// accounts calls f with the account of every exporter, which it must not keep.
func (w *worker) accounts(f func(*Exporter)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.exporters.by {
		f(e)
	}
	if w.exporters.others.Datagrams > 0 {
		f(&w.exporters.others)
	}
}

func (w *worker) proposals() []detect.Proposal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.learner.Proposals()
}
