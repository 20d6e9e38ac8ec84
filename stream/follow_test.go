package stream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/stream"
)

// putAt writes a record with a stamp of its own.
func putAt(t *testing.T, k kafka, topic string, at time.Time) {
	t.Helper()
	cl, err := k.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(soon(t), &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: at}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestFollowReadsWhatIsStampedSinceAndWhatComesInAllPartitions(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 3, nil)
		now := time.Now()
		for range 10 {
			putAt(t, k, topic, now.Add(-time.Hour))
		}
		for range 10 {
			putAt(t, k, topic, now)
		}
		var seen, old atomic.Int64
		stop := started(t, func(ctx context.Context) error {
			return stream.Follow(ctx, k.KafkaConfig, topic, now.Add(-time.Minute), func(records []*kgo.Record) {
				for _, r := range records {
					if seen.Add(1); r.Timestamp.Before(now.Add(-time.Minute)) {
						old.Add(1)
					}
				}
			}, quiet())
		})
		eventually(t, "what is there is read", func() bool { return seen.Load()-old.Load() == 10 })
		putAt(t, k, topic, now)
		eventually(t, "what comes is read", func() bool { return seen.Load()-old.Load() == 11 })
		if old.Load() > 2 { // a batch begins before
			t.Errorf("%d records are older than what was asked for", old.Load())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFollowWaitsForATopicThatIsMadeLater(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := unique(t)
		var seen atomic.Int64
		stop := started(t, func(ctx context.Context) error {
			return stream.Follow(ctx, k.KafkaConfig, topic, time.Now().Add(-time.Minute), func(r []*kgo.Record) { seen.Add(int64(len(r))) }, quiet())
		})
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := stream.EnsureTopic(soon(t), cl, topic, 2, 1, nil); err != nil {
			t.Fatal(err)
		}
		putAt(t, k, topic, time.Now())
		eventually(t, "the record is read", func() bool { return seen.Load() == 1 })
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
