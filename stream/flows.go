package stream

import (
	"cmp"
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
	Topic       string `default:"scanhound.flows.v1" help:"Topic that flows are written to."`
	Compression string `default:"snappy" enum:"none,lz4,zstd,snappy" help:"Compression of what is written."`
	Buffer      int    `default:"134217728" help:"Bytes of flows held while Kafka does not take them; beyond it they are counted as lost." placeholder:"BYTES"`

	BatchFlows int           `kong:"-"` // flows in one record, at most; 0: batchFlows
	BatchBytes int           `kong:"-"` // bytes in one record, at most, unless one flow is longer; 0: batchBytes
	BatchAge   time.Duration `kong:"-"` // how long a flow may wait for its record to fill; 0: batchAge
}

// A record of 256 flows has about 25 kB, which compresses well and is far from the
// 1 MB that brokers take unless told otherwise. What comes too slowly to fill one
// waits for 25 ms, and its record for others for 5 ms: where flows come fast, records
// are full before, and where they do not, more of them cost nothing that matters.
const (
	batchFlows = 256
	batchBytes = 64 << 10
	batchAge   = 25 * time.Millisecond
	flowLinger = 5 * time.Millisecond
)

func (c FlowWriterConfig) orDefault() FlowWriterConfig {
	c.BatchFlows = cmp.Or(c.BatchFlows, batchFlows)
	c.BatchBytes = cmp.Or(c.BatchBytes, batchBytes)
	c.BatchAge = cmp.Or(c.BatchAge, batchAge)
	return c
}

// Validate says what is wrong and what to write instead.
func (c *FlowWriterConfig) Validate() error {
	switch {
	case c.Topic == "":
		return fmt.Errorf("topic is empty: name one, such as %s", schema.FlowsTopic)
	case c.Buffer < c.orDefault().BatchBytes:
		return fmt.Errorf("buffer %d: give at least %d, what one record may have", c.Buffer, c.orDefault().BatchBytes)
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
	trouble    Trouble
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
		kgo.ProducerLinger(flowLinger),
		kgo.MaxBufferedBytes(cfg.Buffer),
		// The bytes are the limit that an operator can reason about: a record is one batch of ours,
		// and its book-keeping of about 200 bytes is small beside it.
		kgo.MaxBufferedRecords(1<<20),
	)
	if err != nil {
		return nil, err
	}
	cfg = cfg.orDefault()
	p := &FlowProducer{cfg: cfg, cl: cl, log: log}
	// A flow takes about 120 bytes; AppendFlow wants 520 free. What turns out too small grows once,
	// and goes back to the pool as it is.
	size := min(cfg.BatchBytes, cfg.BatchFlows*160) + 520
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

// Reachable says why Kafka does not answer, or does not take what is written.
func (p *FlowProducer) Reachable(ctx context.Context) error {
	if err := p.trouble.Now(); err != nil {
		return err
	}
	return Reachable(ctx, p.cl)
}

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
		r.p.trouble.note(nil)
		c.records.Add(1)
		c.bytes.Add(uint64(len(r.Value)))
		// Only now is it sure that no request which is still being written reads the buffer.
		if r.pooled != nil {
			r.p.buffers.Put(r.pooled)
		}
	case errors.Is(err, kgo.ErrMaxBuffered):
		c.queueFull.Add(r.flows)
		r.p.trouble.note(fmt.Errorf("flows are lost: Kafka takes them slower than they come to topic %s, and the buffer is full", r.Topic))
		r.p.log.Warn("flows lost: Kafka takes them slower than they come, and the buffer is full", "topic", r.Topic, "buffer", r.p.cfg.Buffer)
		if r.pooled != nil {
			r.p.buffers.Put(r.pooled)
		}
	default:
		c.failed.Add(r.flows)
		err = explain(err)
		r.p.trouble.note(fmt.Errorf("flows are lost: write to topic %s: %w", r.Topic, err))
		r.p.log.Error("flows lost: Kafka did not take the record", "topic", r.Topic, "partition", r.Partition, "error", err)
	}
}

func explain(err error) error {
	if errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("%w: raise the topic's max.message.bytes", err)
	}
	if refused(err) {
		return advised(err)
	}
	return err
}
