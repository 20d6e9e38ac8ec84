package output

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// away is a sink whose receiver comes back at a time.
type away struct {
	until time.Time
	tries int
	taken map[string]int // by message id
}

func (a *away) send(_ context.Context, docs []document) error {
	a.tries++
	if time.Now().Before(a.until) {
		return errors.New("nobody is there")
	}
	for _, d := range docs {
		a.taken[d.alert.MessageID()]++
	}
	return nil
}

func (a *away) close() {}

// A receiver that is away for an hour is asked every minute, and within a minute of its return has
// each alert once. Nothing is committed before.
func TestAReceiverThatIsAwayForAnHourHasEverythingAMinuteAfterItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		sink := &away{until: began.Add(time.Hour), taken: map[string]int{}}
		e := &Entry{Name: "soc"}
		o := &output{Entry: e, log: slog.New(slog.DiscardHandler), writer: siem.Writer{Format: siem.ECS, Max: 1 << 20}, policy: newPolicy(e), sink: sink}
		var records []*kgo.Record
		for i := range 3*maxBatch + 1 {
			text, err := schema.AppendAlert(nil, alert("a", uint32(i+1)))
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, &kgo.Record{Offset: int64(i), Value: text})
		}
		waited := make(chan bool, 1)
		time.AfterFunc(59*time.Minute, func() { waited <- o.waits.Load() })
		next, err := o.Process(t.Context(), records)
		if took := time.Since(began); err != nil || next != int64(len(records)) || took < time.Hour || took > time.Hour+time.Minute {
			t.Errorf("offset %d after %v, %v", next, took, err)
		}
		if !<-waited || o.waits.Load() {
			t.Error("that it waits is not said, or still is")
		}
		t.Logf("%d retries", o.retry.Load())
		// 1, 2, 4, 8, 16, 32 seconds, and then once a minute.
		if retries := o.retry.Load(); retries < 60 || retries > 70 || sink.tries != int(retries)+4 {
			t.Errorf("%d retries, %d tries", retries, sink.tries)
		}
		if len(sink.taken) != len(records) || o.count[sent].Load() != uint64(len(records)) {
			t.Errorf("%d of %d are there, %d counted", len(sink.taken), len(records), o.count[sent].Load())
		}
		for id, n := range sink.taken {
			if n != 1 {
				t.Errorf("%s is there %d times", id, n)
			}
		}
		// One that is told to end meanwhile ends at once, and commits nothing.
		sink.until = time.Now().Add(time.Hour)
		ctx, stop := context.WithTimeout(t.Context(), drainTimeout)
		defer stop()
		again := time.Now()
		if _, err := o.Process(ctx, records[:1]); !errors.Is(err, context.DeadlineExceeded) || time.Since(again) != drainTimeout {
			t.Errorf("%v after %v", err, time.Since(again))
		}
	})
}
