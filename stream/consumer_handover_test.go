package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func TestARebalanceLosesNothing(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		const partitions, each = 6, 200
		topic := k.topic(t, partitions, nil)
		cfg := consumerConfig(topic, topic)
		cfg.CommitInterval = time.Hour // only a hand-over commits
		d := newDiary()
		first := consumer(t, k, cfg, d.open(durable))
		stopFirst := started(t, first.Run)
		fill(t, k, topic, partitions, each)
		eventually(t, "the first consumer has all", func() bool { return len(first.Stats().Partitions) == partitions })

		second := consumer(t, k, cfg, d.open(durable))
		stopSecond := started(t, second.Run)
		fill(t, k, topic, partitions, each)
		eventually(t, "they share", func() bool {
			return len(first.Stats().Partitions) == partitions/2 && len(second.Stats().Partitions) == partitions/2
		})
		fill(t, k, topic, partitions, each)
		if err := stopFirst(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the second consumer has all", func() bool { return len(second.Stats().Partitions) == partitions })
		fill(t, k, topic, partitions, each)
		eventually(t, "all is processed", func() bool { return d.distinct() == 4*each*partitions })
		if err := stopSecond(); err != nil {
			t.Fatal(err)
		}
		wantCommitted(t, k, topic, topic, partitions, 4*each)
		if n := d.count(); n != 4*each*partitions {
			t.Errorf("%d records processed, want %d: something was handed over before its commit", n, 4*each*partitions)
		}
		if d.together {
			t.Error("two workers had one partition at the same time")
		}
		for p, offsets := range d.offsets {
			if !slices.IsSorted(offsets) {
				t.Errorf("partition %d was not processed in order", p)
			}
		}
	})
}

func TestAPartitionIsLetGoOnlyWhenItsRunningBatchIsCommitted(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := consumerConfig(topic, topic)
		cfg.CommitInterval = time.Hour
		fill(t, k, topic, 2, 10)
		release := make(chan struct{})
		d := newDiary()
		held := d.open(func(ctx context.Context, records []*kgo.Record) (int64, error) {
			<-release
			return durable(ctx, records)
		})
		first := consumer(t, k, cfg, held)
		stopFirst := started(t, first.Run)
		eventually(t, "a batch of each partition is running", func() bool {
			return d.do(func() bool { return len(d.offsets[0]) > 0 && len(d.offsets[1]) > 0 })
		})
		second := consumer(t, k, cfg, held)
		stopSecond := started(t, second.Run)
		eventually(t, "one partition is asked back", func() bool { return len(first.Stats().Partitions) == 1 })
		close(release)
		eventually(t, "the second consumer has it", func() bool { return len(second.Stats().Partitions) == 1 })
		eventually(t, "all is processed", func() bool { return d.distinct() == 20 })
		if err := errors.Join(stopFirst(), stopSecond()); err != nil {
			t.Fatal(err)
		}
		wantCommitted(t, k, topic, topic, 2, 10)
		if n := d.count(); n != 20 || d.opened[2].Committed <= 0 || d.together {
			t.Errorf("%d records processed, want 20; opened %+v again", n, d.opened[2])
		}
	})
}

func TestAMemberWithoutPartitionsIsReady(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, nil)
		cfg := consumerConfig(topic, topic)
		first := consumer(t, k, cfg, newDiary().open(durable))
		started(t, first.Run)
		eventually(t, "the first has the partition", func() bool { return len(first.Stats().Partitions) == 1 })
		second := consumer(t, k, cfg, newDiary().open(durable))
		started(t, second.Run)
		eventually(t, "the second is ready", func() bool { return second.Ready(soon(t)) == nil })
	})
}

func TestABatchThatDoesNotEndIsCutOffAndLeftToTheNextOwner(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := consumerConfig(topic, topic)
	cfg.DrainTimeout = 50 * time.Millisecond
	fill(t, k, topic, 1, 10)
	d := newDiary()
	stop := started(t, consumer(t, k, cfg, d.open(func(ctx context.Context, _ []*kgo.Record) (int64, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})).Run)
	eventually(t, "a batch is begun", func() bool { return d.count() > 0 })
	if err := stop(); err != nil {
		t.Errorf("Run returned %v, want a clean end", err)
	}
	if got := committed(t, k, topic, topic); len(got) != 0 {
		t.Errorf("committed %v, want nothing", got)
	}
}

func TestALostPartitionIsNotCommitted(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := consumerConfig(topic, topic)
	cfg.CommitInterval = time.Hour
	fill(t, k, topic, 1, 10)
	d := newDiary()
	var said logged
	c, err := stream.NewConsumer(k.KafkaConfig, cfg, d.open(durable), said.logger())
	if err != nil {
		t.Fatal(err)
	}
	started(t, c.Run)
	eventually(t, "all is processed", func() bool { return d.count() == 10 })
	faults := k.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID, Count: 1})
	eventually(t, "the partition is lost and comes again", func() bool {
		return d.do(func() bool { return slices.Contains(d.closed[0], stream.Lost) && len(d.opened) == 2 })
	})
	if faults.Hits() == 0 || d.opened[1].Committed != -1 {
		t.Errorf("opened with %+v, want nothing committed", d.opened[1])
	}
	eventually(t, "all is processed again", func() bool { return d.count() == 20 })
	if s := c.Stats(); s.Lost != 1 || s.Assigned != 2 || s.Revoked != 0 || !said.has("the group has given our partitions away") {
		t.Errorf("lost %d times, assigned %d times, revoked %d times; or the log does not say it", s.Lost, s.Assigned, s.Revoked)
	}
}

func TestABatchOfALostPartitionIsCutOffAtOnce(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := consumerConfig(topic, topic)
	cfg.DrainTimeout = 20 * time.Minute // nobody waits for that
	fill(t, k, topic, 1, 10)
	d := newDiary()
	stop := started(t, consumer(t, k, cfg, d.open(func(ctx context.Context, records []*kgo.Record) (int64, error) {
		if d.do(func() bool { return len(d.opened) == 1 }) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return durable(ctx, records)
	})).Run)
	eventually(t, "a batch is begun", func() bool { return d.count() > 0 })
	k.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID, Count: 1})
	eventually(t, "the partition is lost and comes again", func() bool {
		return d.do(func() bool { return slices.Contains(d.closed[0], stream.Lost) && len(d.opened) == 2 })
	})
	if err := stop(); err != nil {
		t.Errorf("Run returned %v, want a clean end", err)
	}
}
