package detector

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/profile"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// worker owns one partition's state. Its goroutine holds mu while it counts a
// batch of records; who wants to see something waits that long.
type worker struct {
	d  *Detector
	at stream.Assignment

	mu         sync.Mutex
	state      *detect.Detector
	flows      []schema.Flow
	say        []schema.Alert // of this batch
	own        recordCounts
	closed     closedAlerts
	rules      *profile.InForce    // that state judges by
	edition    uint64              // of the networks file that state knows
	exceptions *[]detect.Exception // that state knows
}

// Process counts the flows of records and returns when their alerts are in Kafka.
func (w *worker) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	w.count(records)
	if err := w.d.alerts.Load().Produce(ctx, w.say); err != nil {
		return 0, err
	}
	return records[len(records)-1].Offset + 1, nil
}

// count counts the flows of records; say is what there is to tell of them.
func (w *worker) count(records []*kgo.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.say = w.say[:0]
	w.learnFiles()
	for _, r := range records {
		w.read(r)
		alerts := w.state.Observe(w.flows, r.Offset)
		for i := range alerts {
			if alerts[i].State == schema.Close {
				w.closed.add(&alerts[i])
			}
		}
		if r.Offset < w.at.Committed {
			w.own.Silent += uint64(len(alerts)) // said before, by whoever committed
			continue
		}
		for i := range alerts {
			w.place(&alerts[i])
		}
		w.say = append(w.say, alerts...)
	}
}

// learnFiles tells the state what the rules and the exceptions are and which
// prefixes are ours, when that has changed.
func (w *worker) learnFiles() {
	if r := w.d.rules.InForce(); r != w.rules {
		w.rules = r
		if err := w.state.SetRules(r.Rules); err != nil {
			panic("BUG: rules that were checked: " + err.Error())
		}
	}
	if list := w.d.exceptions.Load(); list != w.exceptions {
		w.exceptions = list
		w.state.SetExceptions(*list)
	}
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
func (w *worker) Close(stream.Reason) { w.d.forget(w) }

func (w *worker) counts() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return counts{w.own, w.state.Stats()}
}

// explain returns what is held of what is asked about, and the alerts of it that closed.
func (w *worker) explain(q Subject) (x explained, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x.spans = w.state.Horizons()
	if q.Alert == "" {
		x.Explanation, ok = q.Ask(w.state)
	} else if x.Explanation, ok = w.state.ExplainAlert(q.Alert); !ok {
		if x.asked = w.closed.find(q.Alert); x.asked == nil {
			return x, false
		}
		q = Subject{Source: x.asked.source, Net: x.asked.net}
		x.Explanation, ok = q.Ask(w.state)
	}
	if !ok { // the window has nothing of it any more
		x.Source, x.Net = q.Source, q.Net
	}
	x.held, x.closed = ok, w.closed.of(x.Source, x.Net)
	return x, ok || len(x.closed) > 0
}

// hidden returns what each exception of the list hid, nothing if state does not know it yet.
func (w *worker) hidden(list *[]detect.Exception) []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.exceptions != list {
		return nil
	}
	return w.state.Hidden()
}
