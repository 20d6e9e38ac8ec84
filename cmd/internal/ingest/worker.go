package ingest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/orient"
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
	pairing   *orient.Pairing
	annotator *place.Annotator
	learner   *orient.Learner
	exporters *exporters
	notices   *noticeLog
	alerted   *atomic.Pointer[detect.Sources]
	flows     []schema.Flow
	copies    []schema.Flow // of flows
	copied    uint64
	turn      uint // batches handled
}

// learnEvery: a sample is enough for the learner, which takes 380 ns a flow.
const learnEvery = 64

func newWorker(t *netflow.Templates, b *place.Book, log *noticeLog, alerted *atomic.Pointer[detect.Sources], cfg *Config) *worker {
	return &worker{
		cfg:       cfg,
		decoder:   netflow.NewDecoder(t, cfg.NetFlow),
		pairing:   cfg.Orient.Pairing(),
		annotator: b.NewAnnotator(),
		learner:   cfg.Orient.Learner(),
		exporters: newExporters(&cfg.Exporters),
		notices:   log,
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
	now := schema.TimeOf(time.Now())
	w.handOn(now)
	w.batcher.Tick(now)
}

// decode appends the flows of d, and those of earlier datagrams that waited for a template.
func (w *worker) decode(d *stream.Datagram) {
	e := w.exporters.of(d.From.Addr(), d.Received)
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
	e.follow(w.decoder.Header(), d.Received)
	e.note(w.decoder.Notices(), d.Received, w.notices)
	w.exporters.credit(w.flows[before:])
}

// idle appends the flows that wait for a template no longer.
func (w *worker) idle(now schema.Time) {
	before := len(w.flows)
	w.flows = w.decoder.Idle(w.flows, now)
	w.exporters.credit(w.flows[before:])
}

// handOn orients the flows, and passes on all but those that may be server calls.
func (w *worker) handOn(now schema.Time) {
	if len(w.flows) > 0 {
		if w.turn++; w.turn%learnEvery == 0 {
			w.learner.Observe(w.flows)
		}
		w.pairing.Orient(w.flows)
	}
	w.pass(w.pairing.Hold(w.flows, now))
}

// pass gives flows to Kafka's batches.
func (w *worker) pass(flows []schema.Flow) {
	if len(flows) == 0 {
		return
	}
	w.annotator.Annotate(flows)
	w.batcher.Add(flows)
	if w.copies = w.alerted.Load().Copies(w.copies[:0], flows); len(w.copies) > 0 {
		w.copied += uint64(len(w.copies))
		w.batcher.Add(w.copies)
	}
}

// Idle decodes what waited for a template that came from another ingest, and
// lets open batches grow old.
func (w *worker) Idle(now schema.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flows = w.flows[:0]
	w.idle(now)
	w.handOn(now)
	w.batcher.Tick(now)
}

// Close hands over what is held and what is open.
func (w *worker) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass(w.pairing.Release())
	w.batcher.Close()
}

// counts is what a worker has counted.
type counts struct {
	decoded          netflow.Stats
	oriented         orient.Stats
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
	if o := &w.exporters.others; o.Datagrams|o.Flows > 0 || o.Templates.any() {
		f(o)
	}
}

func (w *worker) proposals() []orient.Proposal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.learner.Proposals()
}
