package stream_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowmix"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

const arrival = schema.Time(1_789_000_000_000_000_000)

// flow is the seq-th flow of a source.
func flow(source, seq int) schema.Flow {
	return schema.Flow{
		Exporter: schema.Exporter{Addr: netip.MustParseAddr("192.0.2.1"), Type: schema.NetFlowV9, Sequence: uint32(seq)},
		Received: schema.TimeOf(time.Now()), Start: arrival, End: arrival,
		Src:   schema.Side{Addr: netip.AddrFrom4([4]byte{198, 51, byte(source >> 8), byte(source)}), Packets: 1, Bytes: 40, Port: 40000, TCPFlags: schema.SYN},
		Dst:   schema.Side{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(seq)}), Port: 22},
		Proto: schema.TCP,
	}
}

func flows(sources, each int) []schema.Flow {
	var fs []schema.Flow
	for seq := range each {
		for source := range sources {
			fs = append(fs, flow(source, seq))
		}
	}
	return fs
}

func openFlows(t *testing.T, k kafka, change func(*stream.FlowWriterConfig)) *stream.FlowProducer {
	t.Helper()
	cfg := defaults.Of[stream.FlowWriterConfig]()
	change(&cfg)
	p, err := stream.OpenFlowProducer(soon(t), k.KafkaConfig, cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readAll returns the first n records of a topic, by partition.
func readAll(t *testing.T, k kafka, topic string, n int) map[int32][]*kgo.Record {
	t.Helper()
	opts, err := k.Options()
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	records := map[int32][]*kgo.Record{}
	for ctx := soon(t); n > 0; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { records[r.Partition] = append(records[r.Partition], r); n-- })
	}
	return records
}

func TestFlowsOfASourceStayInOrderAndInOnePartition(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		const partitions, sources, each = 4, 40, 50
		topic := k.topic(t, partitions, nil)
		p := openFlows(t, k, func(c *stream.FlowWriterConfig) { c.Topic, c.BatchFlows = topic, 7 })
		b := p.NewBatcher()
		b.Add(flows(sources, each))
		b.Close()
		if err := p.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.Produced != sources*each || s.Added != s.Produced || s.Pending != 0 || s.Bytes == 0 {
			t.Fatalf("stats %+v, want all of %d produced", s, sources*each)
		}
		next := map[netip.Addr]uint32{}
		for partition, records := range readAll(t, k, topic, int(s.Records)) {
			for _, r := range records {
				for rest := r.Value; len(rest) > 0; {
					var f schema.Flow
					n, err := schema.ReadFlow(rest, &f)
					if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
					if want := schema.Partition(f.Src.Addr, partitions); int(partition) != want {
						t.Fatalf("source %v is in partition %d, want %d", f.Src.Addr, partition, want)
					}
					if f.Exporter.Sequence != next[f.Src.Addr] {
						t.Fatalf("source %v: flow %d came where %d was due", f.Src.Addr, f.Exporter.Sequence, next[f.Src.Addr])
					}
					next[f.Src.Addr]++
				}
			}
		}
		for source, n := range next {
			if n != each {
				t.Errorf("source %v: %d flows, want %d", source, n, each)
			}
		}
	})
}

func TestARecordIsStampedWithItsNewestFlowsArrival(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	p := openFlows(t, k, func(c *stream.FlowWriterConfig) { c.Topic = topic })
	fs := flows(1, 3)
	for i, received := range []schema.Time{arrival, arrival.Add(2 * time.Second), arrival.Add(time.Second)} {
		fs[i].Received = received
	}
	b := p.NewBatcher()
	b.Add(fs)
	b.Close()
	if err := p.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got, want := readAll(t, k, topic, 1)[0][0].Timestamp, arrival.Add(2*time.Second).Std(); !got.Equal(want) {
		t.Errorf("stamp %v, want %v", got.UTC(), want)
	}
}

