package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
	"github.com/scanhound/scanhound/stream"
)

// document is one alert as its receiver reads it.
type document struct {
	text  []byte // without a line end
	alert *schema.Alert
	says  string // to a person; "": what siem.Message says
}

// sink is where documents go. send returns when the receiver has taken them, which is then
// committed. An error of kind refusal says that it will never take the documents it names;
// after any other they are sent again. A sink belongs to one goroutine.
type sink interface {
	send(ctx context.Context, docs []document) error
	close()
}

// refusal is what a receiver will never take, and why.
type refusal struct {
	docs []document
	why  error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%d documents are refused: %v", len(r.docs), r.why)
}

// output is an entry at work, over all its partitions.
type output struct {
	*Entry
	log    *slog.Logger
	writer siem.Writer
	count  [fates]atomic.Uint64
	retry  atomic.Uint64
	waits  atomic.Bool // its receiver takes nothing now

	mu     sync.Mutex // one batch at a time, whatever partition it is of
	policy *policy
	digest digest
	sink   sink
	dead   *file
}

// maxBatch is how many documents are sent together.
const maxBatch = 500

// Process sends the alerts of a partition, and returns when they were taken.
func (o *output) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.digest.due(o.Digest, now) {
		if err := o.tellDigest(ctx, now); err != nil {
			return 0, err
		}
	}
	var docs []document
	for _, r := range records {
		d, f := o.document(r)
		if f == sent {
			docs = append(docs, d)
			continue
		}
		o.count[f].Add(1)
	}
	for len(docs) > 0 {
		n := min(len(docs), maxBatch)
		if err := o.deliver(ctx, docs[:n]); err != nil {
			o.policy = newPolicy(o.Entry) // these come again, and have not been said
			return 0, err
		}
		docs = docs[n:]
	}
	return records[len(records)-1].Offset + 1, nil
}

// document makes the document of a record, unless it goes no further.
func (o *output) document(r *kgo.Record) (document, fate) {
	at := []any{"topic", r.Topic, "partition", r.Partition, "offset", r.Offset}
	a, err := schema.ParseAlert(r.Value)
	if err != nil {
		o.log.Warn("a record is left out: it is no alert", append(at, "error", err)...)
		return document{}, noAlert
	}
	now := time.Now()
	f := o.policy.decide(a, now)
	if f == inDigest {
		o.digest.add(a, now)
	}
	if f != sent {
		return document{}, f
	}
	text, err := o.writer.Append(nil, r.Value, a)
	if err != nil {
		o.log.Error("an alert is left out", append(at, "error", err)...)
		return document{}, refused
	}
	return document{text: text, alert: a}, sent
}

// deliver sends documents until they are taken or refused for good.
func (o *output) deliver(ctx context.Context, docs []document) error {
	for wait := time.Duration(0); ; {
		err := o.sink.send(ctx, docs)
		o.waits.Store(err != nil && !errors.As(err, new(*refusal)))
		var no *refusal
		switch {
		case err == nil:
			o.count[sent].Add(uint64(len(docs)))
			return nil
		case errors.As(err, &no):
			o.bury(no)
			o.count[sent].Add(uint64(len(docs) - len(no.docs)))
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("output %s: %d alerts: %w (last: %w)", o.Name, len(docs), ctx.Err(), err)
		}
		o.log.Warn("alerts wait for their receiver", "alerts", len(docs), "to", o.To, "error", err)
		o.retry.Add(1)
		wait = min(max(2*wait, time.Second), time.Minute)
		pause(ctx, max(wait, retryAfter(err)))
	}
}

// bury keeps what a receiver will never take, where the entry names a file for it.
func (o *output) bury(no *refusal) {
	o.count[refused].Add(uint64(len(no.docs)))
	for _, d := range no.docs {
		o.log.Error("an alert is left out: its receiver refuses it", "to", o.To, "id", d.alert.MessageID(), "bytes", len(d.text), "error", no.why)
	}
	if o.dead == nil {
		return
	}
	if err := o.dead.send(context.Background(), no.docs); err != nil {
		o.log.Error("what was refused is not kept", "dead-letters", o.DeadLetters, "error", err)
	}
}

// Close lets go of a partition; the sink goes with the output.
func (o *output) Close(context.Context, stream.Reason) {}

// busy is an error after which the receiver asked for a pause.
type busy struct {
	error
	pause time.Duration
}

func retryAfter(err error) time.Duration {
	var b *busy
	if errors.As(err, &b) {
		return min(b.pause, 10*time.Minute)
	}
	return 0
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
