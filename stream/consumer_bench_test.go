package stream_test

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
)

// BenchmarkConsumer hands records of 25 kB, about 256 flows, to workers that do nothing.
func BenchmarkConsumer(b *testing.B) {
	const partitions, size = 4, 25_000
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "t"),
		kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 20, RecordBytes: size, RandomFrac: 0.4, Compression: kgo.Lz4Compression()}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	kafka := defaults.Of[stream.KafkaConfig]()
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
	quick := func(ctx context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
		w, from, err := open(ctx, a)
		return &silent{w.(*writer)}, from, err
	}
	if c, err = stream.NewConsumer(kafka, consumerConfig("t", "g"), quick, quiet()); err != nil {
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
