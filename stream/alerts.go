package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// AlertWriterConfig says where alerts are written in Kafka.
type AlertWriterConfig struct {
	Topic string `default:"scanhound.alerts.v1" help:"Topic that alerts are written to."`
}

// Validate says what is wrong and what to write instead.
func (c *AlertWriterConfig) Validate() error {
	if c.Topic == "" {
		return fmt.Errorf("topic is empty: name one, such as %s", schema.AlertsTopic)
	}
	return nil
}

// AlertProducer writes alerts to Kafka. Any goroutine may call it.
type AlertProducer struct {
	kafka      KafkaConfig
	cfg        AlertWriterConfig
	cl         *kgo.Client
	log        *slog.Logger
	partitions int

	mu   sync.Mutex
	ends map[int32]int64 // behind what was written, by partition of the alerts

	produced, refused, failures atomic.Uint64

	Trouble Trouble // Kafka takes no alerts
}

// AlertStats says what became of the alerts.
type AlertStats struct {
	Produced uint64 // acknowledged by all replicas
	Refused  uint64 // too large for the topic, and left out
	Failures uint64 // calls of Produce that ended before Kafka took all
}

// OpenAlertProducer connects, asking until ctx ends. The caller closes the AlertProducer.
func OpenAlertProducer(ctx context.Context, kafka KafkaConfig, cfg AlertWriterConfig, log *slog.Logger) (*AlertProducer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cl, err := kafka.client(log,
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(0), // its caller waits
		// A cancelled Produce must return. What may be written twice for it is the same alert
		// revision, of which NATS drops the second.
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return nil, err
	}
	p := &AlertProducer{kafka: kafka, cfg: cfg, cl: cl, log: log, ends: map[int32]int64{}}
	if p.partitions, err = connect(ctx, cl, cfg.Topic, log); err != nil {
		cl.Close()
		return nil, err
	}
	return p, nil
}

// Produce writes the alerts of one partition of the flows and returns when all replicas
// have them; while Kafka does not answer it tries again, until ctx ends. All alerts of a
// partition of the flows go to one partition of the alerts, so that the revisions of an
// alert stay in order. An alert that Kafka will never take is counted, logged, and left out.
func (p *AlertProducer) Produce(ctx context.Context, partition int32, alerts []schema.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	if partition < 0 {
		return fmt.Errorf("BUG: alerts of partition %d of the flows", partition)
	}
	to := partition % int32(p.partitions)
	records := make([]*kgo.Record, 0, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		value, err := schema.AppendAlert(nil, a)
		if err != nil {
			return err // our own doing: a NaN, or such
		}
		records = append(records, &kgo.Record{Topic: p.cfg.Topic, Partition: to, Key: []byte(a.ID), Value: value})
	}
	large, err := p.write(ctx, records)
	if len(records) > 1 {
		// The client writes several alerts as one batch, which Kafka refuses as a whole:
		// alone, each that is small enough goes through.
		together := large
		large = nil
		for i := 0; i < len(together) && err == nil; i++ {
			var one []*kgo.Record
			one, err = p.write(ctx, together[i:i+1])
			large = append(large, one...)
		}
	}
	for _, r := range large {
		p.refused.Add(1)
		p.log.Error("alert left out: it is larger than the topic takes, raise its max.message.bytes",
			"topic", p.cfg.Topic, "alert", string(r.Key), "bytes", len(r.Value))
	}
	if err != nil {
		p.failures.Add(1)
		return fmt.Errorf("write alerts to topic %s: %w", p.cfg.Topic, err)
	}
	return nil
}

// write writes records and waits. It returns those that were too large, together or
// alone, and why others failed. While it may not write it tries again, until ctx ends.
func (p *AlertProducer) write(ctx context.Context, records []*kgo.Record) (large []*kgo.Record, failed error) {
	for {
		large, failed = p.writeOnce(ctx, records)
		if failed == nil || !refused(failed) || ctx.Err() != nil {
			p.Trouble.note(nil)
			return large, failed
		}
		failed = fmt.Errorf("alerts wait: write to topic %s: %w", p.cfg.Topic, advised(failed))
		p.Trouble.note(failed)
		p.log.Error("Kafka refuses alerts; they are written again", "error", failed)
		pause(ctx, refusedPause)
	}
}

// writeOnce writes records and waits. What was written of those that are written again is the
// same revision.
func (p *AlertProducer) writeOnce(ctx context.Context, records []*kgo.Record) (large []*kgo.Record, failed error) {
	for _, r := range p.cl.ProduceSync(ctx, records...) {
		switch {
		case r.Err == nil:
			p.produced.Add(1)
			p.wrote(r.Record)
		case errors.Is(r.Err, kerr.MessageTooLarge):
			large = append(large, r.Record)
		case failed == nil:
			failed = r.Err
		}
	}
	return large, failed
}

// Partitions is the number of partitions of the topic.
func (p *AlertProducer) Partitions() int { return p.partitions }

// Reachable says whether Kafka answers.
func (p *AlertProducer) Reachable(ctx context.Context) error { return Reachable(ctx, p.cl) }

// Stats may be called at any time, from any goroutine.
func (p *AlertProducer) Stats() AlertStats {
	return AlertStats{Produced: p.produced.Load(), Refused: p.refused.Load(), Failures: p.failures.Load()}
}

// Close lets go of the connection. Nothing is held: Produce has waited.
func (p *AlertProducer) Close() { p.cl.Close() }
