package detector

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/explain"
	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// worker owns one partition's state. Its goroutine holds mu while it counts a
// batch of records; who wants to see something waits that long.
type worker struct {
	d  *Detector
	at stream.Assignment

	mu      sync.Mutex
	state   *detect.Detector
	flows   []schema.Flow
	told    // of this batch
	own     recordCounts
	closed  closedAlerts
	rules   *rules.InForce // that state judges by
	edition uint64         // of the networks file that state knows
	known   *rules.Lists   // that state knows

	next    int64 // the flows below are in the state; -1: not known yet
	unsaid  bool  // and some above, whose alerts may not be in Kafka
	restore restoration
	kept    *checkpoints
	raw     []byte // a slice, for as long as it is at hand
}

// told is what there is to tell, and of these alerts what opened them.
type told struct {
	say    []schema.Alert
	opened []opened
}

// Process counts the flows of records and returns when their alerts are in Kafka.
func (w *worker) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	if err := w.count(records); err != nil {
		return 0, err
	}
	if err := w.d.alerts.Load().Produce(ctx, w.at.Partition, w.say); err != nil {
		return 0, err
	}
	w.d.watch.delays.took(time.Now(), len(w.say), w.opened)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next, w.unsaid = records[len(records)-1].Offset+1, false
	w.arrive(w.next)
	w.checkRestored()
	return w.next, nil
}

// count counts the flows of records; say is what there is to tell of them.
func (w *worker) count(records []*kgo.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.say, w.opened, w.unsaid = w.say[:0], w.opened[:0], true
	w.begins(records[0])
	w.learnFiles()
	w.state.SetMemory(w.d.budget.share())
	for _, r := range records {
		w.arrive(r.Offset)
		if w.d.cfg.Skip.Has(r) {
			w.own.Records++
			w.own.Skipped++
			w.d.log.Warn("a record is left out: skip-offsets says so", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
			continue
		}
		if err := w.d.cfg.Skip.Read(r, "skip-offsets", w.d.log, func() { w.countOne(r) }); err != nil {
			return err
		}
	}
	return nil
}

// countOne counts the flows of one record.
func (w *worker) countOne(r *kgo.Record) {
	w.read(r)
	alerts := w.d.observe(w.state, w.flows, r.Offset)
	for i := range alerts {
		if alerts[i].State == schema.Close {
			w.closed.add(&alerts[i])
		}
	}
	for i := range alerts {
		a := &alerts[i]
		if w.wasSaid(a, r.Offset) {
			w.own.Silent++
			continue
		}
		a.Origin.Topic, a.Origin.Partition = w.at.Topic, w.at.Partition
		w.d.book.Locate(a)
		w.note(a, r.Timestamp)
		w.say = append(w.say, *a)
	}
}

// learnFiles tells the state what the rules, the exceptions and the assets are
// and which prefixes are ours, when that has changed.
func (w *worker) learnFiles() {
	if r := w.d.rules.InForce(); r != w.rules {
		w.rules = r
		if err := w.state.SetRules(r.Rules); err != nil {
			panic("BUG: rules that were checked: " + err.Error())
		}
	}
	if known := w.d.known.InForce(); known != w.known {
		w.known = known
		w.state.SetExceptions(known.Exceptions)
		w.state.SetAssets(known.Assets)
	}
	if e := w.d.book.Edition(); e != w.edition {
		w.edition = e
		w.state.SetInternal(slices.Concat(w.d.cfg.Detect.Internal, w.d.book.Internal()))
	}
}

// read decodes what r holds. A flow that is none is skipped; behind a length
// that cannot be, the rest of the record is lost.
func (w *worker) read(r *kgo.Record) {
	w.own.Records++
	w.flows = w.flows[:0]
	for b := r.Value; len(b) > 0; {
		at := len(w.flows)
		w.flows = slices.Grow(w.flows, 1)[:at+1] // with what it held last, which is written over
		n, err := schema.ReadFlow(b, &w.flows[at])
		if err != nil {
			w.flows = w.flows[:at]
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

// Close writes what the next owner needs, unless that may have begun already, and gives
// the state up.
func (w *worker) Close(ctx context.Context, reason stream.Reason) {
	if reason != stream.Lost {
		w.save(ctx)
	}
	w.d.forget(w)
}

func (w *worker) counts() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return counts{w.own, w.state.Stats()}
}

// explain returns what is held of what is asked about, and the alerts of it that closed.
func (w *worker) explain(q explain.Subject) (x explain.Answer, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x.Spans = w.state.Horizons()
	if q.Alert == "" {
		x.Explanation, ok = q.Ask(w.state)
	} else if x.Explanation, ok = w.state.ExplainAlert(q.Alert); !ok {
		if x.Asked = w.closed.find(q); x.Asked == nil {
			return x, false
		}
		q = explain.Subject{Source: x.Asked.Source, Net: x.Asked.Net}
		x.Explanation, ok = q.Ask(w.state)
	}
	if !ok { // the window has nothing of it any more
		x.Source, x.Net = q.Source, q.Net
	}
	x.Held, x.Closed = ok, w.closed.of(x.Source, x.Net)
	return x, ok || len(x.Closed) > 0
}

// hidden returns what each exception of the list hid, nothing if state does not know it yet.
func (w *worker) hidden(list *rules.Lists) []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known != list {
		return nil
	}
	return w.state.Hidden()
}
