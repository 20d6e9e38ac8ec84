package stream_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/stream"
)

func TestEveryRecordIsProcessedThenCommitted(t *testing.T) {
	for _, interval := range []time.Duration{0, 10 * time.Millisecond, time.Hour} {
		t.Run(fmt.Sprint("every ", interval), func(t *testing.T) {
			onEachKafka(t, func(t *testing.T, k kafka) {
				topic := k.topic(t, 3, nil)
				cfg := consumerConfig(topic, topic)
				cfg.CommitInterval = interval
				fill(t, k, topic, 3, 100)
				d := newDiary()
				c := consumer(t, k, cfg, d.open(durable))
				stop := started(t, c.Run)
				eventually(t, "all is processed", func() bool { return c.Stats().Records == 300 })
				if err := c.Ready(soon(t)); err != nil {
					t.Errorf("not ready: %v", err)
				}
				if interval < time.Hour {
					eventually(t, "all is committed", func() bool {
						s := c.Stats().Partitions
						return !slices.ContainsFunc(s, func(p stream.PartitionStats) bool { return p.Committed != 100 })
					})
				}
				s := c.Stats()
				if s.Bytes != 300*6 || s.Assigned != 1 || len(s.Partitions) != 3 || s.Partitions[0].Lag != 0 || s.Partitions[0].Next != 100 {
					t.Errorf("stats %+v", s)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				wantCommitted(t, k, topic, topic, 3, 100)
				if s := c.Stats(); s.Commits == 0 || s.CommitFailures != 0 || len(s.Partitions) != 0 {
					t.Errorf("in the end: %+v", s)
				}
				for p := range int32(3) {
					if !slices.IsSorted(d.offsets[p]) || len(d.offsets[p]) != 100 || !slices.Equal(d.closed[p], []stream.Reason{stream.Stopped}) {
						t.Errorf("partition %d: %d records, closed %v", p, len(d.offsets[p]), d.closed[p])
					}
				}
				if err := c.Ready(soon(t)); err == nil {
					t.Error("ready after the end")
				}
			})
		})
	}
}

func TestWhatIsNotDurableComesAgain(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, nil)
		cfg := consumerConfig(topic, topic)
		cfg.CommitInterval = 0
		fill(t, k, topic, 1, 100)
		d := newDiary()
		// Killed after the 40th was made durable, with all 100 processed.
		stop := started(t, consumer(t, k, cfg, d.open(func(context.Context, []*kgo.Record) (int64, error) { return 40, nil })).Run)
		eventually(t, "all is processed", func() bool { return d.count() == 100 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		wantCommitted(t, k, topic, topic, 1, 40)
		again := newDiary()
		stop = started(t, consumer(t, k, cfg, again.open(durable)).Run)
		eventually(t, "the rest is processed", func() bool { return again.count() == 60 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if again.offsets[0][0] != 40 || again.opened[0].Committed != 40 || again.opened[0].High != 100 {
			t.Errorf("began at %d with %+v, want 40", again.offsets[0][0], again.opened[0])
		}
	})
}

func TestAWorkerReadsAgainFromTheInstantThatItNames(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := consumerConfig(topic, topic)
		first := fill(t, k, topic, 2, 100)
		stop := started(t, consumer(t, k, cfg, newDiary().open(func(context.Context, []*kgo.Record) (int64, error) { return 60, nil })).Run)
		eventually(t, "60 are committed", func() bool {
			got := committed(t, k, topic, topic)
			return got[0] == 60 && got[1] == 60
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name  string
			from  func(stream.Assignment) time.Time
			first int64
		}{
			{"nowhere", func(stream.Assignment) time.Time { return time.Time{} }, 60},
			{"twenty seconds before what was last done", func(a stream.Assignment) time.Time { return a.LastStamp.Add(-20 * time.Second) }, 39},
			{"between two records", func(a stream.Assignment) time.Time { return a.LastStamp.Add(-500 * time.Millisecond) }, 59},
			{"before the beginning", func(a stream.Assignment) time.Time { return a.LastStamp.Add(-time.Hour) }, 0},
			{"above what was committed", func(a stream.Assignment) time.Time { return a.LastStamp.Add(20 * time.Second) }, 60},
			{"beyond the end", func(stream.Assignment) time.Time { return time.Now().Add(time.Hour) }, 60},
		} {
			t.Run(c.name, func(t *testing.T) {
				d := newDiary()
				never := func(context.Context, []*kgo.Record) (int64, error) { return 0, nil }
				stop := started(t, consumer(t, k, cfg, d.openFrom(c.from, never)).Run)
				want := int(100-c.first) * 2
				eventually(t, "all that follows is processed", func() bool { return d.count() == want })
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				for p := range int32(2) {
					if d.offsets[p][0] != c.first {
						t.Errorf("partition %d: began at %d, want %d", p, d.offsets[p][0], c.first)
					}
				}
				if got, want := d.opened[0].LastStamp, first.Add(59*time.Second); !got.Equal(want) {
					t.Errorf("last stamp %v, want %v", got, want)
				}
				wantCommitted(t, k, topic, topic, 2, 60) // replaying commits nothing lower
			})
		}
	})
}

func TestRecordsDeletedBeforeTheyWereReadAreCounted(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, nil)
		cfg := consumerConfig(topic, topic)
		fill(t, k, topic, 1, 100)
		stop := started(t, consumer(t, k, cfg, newDiary().open(func(context.Context, []*kgo.Record) (int64, error) { return 10, nil })).Run)
		eventually(t, "10 are committed", func() bool { return committed(t, k, topic, topic)[0] == 10 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := kadm.NewClient(cl).DeleteRecords(soon(t), kadm.Offsets{topic: {0: kadm.Offset{Topic: topic, At: 30}}}); err != nil {
			t.Fatal(err)
		}
		d := newDiary()
		c := consumer(t, k, cfg, d.open(durable))
		started(t, c.Run)
		eventually(t, "what is left is processed", func() bool { return d.count() == 70 })
		if s := c.Stats(); s.Expired != 20 {
			t.Errorf("expired %d, want 20", s.Expired)
		}
	})
}
