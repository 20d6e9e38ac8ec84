package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
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

func (w *writer) Close(reason stream.Reason) {
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
	return func(_ context.Context, a stream.Assignment) (stream.Worker, time.Time, error) {
		d.do(func() bool {
			d.opened = append(d.opened, a)
			d.working[a.Partition]++
			d.together = d.together || d.working[a.Partition] > 1
			return true
		})
		return &writer{d: d, n: a.Partition, process: process}, from(a), nil
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

func TestEveryRecordIsProcessedThenCommitted(t *testing.T) {
	for _, interval := range []time.Duration{0, 10 * time.Millisecond, time.Hour} {
		t.Run(fmt.Sprint("every ", interval), func(t *testing.T) {
			onEachKafka(t, func(t *testing.T, k kafka) {
				topic := k.topic(t, 3, nil)
				cfg := stream.DefaultConsumerConfig(topic, topic)
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
				if s.Bytes != 300*6 || s.Rebalances == 0 || len(s.Partitions) != 3 || s.Partitions[0].Lag != 0 || s.Partitions[0].Next != 100 {
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
		cfg := stream.DefaultConsumerConfig(topic, topic)
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

func TestARebalanceLosesNothing(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		const partitions, each = 6, 200
		topic := k.topic(t, partitions, nil)
		cfg := stream.DefaultConsumerConfig(topic, topic)
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

func TestAMemberWithoutPartitionsIsReady(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, nil)
		cfg := stream.DefaultConsumerConfig(topic, topic)
		first := consumer(t, k, cfg, newDiary().open(durable))
		started(t, first.Run)
		eventually(t, "the first has the partition", func() bool { return len(first.Stats().Partitions) == 1 })
		second := consumer(t, k, cfg, newDiary().open(durable))
		started(t, second.Run)
		eventually(t, "the second is ready", func() bool { return second.Ready(soon(t)) == nil })
	})
}

func TestAWorkerReadsAgainFromTheInstantThatItNames(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := stream.DefaultConsumerConfig(topic, topic)
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

func TestAWorkersErrorEndsRun(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := stream.DefaultConsumerConfig(topic, topic)
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
	c := consumer(t, k, stream.DefaultConsumerConfig(topic, topic), func(context.Context, stream.Assignment) (stream.Worker, time.Time, error) {
		return nil, time.Time{}, broken
	})
	if err := c.Run(soon(t)); !errors.Is(err, broken) || !strings.Contains(err.Error(), "open partition") {
		t.Errorf("Run returned %v", err)
	}
}

func TestABatchThatDoesNotEndIsCutOffAndLeftToTheNextOwner(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := stream.DefaultConsumerConfig(topic, topic)
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
	cfg := stream.DefaultConsumerConfig(topic, topic)
	cfg.CommitInterval = time.Hour
	fill(t, k, topic, 1, 10)
	d := newDiary()
	started(t, consumer(t, k, cfg, d.open(durable)).Run)
	eventually(t, "all is processed", func() bool { return d.count() == 10 })
	faults := k.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID, Count: 1})
	eventually(t, "the partition is lost and comes again", func() bool {
		return d.do(func() bool { return slices.Contains(d.closed[0], stream.Lost) && len(d.opened) == 2 })
	})
	if faults.Hits() == 0 || d.opened[1].Committed != -1 {
		t.Errorf("opened with %+v, want nothing committed", d.opened[1])
	}
	eventually(t, "all is processed again", func() bool { return d.count() == 20 })
}

func TestABatchOfALostPartitionIsCutOffAtOnce(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := stream.DefaultConsumerConfig(topic, topic)
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

func TestAConsumerOutlivesItsBroker(t *testing.T) {
	dir := t.TempDir()
	k := fakeKafka(t, embedded.KafkaConfig{Dir: dir})
	topic := k.topic(t, 3, nil)
	cfg := stream.DefaultConsumerConfig(topic, topic)
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
	cfg := stream.DefaultConsumerConfig(topic, topic)
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

func TestRecordsDeletedBeforeTheyWereReadAreCounted(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, nil)
		cfg := stream.DefaultConsumerConfig(topic, topic)
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

func TestAConsumerStopsThoughItsBrokerIsGone(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := stream.DefaultConsumerConfig(topic, topic)
	cfg.CommitInterval = time.Hour
	fill(t, k, topic, 1, 10)
	d := newDiary()
	c := consumer(t, k, cfg, d.open(durable))
	stop := started(t, c.Run)
	eventually(t, "all is processed", func() bool { return d.count() == 10 })
	k.fake.Close()
	begin := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped after %v", time.Since(begin))
	if s := c.Stats(); s.CommitFailures != 1 || s.Commits != 0 {
		t.Errorf("stats %+v, want the commit to have failed", s)
	}
}

// BenchmarkConsumer hands records of 25 kB, about 256 flows, to workers that do nothing.
func BenchmarkConsumer(b *testing.B) {
	const partitions, size = 4, 25_000
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "t"),
		kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 20, RecordBytes: size, RandomFrac: 0.4, Compression: kgo.Lz4Compression()}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	kafka := stream.DefaultKafkaConfig()
	kafka.Brokers = cluster.ListenAddrs()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var c *stream.Consumer
	open := newDiary().open(func(_ context.Context, records []*kgo.Record) (int64, error) {
		if c.Stats().Records >= uint64(b.N) {
			cancel()
		}
		return records[len(records)-1].Offset + 1, nil
	})
	quick := func(ctx context.Context, a stream.Assignment) (stream.Worker, time.Time, error) {
		w, from, err := open(ctx, a)
		return &silent{w.(*writer)}, from, err
	}
	if c, err = stream.NewConsumer(kafka, stream.DefaultConsumerConfig("t", "g"), quick, quiet()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(size)
	b.ResetTimer()
	if err := c.Run(ctx); err != nil {
		b.Fatal(err)
	}
}

// silent is a writer that keeps no diary.
type silent struct{ *writer }

func (s *silent) Process(ctx context.Context, records []*kgo.Record) (int64, error) {
	return s.process(ctx, records)
}

func TestAPartitionIsLetGoOnlyWhenItsRunningBatchIsCommitted(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := stream.DefaultConsumerConfig(topic, topic)
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
