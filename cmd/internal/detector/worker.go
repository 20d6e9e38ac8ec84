package detector

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// worker owns one partition's state.
type worker struct {
	d     *Detector
	at    stream.Assignment
	state *detect.Detector
	flows []schema.Flow
	say   []schema.Alert // of this batch
	own   recordCounts

	edition uint64 // of the networks file that state knows

	mu    sync.Mutex
	shown counts
}

// Process counts the flows of records and returns when their alerts are in Kafka.
func (w *worker) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	w.say = w.say[:0]
	w.learnNetworks()
	for _, r := range records {
		w.read(r)
		alerts := w.state.Observe(w.flows, r.Offset)
		if r.Offset < w.at.Committed {
			w.own.Silent += uint64(len(alerts)) // said before, by whoever committed
			continue
		}
		for i := range alerts {
			w.place(&alerts[i])
		}
		w.say = append(w.say, alerts...)
	}
	w.show()
	if err := w.d.alerts.Load().Produce(ctx, slices.Clone(w.say)); err != nil {
		return 0, err
	}
	return records[len(records)-1].Offset + 1, nil
}

// learnNetworks tells the state which prefixes are ours, when that has changed.
func (w *worker) learnNetworks() {
	if e := w.d.book.Edition(); e != w.edition {
		w.edition = e
		w.state.SetInternal(slices.Concat(w.d.cfg.Detect.Internal, w.d.book.Internal()))
	}
}

// place says where an alert's flows stand and where its source is.
func (w *worker) place(a *schema.Alert) {
	a.Origin.Topic, a.Origin.Partition = w.at.Topic, w.at.Partition
	if w.d.book.Located() {
		where := w.d.book.Look(a.Source)
		a.Country, a.AS = where.Country.String(), where.AS
	}
	a.Site = w.d.book.Site(a.Source)
	for i := 0; a.Site == "" && i < len(a.Targets); i++ {
		a.Site = w.d.book.Site(a.Targets[i])
	}
}

// read decodes what r holds. A flow that is none is skipped; behind a length
// that cannot be, the rest of the record is lost.
func (w *worker) read(r *kgo.Record) {
	w.own.Records++
	w.flows = w.flows[:0]
	for b := r.Value; len(b) > 0; {
		w.flows = append(w.flows, schema.Flow{})
		n, err := schema.ReadFlow(b, &w.flows[len(w.flows)-1])
		if err != nil {
			w.flows = w.flows[:len(w.flows)-1]
			what := "a flow is left out: it is none"
			if w.own.BadFlows++; errors.Is(err, schema.ErrFrame) {
				w.own.BadRecords++
				what = "the rest of a record is left out"
			}
			w.d.log.Warn(what, "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		}
		b = b[n:]
	}
}

// Close gives the state up: the next owner builds its own.
func (w *worker) Close(stream.Reason) {
	w.show()
	w.d.forget(w)
}

func (w *worker) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = counts{w.own, w.state.Stats()}
}

func (w *worker) counts() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown
}