func TestAFlowWaitsForItsRecordToFillNoLongerThanBatchAge(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 4, nil)
	p := openFlows(t, k, func(c *stream.FlowWriterConfig) { c.Topic, c.BatchAge = topic, time.Second })
	b := p.NewBatcher()
	b.Tick(arrival)
	b.Add(flows(1, 1))
	b.Tick(arrival.Add(500 * time.Millisecond))
	b.Add([]schema.Flow{flow(1, 0), flow(2, 0), flow(3, 0), flow(4, 0)})
	b.Tick(arrival.Add(999 * time.Millisecond))
	if s := p.Stats(); s.Pending != 5 || s.Buffered != 0 {
		t.Errorf("before its time: %+v, want nothing handed over", s)
	}
	b.Tick(arrival.Add(time.Second))
	eventually(t, "the old record is produced", func() bool { return p.Stats().Records == 1 })
	b.Tick(arrival.Add(1500 * time.Millisecond))
	eventually(t, "all are produced", func() bool { return p.Stats().Produced == 5 })
	if err := p.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func TestNoRecordIsLongerThanBatchBytes(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	p := openFlows(t, k, func(c *stream.FlowWriterConfig) { c.Topic, c.BatchBytes = topic, 1024 })
	b := p.NewBatcher()
	b.Add(flows(10, 20))
	b.Close()
	if err := p.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	s := p.Stats()
	if s.Produced != 200 || s.Pending != 0 {
		t.Errorf("stats %+v, want 200 produced", s)
	}
	for _, r := range readAll(t, k, topic, int(s.Records))[0] {
		if len(r.Value) > 1024 {
			t.Errorf("a record of %d bytes", len(r.Value))
		}
	}
}

func TestEveryFlowIsAccountedForWhenKafkaIsGone(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 4, nil)
	p := openFlows(t, k, func(c *stream.FlowWriterConfig) {
		c.Topic, c.BatchFlows, c.BatchBytes, c.Buffer = topic, 10, 4096, 16<<10
	})
	b := p.NewBatcher()
	b.Add(flows(50, 2))
	b.Close()
	eventually(t, "the first flows are produced", func() bool { return p.Stats().Produced == 100 })
	k.fake.Close()
	b.Add(flows(100, 50)) // and does not block
	// The client tells of a refusal from a goroutine of its own.
	eventually(t, "some are lost", func() bool { return p.Stats().QueueFull > 0 })
	if s := p.Stats(); s.Added != 5100 || s.QueueFull == 0 || s.Pending == 0 || s.Produced != 100 || s.Buffered == 0 {
		t.Errorf("while Kafka is gone: %+v, want some lost, some pending", s)
	}
	b.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ended); err == nil || !strings.Contains(err.Error(), "flows failed") {
		t.Errorf("close: %v, want it to tell of failed flows", err)
	}
	s := p.Stats()
	if s.Added != 5100 || s.Pending != 0 || s.Failed == 0 || s.Added != s.Produced+s.QueueFull+s.Failed {
		t.Errorf("in the end: %+v, want the sum to be right and nothing pending", s)
	}
}

func TestARecordThatKafkaRefusesIsCountedAsFailed(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 1, map[string]string{"max.message.bytes": "1000"})
		p := openFlows(t, k, func(c *stream.FlowWriterConfig) { c.Topic, c.Compression = topic, "none" })
		b := p.NewBatcher()
		b.Add(flows(100, 1))
		b.Close()
		if err := p.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Failed != 100 || s.Pending != 0 {
			t.Errorf("stats %+v, want 100 failed", s)
		}
	})
}

func TestFlowsWaitInTheBufferWhileKafkaRestarts(t *testing.T) {
	dir := t.TempDir()
	k := fakeKafka(t, embedded.KafkaConfig{Dir: dir})
	topic := k.topic(t, 4, nil)
	p := openFlows(t, k, func(c *stream.FlowWriterConfig) { c.Topic = topic })
	b := p.NewBatcher()
	b.Add(flows(100, 10))
	b.Close()
	eventually(t, "the first are produced", func() bool { return p.Stats().Produced == 1000 })
	port := port(t, k)
	k.fake.Close()
	b.Add(flows(100, 10))
	b.Close()
	again := fakeKafka(t, embedded.KafkaConfig{Dir: dir, Port: port})
	if err := p.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	s := p.Stats()
	if s.Produced != 2000 || s.Failed != 0 {
		t.Errorf("stats %+v, want all produced", s)
	}
	n := 0
	for _, records := range readAll(t, again, topic, int(s.Records)) {
		n += len(records)
	}
	if n != int(s.Records) {
		t.Errorf("%d records in Kafka, want %d", n, s.Records)
	}
}

