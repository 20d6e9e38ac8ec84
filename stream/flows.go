package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// FlowWriterConfig says how flows are written to Kafka.
type FlowWriterConfig struct {
	Topic       string        `default:"scanhound.flows.v1" help:"Topic that flows are written to."`
	BatchFlows  int           `default:"256" help:"Flows in one record, at most."`
	BatchBytes  int           `default:"65536" help:"Bytes in one record, at most, unless one flow is longer." placeholder:"BYTES"`
	BatchAge    time.Duration `default:"200ms" help:"How long a flow may wait for its record to fill."`
	Compression string        `default:"snappy" enum:"none,lz4,zstd,snappy" help:"Compression of what is written."`
	Buffer      int           `default:"134217728" help:"Bytes of flows held while Kafka does not take them; beyond it they are counted as lost." placeholder:"BYTES"`
}

// DefaultFlowWriterConfig is what the tags above say, for callers that have no command line.
func DefaultFlowWriterConfig() FlowWriterConfig {
	return FlowWriterConfig{Topic: schema.FlowsTopic, BatchFlows: 256, BatchBytes: 64 << 10,
		BatchAge: 200 * time.Millisecond, Compression: "snappy", Buffer: 128 << 20}
}

// Validate says what is wrong and what to write instead.
func (c *FlowWriterConfig) Validate() error {
	switch {
	case c.Topic == "":
		return fmt.Errorf("topic is empty: name one, such as %s", schema.FlowsTopic)
	case c.BatchFlows < 1 || c.BatchFlows > 10_000:
		return fmt.Errorf("batch-flows %d: give 1 to 10000", c.BatchFlows)
	case c.BatchBytes < 1024 || c.BatchBytes > 900_000: // brokers take 1 MB unless told otherwise
		return fmt.Errorf("batch-bytes %d: give 1024 to 900000", c.BatchBytes)
	case c.BatchAge <= 0 || c.BatchAge > time.Minute:
		return fmt.Errorf("batch-age %v: give more than 0, at most 1m", c.BatchAge)
	case c.Buffer < c.BatchBytes:
		return fmt.Errorf("buffer %d: give at least batch-bytes, %d", c.Buffer, c.BatchBytes)
	}
	if _, ok := codecs()[c.Compression]; !ok {
		return fmt.Errorf("compression %q: want none, lz4, zstd or snappy", c.Compression)
	}
	return nil
}

func codecs() map[string]kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(),
		"zstd": kgo.ZstdCompression(), "snappy": kgo.SnappyCompression(),
	}
}

// FlowProducer writes flows to Kafka. All workers share it, each through a
// FlowBatcher of its own. Its producer is idempotent, so what is retried stays in
// order and is written once.
type FlowProducer struct {
	cfg        FlowWriterConfig
	cl         *kgo.Client
	log        *slog.Logger
	partitions int
	buffers    sync.Pool      // of *[]byte
	promises   sync.WaitGroup // records on their way
	count      flowCounters
}

type flowCounters struct {
	added, produced, queueFull, failed, bytes, records atomic.Uint64
}

// FlowStats adds up: Added = Produced + QueueFull + Failed + Pending.
type FlowStats struct {
	Added     uint64 // flows given to a FlowBatcher
	Produced  uint64 // acknowledged by all replicas
	QueueFull uint64 // lost: the buffer was full
	Failed    uint64 // lost: Kafka refused the record, or the end came first
	Pending   uint64 // on the way

	Records, Bytes uint64 // acknowledged, before compression
	Buffered       int64  // bytes that wait for Kafka now
}

