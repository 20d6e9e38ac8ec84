package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func TestAWorkersErrorEndsRun(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := consumerConfig(topic, topic)
		broken := errors.New("disk full")
		c := consumer(t, k, cfg, newDiary().open(func(_ context.Context, records []*kgo.Record) (int64, error) {
			return records[0].Offset + 5, broken
		}))
		fill(t, k, topic, 2, 10)
		err := c.Run(soon(t))
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "process partition") {
			t.Errorf("Run returned %v, want the worker's error", err)
		}
		got := committed(t, k, topic, topic)
		if max(got[0], got[1]) != 5 {
			t.Errorf("committed %v, want what was durable before the error", got)
		}
	})
}

func TestAWorkerThatCannotBeOpenedEndsRun(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 2, nil)
	broken := errors.New("no room")
	c := consumer(t, k, consumerConfig(topic, topic), func(context.Context, stream.Assignment) (stream.Worker, stream.From, error) {
		return nil, stream.From{}, broken
	})
	if err := c.Run(soon(t)); !errors.Is(err, broken) || !strings.Contains(err.Error(), "open partition") {
		t.Errorf("Run returned %v", err)
	}
}

func TestAConsumerOutlivesItsBroker(t *testing.T) {
	dir := t.TempDir()
	k := fakeKafka(t, embedded.KafkaConfig{Dir: dir})
	topic := k.topic(t, 3, nil)
	cfg := consumerConfig(topic, topic)
	cfg.CommitInterval = 0
	fill(t, k, topic, 3, 50)
	d := newDiary()
	c := consumer(t, k, cfg, d.open(durable))
	stop := started(t, c.Run)
	eventually(t, "the first are processed", func() bool { return d.distinct() == 150 })
	port := port(t, k)
	k.fake.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ready(ctx); err == nil || !strings.Contains(err.Error(), "reach Kafka") {
		t.Errorf("ready without a broker: %v", err)
	}
	again := fakeKafka(t, embedded.KafkaConfig{Dir: dir, Port: port})
	fill(t, again, topic, 3, 50)
	eventually(t, "the rest is processed", func() bool { return d.distinct() == 300 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	wantCommitted(t, again, topic, topic, 3, 100)
}

func TestFetchAndCommitErrorsAreCountedAndTriedAgain(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := consumerConfig(topic, topic)
	cfg.CommitInterval = 0
	k.fake.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: 2},
		kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: topic, Err: kerr.InvalidCommitOffsetSize, Count: 1},
	)
	c := consumer(t, k, cfg, newDiary().open(durable))
	started(t, c.Run)
	fill(t, k, topic, 1, 10)
	eventually(t, "the records come all the same", func() bool { s := c.Stats(); return s.Records == 10 && s.FetchErrors > 0 })
	eventually(t, "a commit failed", func() bool { return c.Stats().CommitFailures == 1 })
	fill(t, k, topic, 1, 10)
	eventually(t, "the next commit holds all", func() bool { s := c.Stats(); return len(s.Partitions) == 1 && s.Partitions[0].Committed == 20 })
}

func TestAConsumerStopsThoughItsBrokerIsGone(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := consumerConfig(topic, topic)
	cfg.CommitInterval = time.Hour
	fill(t, k, topic, 1, 10)
	d := newDiary()
	c := consumer(t, k, cfg, d.open(durable))
	stop := started(t, c.Run)
	eventually(t, "all is processed", func() bool { return d.count() == 10 })
	k.fake.Close()
	begin := time.Now()
	if err := stop(); err == nil || !strings.Contains(err.Error(), "commit what was processed last") {
		t.Errorf("Run returned %v, want that something is not committed", err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("stopped after %v", took)
	}
	if s := c.Stats(); s.CommitFailures != 1 || s.Commits != 0 {
		t.Errorf("stats %+v, want the commit to have failed", s)
	}
}
