package stream

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// StateStore keeps the slices of a group of detectors in a compacted topic, those of a
// partition of the flows in the partition of the same number. Any goroutine may call it.
type StateStore struct {
	kafka KafkaConfig
	topic string
	group string
	cl    *kgo.Client
	log   *slog.Logger

	written, bytes, failed atomic.Uint64
	trouble                Trouble

	anew atomic.Bool // the topic is not the one that cl knows
}

// StateStats says what became of slices.
type StateStats struct {
	Written, Bytes uint64 // acknowledged by all replicas
	Failed         uint64 // Kafka did not take them
}

// largestSlice is what the topic and its clients take as one record: a part of a state
// of 8 GiB, compressed. Kafka's own limit is 1 MiB, and 100 MiB for a request.
const largestSlice = 32 << 20

// OpenStateStore connects. The topic must be there: see PrepareState. The caller closes the StateStore.
func OpenStateStore(kafka KafkaConfig, topic, group string, log *slog.Logger) (*StateStore, error) {
	cl, err := kafka.client(log,
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), // slices are compressed
		kgo.ProducerBatchMaxBytes(largestSlice),
		kgo.ProducerLinger(0), // one by one is how they come
		// Who lets a partition go must not wait; a slice that is written twice is one slice.
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return nil, err
	}
	return &StateStore{kafka: kafka, topic: topic, group: group, cl: cl, log: log}, nil
}

// Write hands a slice to Kafka and returns. done is called by another goroutine, when all
// replicas have it, or with the error; it is called in any case.
func (s *StateStore) Write(ctx context.Context, partition int32, sl *Slice, done func(error)) {
	s.lookAnew()
	r := &kgo.Record{Topic: s.topic, Partition: partition, Key: sliceKey(s.group, sl.Part), Value: sl.value()}
	s.cl.Produce(ctx, r, func(r *kgo.Record, err error) {
		switch {
		case err == nil:
			s.written.Add(1)
			s.trouble.note(nil)
			s.bytes.Add(uint64(len(r.Value)))
		case errors.Is(err, kerr.MessageTooLarge):
			s.failed.Add(1)
			s.log.Error("a part of the state was not written: it is larger than the topic takes, raise its max.message.bytes",
				"topic", s.topic, "partition", partition, "part", sl.Part, "bytes", len(r.Value))
		case ctx.Err() == nil:
			s.failed.Add(1)
			s.noteGone(err)
			if refused(err) {
				err = advised(err)
			}
			s.trouble.note(fmt.Errorf("parts of the state are not written to topic %s: who takes a partition over counts more flows again: %w", s.topic, err))
			s.log.Error("a part of the state was not written", "topic", s.topic, "partition", partition, "part", sl.Part, "error", err)
		}
		done(err)
	})
}

// noteGone notes that the topic was deleted. Somebody may make it anew, but a client goes
// on to write to the one that it has met.
func (s *StateStore) noteGone(err error) (gone bool) {
	gone = errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)
	if gone {
		s.anew.Store(true)
	}
	return gone
}

func (s *StateStore) lookAnew() {
	if s.anew.CompareAndSwap(true, false) {
		s.cl.PurgeTopicsFromProducing(s.topic)
	}
}

// madeWithin is how long a reader waits for a topic that is gone: a detector that starts
// makes it anew.
const madeWithin = 10 * time.Second