// OpenFlowProducer connects, asking until ctx ends, and learns how many partitions
// the topic has. The caller closes the FlowProducer when all of its batchers are closed.
func OpenFlowProducer(ctx context.Context, kafka KafkaConfig, cfg FlowWriterConfig, log *slog.Logger) (*FlowProducer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cl, err := kafka.client(log,
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs()[cfg.Compression]),
		kgo.MaxBufferedBytes(cfg.Buffer),
		// The bytes are the limit that an operator can reason about: a record is one batch of ours,
		// and its book-keeping of about 200 bytes is small beside it.
		kgo.MaxBufferedRecords(1<<20),
	)
	if err != nil {
		return nil, err
	}
	p := &FlowProducer{cfg: cfg, cl: cl, log: log}
	// A flow takes about 100 bytes; AppendFlow wants 512 free. What turns out too small grows once,
	// and goes back to the pool as it is.
	size := min(cfg.BatchBytes, cfg.BatchFlows*128) + 512
	p.buffers.New = func() any {
		b := make([]byte, 0, size)
		return &b
	}
	if p.partitions, err = connect(ctx, cl, cfg.Topic, log); err != nil {
		cl.Close()
		return nil, err
	}
	return p, nil
}

// connect waits for a broker and the topic.
func connect(ctx context.Context, cl *kgo.Client, topic string, log *slog.Logger) (partitions int, err error) {
	if err := await(ctx, cl, log); err != nil {
		return 0, err
	}
	return Partitions(ctx, cl, topic)
}

// Partitions is the number of partitions among which sources are divided.
func (p *FlowProducer) Partitions() int { return p.partitions }

// Reachable says whether Kafka answers.
func (p *FlowProducer) Reachable(ctx context.Context) error { return Reachable(ctx, p.cl) }

// Stats may be called at any time, from any goroutine. While flows move, the
// parts are read one after another, so Pending may be off by those moving.
func (p *FlowProducer) Stats() FlowStats {
	s := FlowStats{
		Produced: p.count.produced.Load(), QueueFull: p.count.queueFull.Load(), Failed: p.count.failed.Load(),
		Records: p.count.records.Load(), Bytes: p.count.bytes.Load(), Buffered: p.cl.BufferedProduceBytes(),
	}
	s.Added = p.count.added.Load() // last: never less than its parts
	s.Pending = s.Added - s.Produced - s.QueueFull - s.Failed
	return s
}

// Close waits for Kafka to take what is held, until ctx ends; what is then left
// is counted as failed and reported.
func (p *FlowProducer) Close(ctx context.Context) error {
	flushErr := p.cl.Flush(ctx)
	p.cl.Close() // fails what is left, from a goroutine of its own
	p.promises.Wait()
	if flushErr == nil {
		return nil
	}
	return fmt.Errorf("flush flows to topic %s: %w: %d flows failed in all", p.cfg.Topic, flushErr, p.count.failed.Load())
}

// flowRecord is a record on its way with what its promise needs.
type flowRecord struct {
	kgo.Record
	p      *FlowProducer
	flows  uint64
	pooled *[]byte // goes back to the pool
}

// send hands a batch to the client and never blocks.
func (p *FlowProducer) send(r *flowRecord) {
	p.promises.Add(1)
	p.cl.TryProduce(context.Background(), &r.Record, r.delivered)
}

// delivered is the promise: Kafka has the record, or will never have it.
func (r *flowRecord) delivered(_ *kgo.Record, err error) {
	defer r.p.promises.Done()
	c := &r.p.count
	switch {
	case err == nil:
		c.produced.Add(r.flows)
		c.records.Add(1)
		c.bytes.Add(uint64(len(r.Value)))
		// Only now is it sure that no request which is still being written reads the buffer.
		if r.pooled != nil {
			r.p.buffers.Put(r.pooled)
		}
	case errors.Is(err, kgo.ErrMaxBuffered):
		c.queueFull.Add(r.flows)
		r.p.log.Warn("flows lost: Kafka takes them slower than they come, and the buffer is full", "topic", r.Topic, "buffer", r.p.cfg.Buffer)
		if r.pooled != nil {
			r.p.buffers.Put(r.pooled)
		}
	default:
		c.failed.Add(r.flows)
		r.p.log.Error("flows lost: Kafka did not take the record", "topic", r.Topic, "partition", r.Partition, "error", explain(err))
	}
}

func explain(err error) error {
	if errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("%w: lower batch-bytes, or raise the topic's max.message.bytes", err)
	}
	return err
}
