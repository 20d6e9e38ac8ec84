package stream

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Table is a compacted topic that every member holds as a whole: what one puts,
// all others are told, and a new member is told all of it before it begins. It
// is for what is small and changes rarely, such as templates.
type Table struct {
	topic string
	cl    *kgo.Client
	apply func(key, value []byte)
	log   *slog.Logger

	loaded, applied, put, failed atomic.Uint64
}

// TableStats says what went in and out.
type TableStats struct {
	Loaded  uint64 // entries that were there at the start
	Applied uint64 // entries that came later, our own too
	Put     uint64 // acknowledged
	Failed  uint64 // Kafka did not take them
}

// OpenTable creates the topic unless it exists, hands all that it holds to apply,
// and returns. Keys must not begin with a zero byte. apply is called by one goroutine at a time, that of OpenTable and
// then that of Run; a nil value means that the key is gone. The caller closes the Table.
func OpenTable(ctx context.Context, kafka KafkaConfig, topic string, replicas int16, apply func(key, value []byte), log *slog.Logger) (*Table, error) {
	t := &Table{topic: topic, apply: apply, log: log}
	if err := makeTable(ctx, kafka, topic, replicas, log); err != nil {
		return nil, err
	}
	var err error
	t.cl, err = kafka.client(log,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return nil, err
	}
	if err = t.load(ctx); err != nil {
		t.cl.Close()
		return nil, err
	}
	return t, nil
}

// makeTable creates the topic unless it exists, with a client of its own: one that asks for
// a topic before it is made waits for a second before it asks again.
func makeTable(ctx context.Context, kafka KafkaConfig, topic string, replicas int16, log *slog.Logger) error {
	cl, err := kafka.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = EnsureTopic(ctx, cl, topic, 1, replicas, inSync(map[string]string{"cleanup.policy": "compact"}, replicas))
	if errors.Is(err, ErrPartitions) {
		return fmt.Errorf("%w: a table has one", err)
	}
	if err == nil {
		topicNeeds{compact: true, replicas: replicas}.check(ctx, cl, topic, log)
	}
	return err
}

// load applies what stands in the topic now. Its end is found with a marker, a
// deletion of a key that nobody has: compaction leaves gaps, maybe up to the last
// offset, so offsets alone do not tell when all is read.
func (t *Table) load(ctx context.Context) error {
	marker := append([]byte{markerKey}, rand.Text()...)
	r := &kgo.Record{Topic: t.topic, Key: marker}
	if err := t.cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("write to topic %s: %w", t.topic, err)
	}
	for found := false; !found; {
		fetches := t.cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", t.topic, err)
		}
		t.warn(fetches)
		fetches.EachRecord(func(r *kgo.Record) {
			switch {
			case bytes.Equal(r.Key, marker):
				found = true
			case found:
				t.tell(r, &t.applied)
			default:
				t.tell(r, &t.loaded)
			}
		})
	}
	return nil
}

// markerKey begins the keys of markers.
const markerKey = 0

func (t *Table) tell(r *kgo.Record, count *atomic.Uint64) {
	if len(r.Key) > 0 && r.Key[0] == markerKey {
		return
	}
	t.apply(r.Key, r.Value)
	count.Add(1)
}

// Run applies what members put, until ctx ends.
func (t *Table) Run(ctx context.Context) error {
	for {
		fetches := t.cl.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return nil
		}
		t.warn(fetches)
		fetches.EachRecord(func(r *kgo.Record) { t.tell(r, &t.applied) })
	}
}

func (t *Table) warn(fetches kgo.Fetches) {
	fetches.EachError(func(_ string, _ int32, err error) {
		if !errors.Is(err, context.Canceled) {
			t.log.Warn("read a table", "topic", t.topic, "error", err)
		}
	})
}

// Put writes an entry; a nil value deletes it. It does not wait, and may be
// called from any goroutine.
func (t *Table) Put(key, value []byte) {
	r := &kgo.Record{Topic: t.topic, Key: key, Value: value}
	t.cl.TryProduce(context.Background(), r, func(_ *kgo.Record, err error) {
		if err != nil {
			t.failed.Add(1)
			t.log.Warn("an entry was not written to a table: others do not learn of it before it changes again", "topic", t.topic, "error", err)
			return
		}
		t.put.Add(1)
	})
}

// Stats may be called at any time, from any goroutine.
func (t *Table) Stats() TableStats {
	return TableStats{Loaded: t.loaded.Load(), Applied: t.applied.Load(), Put: t.put.Load(), Failed: t.failed.Load()}
}

// Close waits for what was put, until ctx ends.
func (t *Table) Close(ctx context.Context) error {
	err := t.cl.Flush(ctx)
	t.cl.Close()
	if err != nil {
		return fmt.Errorf("flush topic %s: %w", t.topic, err)
	}
	return nil
}