func port(t *testing.T, k kafka) int {
	t.Helper()
	a, err := netip.ParseAddrPort(k.Brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	return int(a.Port())
}

func TestAnUnreachableBrokerIsNamedWithWhatToCheck(t *testing.T) {
	cfg := defaults.Of[stream.KafkaConfig]()
	cfg.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := stream.OpenFlowProducer(ctx, cfg, defaults.Of[stream.FlowWriterConfig](), quiet())
	if err == nil || !strings.Contains(err.Error(), "reach Kafka at 127.0.0.1:1") ||
		!strings.Contains(err.Error(), "connection refused: check that the broker runs") {
		t.Errorf("error %v", err)
	}
}

func TestAMissingTopicIsNamed(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		cfg := defaults.Of[stream.FlowWriterConfig]()
		cfg.Topic = unique(t)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := stream.OpenFlowProducer(ctx, k.KafkaConfig, cfg, quiet())
		if err == nil || !strings.Contains(err.Error(), cfg.Topic) || !strings.Contains(err.Error(), "create it") {
			t.Errorf("error %v, want it to name the topic", err)
		}
	})
}

func TestATopicWithAnotherNumberOfPartitionsIsLeftAloneAndReported(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 3, map[string]string{"retention.ms": "60000"})
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if n, err := stream.EnsureTopic(soon(t), cl, topic, 3, 1, nil); n != 3 || err != nil {
			t.Errorf("the same again: %d, %v", n, err)
		}
		n, err := stream.EnsureTopic(soon(t), cl, topic, 12, 1, nil)
		if n != 3 || !errors.Is(err, stream.ErrPartitions) || !strings.Contains(err.Error(), "it has 3, the settings say 12") {
			t.Errorf("asked for 12 of a topic with 3: %d, %v", n, err)
		}
		if _, err := stream.EnsureTopic(soon(t), cl, topic+"-r", 1, 3, nil); err == nil || !strings.Contains(err.Error(), "3 replicas") {
			t.Errorf("three replicas on one broker: %v", err)
		}
	})
}

// blackhole is a producer for 12 partitions of a Kafka that keeps nothing.
func blackhole(t testing.TB) *stream.FlowProducer {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BlackholeProduce(), kfake.SeedTopics(12, schema.FlowsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	kafka := defaults.Of[stream.KafkaConfig]()
	kafka.Brokers = cluster.ListenAddrs()
	cfg := defaults.Of[stream.FlowWriterConfig]()
	cfg.Compression = "none"
	p, err := stream.OpenFlowProducer(context.Background(), kafka, cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A record of 256 flows costs some allocations, with what the client needs to send it: no flow does.
func TestToBatchAFlowTakesNoAllocation(t *testing.T) {
	p := blackhole(t)
	fs := flowmix.Oriented(1 << 14)
	batcher := p.NewBatcher()
	perRun := testing.AllocsPerRun(20, func() {
		batcher.Tick(arrival)
		batcher.Add(fs)
	})
	if perFlow := perRun / float64(len(fs)); perFlow > 0.2 {
		t.Errorf("%.2f allocations a flow", perFlow)
	}
	batcher.Close()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkBatcherAdd encodes the flows of an ordinary network into records, which a Kafka that keeps
// nothing takes.
func BenchmarkBatcherAdd(b *testing.B) {
	p := blackhole(b)
	fs := flowmix.Oriented(1 << 13)
	batcher := p.NewBatcher()
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= 32 { // a datagram holds about 30
		at := left % (len(fs) - 32)
		batcher.Tick(arrival)
		batcher.Add(fs[at : at+min(left, 32)])
	}
	b.StopTimer()
	batcher.Close()
	if err := p.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	s := p.Stats()
	b.ReportMetric(float64(s.QueueFull)/float64(s.Added), "lost/flow")
	b.ReportMetric(float64(s.Bytes)/float64(max(s.Produced, 1)), "bytes/flow")
}