// mark writes a record, and again while the topic is gone. It is written again also where
// only others were given up: who loses a partition gives its slices up, and the client then
// fails all that waits for that partition.
func (s *StateStore) mark(ctx context.Context, r *kgo.Record) error {
	for began := time.Now(); ; {
		s.lookAnew()
		err := s.cl.ProduceSync(ctx, r).FirstErr()
		others := errors.Is(err, context.Canceled) && ctx.Err() == nil
		if !s.noteGone(err) && !others || time.Since(began) > madeWithin {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Saved is what stands in a partition of the state topic.
type Saved struct {
	Slices  map[int]*Slice // of each part the one with the highest offset
	Refused []Refused
	Bytes   int // of all that was read
}

// Refused is a record that is no slice that can be used.
type Refused struct {
	Part int
	Err  error
}

func (s *Saved) take(group string, r *kgo.Record) {
	s.Bytes += len(r.Value)
	of, part, ok := partOf(r.Key)
	if !ok || of != group || r.Value == nil {
		return
	}
	sl, err := readSlice(r.Value)
	if err == nil && sl.Part != part {
		err = fmt.Errorf("%w: its key is of part %d, it is of part %d", ErrCorrupt, part, sl.Part)
	}
	if err != nil {
		s.Refused = append(s.Refused, Refused{part, err})
		return
	}
	if have := s.Slices[part]; have == nil || sl.Covered >= have.Covered {
		sl.packed = bytes.Clone(sl.packed) // what it came with goes
		s.Slices[part] = sl
	}
}

// Read reads what the group has in a partition. What was acknowledged before is in it.
func (s *StateStore) Read(ctx context.Context, partition int32) (*Saved, error) {
	saved := &Saved{Slices: map[int]*Slice{}}
	// Compaction leaves gaps, maybe up to the last offset: a marker shows the end.
	marker := []byte(rand.Text())
	r := &kgo.Record{Topic: s.topic, Partition: partition, Key: []byte(s.group + "/end"), Value: marker}
	if err := s.mark(ctx, r); err != nil {
		return nil, fmt.Errorf("write to topic %s: %w", s.topic, err)
	}
	end := r.Offset
	// It goes when it has been read: as the last of its key, Kafka would keep it.
	defer s.cl.TryProduce(context.WithoutCancel(ctx), &kgo.Record{Topic: s.topic, Partition: partition, Key: r.Key}, nil)
	if end == 0 {
		return saved, nil // nobody has written before
	}
	err := readPartition(ctx, s.kafka, s.topic, partition, kgo.NewOffset().AtStart(), s.log, func(r *kgo.Record) bool {
		if r.Offset < end {
			saved.take(s.group, r)
		}
		return r.Offset < end
	})
	return saved, err
}

// LookAtState reads what a group has in each partition of the topic, and writes nothing.
func LookAtState(ctx context.Context, kafka KafkaConfig, topic, group string, log *slog.Logger) ([]*Saved, error) {
	cl, err := kafka.client(log)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	if err := Reachable(ctx, cl); err != nil {
		return nil, err
	}
	n, err := partitionsNow(ctx, cl, topic)
	if err != nil {
		return nil, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	for p := range int32(n) {
		ends[p] = latest
	}
	if ends, err = askOffsets(ctx, cl, topic, ends); err != nil {
		return nil, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	all := make([]*Saved, n)
	for p := range int32(n) {
		all[p] = &Saved{Slices: map[int]*Slice{}}
		if ends[p] == 0 {
			continue
		}
		// Its last record is there: Kafka does not compact what is written last.
		err := readPartition(ctx, kafka, topic, p, kgo.NewOffset().AtStart(), log, func(r *kgo.Record) bool {
			all[p].take(group, r)
			return r.Offset < ends[p]-1
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readPartition hands the records of a partition to take, until that says no more.
func readPartition(ctx context.Context, kafka KafkaConfig, topic string, partition int32, from kgo.Offset, log *slog.Logger, take func(*kgo.Record) (more bool)) error {
	cl, err := kafka.client(log,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: from}}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(16<<20),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	for more := true; more; {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", topic, err)
		}
		fetches.EachError(func(_ string, partition int32, err error) {
			log.Warn("read a partition", "topic", topic, "partition", partition, "error", err)
		})
		fetches.EachRecord(func(r *kgo.Record) { more = more && take(r) })
	}
	return nil
}

// Trouble says why the state is not written.
func (s *StateStore) Trouble() error { return s.trouble.Now() }

// Stats may be called at any time, from any goroutine.
func (s *StateStore) Stats() StateStats {
	return StateStats{Written: s.written.Load(), Bytes: s.bytes.Load(), Failed: s.failed.Load()}
}

// Close lets go of the connection. What was not acknowledged is given up.
func (s *StateStore) Close() { s.cl.Close() }
