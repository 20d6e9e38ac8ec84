package stream_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/stream"
)

// diary is what the workers of one or more consumers have seen.
type diary struct {
	mu       sync.Mutex
	opened   []stream.Assignment
	offsets  map[int32][]int64 // processed, by partition
	closed   map[int32][]stream.Reason
	working  map[int32]int // workers of a partition at this moment
	together bool          // two workers have had a partition at once
}

func newDiary() *diary {
	return &diary{offsets: map[int32][]int64{}, closed: map[int32][]stream.Reason{}, working: map[int32]int{}}
}

// do runs f with the diary locked and returns what it returns.
func (d *diary) do(f func() bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return f()
}

func (d *diary) count() (n int) {
	d.do(func() bool {
		for _, o := range d.offsets {
			n += len(o)
		}
		return true
	})
	return n
}

// distinct is how many records were seen at least once.
func (d *diary) distinct() (n int) {
	d.do(func() bool {
		for _, o := range d.offsets {
			s := slices.Clone(o)
			slices.Sort(s)
			n += len(slices.Compact(s))
		}
		return true
	})
	return n
}

// writer is a worker that keeps the diary; process decides what it answers.
type writer struct {
	d       *diary
	n       int32
	process func(ctx context.Context, records []*kgo.Record) (int64, error)
}

func (w *writer) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	w.d.do(func() bool {
		for _, r := range records {
			w.d.offsets[w.n] = append(w.d.offsets[w.n], r.Offset)
		}
		return true
	})
	return w.process(ctx, records)
}

func (w *writer) Close(_ context.Context, reason stream.Reason) {
	w.d.do(func() bool {
		w.d.closed[w.n] = append(w.d.closed[w.n], reason)
		w.d.working[w.n]--
		return true
	})
}

// durable says that every record is durable as soon as it is seen.
func durable(_ context.Context, records []*kgo.Record) (int64, error) {
	return records[len(records)-1].Offset + 1, nil
}

func (d *diary) open(process func(context.Context, []*kgo.Record) (int64, error)) stream.Open {
	return d.openFrom(func(stream.Assignment) time.Time { return time.Time{} }, process)
}

func (d *diary) openFrom(from func(stream.Assignment) time.Time, process func(context.Context, []*kgo.Record) (int64, error)) stream.Open {
	return func(_ context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
		d.do(func() bool {
			d.opened = append(d.opened, a)
			d.working[a.Partition]++
			d.together = d.together || d.working[a.Partition] > 1
			return true
		})
		return &writer{d: d, n: a.Partition, process: process}, stream.FromStamp(from(a)), nil
	}
}

func consumer(t *testing.T, k kafka, cfg stream.ConsumerConfig, open stream.Open) *stream.Consumer {
	t.Helper()
	c, err := stream.NewConsumer(k.KafkaConfig, cfg, open, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fill writes n records to each partition, stamped a second apart, and returns the
// stamp of the first. It lies within what Kafka keeps.
func fill(t *testing.T, k kafka, topic string, partitions, n int) time.Time {
	t.Helper()
	opts, err := k.Options()
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	first := time.Now().Add(-time.Hour).Truncate(time.Second)
	var records []*kgo.Record
	for i := range n {
		for p := range partitions {
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(p), Value: []byte("record"),
				Timestamp: first.Add(time.Duration(i) * time.Second)})
		}
	}
	if err := cl.ProduceSync(soon(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return first
}

// committed returns what the group has committed, by partition.
func committed(t *testing.T, k kafka, group, topic string) map[int32]int64 {
	t.Helper()
	cl, err := k.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	got, err := kadm.NewClient(cl).FetchOffsets(soon(t), group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatal(err)
	}
	offsets := map[int32]int64{}
	got.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic {
			offsets[o.Partition] = o.At
		}
	})
	return offsets
}

func wantCommitted(t *testing.T, k kafka, group, topic string, partitions int, want int64) {
	t.Helper()
	got := committed(t, k, group, topic)
	for p := range partitions {
		if got[int32(p)] != want {
			t.Errorf("committed %v, want %d in each of %d partitions", got, want, partitions)
			return
		}
	}
}
