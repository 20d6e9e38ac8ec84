package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// AlertWriterConfig says where alerts are written in Kafka.
type AlertWriterConfig struct {
	Topic string `default:"scanhound.alerts.v1" help:"Topic that alerts are written to."`
}

// DefaultAlertWriterConfig is what the tags above say, for callers that have no command line.
func DefaultAlertWriterConfig() AlertWriterConfig {
	return AlertWriterConfig{Topic: schema.AlertsTopic}
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
	cfg        AlertWriterConfig
	cl         *kgo.Client
	log        *slog.Logger
	partitions int

	produced, refused, failures atomic.Uint64
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
	p := &AlertProducer{cfg: cfg, cl: cl, log: log}
	if p.partitions, err = connect(ctx, cl, cfg.Topic, log); err != nil {
		cl.Close()
		return nil, err
	}
	return p, nil
}

// Produce writes alerts and returns when all replicas have them; while Kafka does
// not answer it tries again, until ctx ends. All revisions of an alert are in one
// partition, since all come from one partition of flows. An alert that Kafka will
// never take is counted, logged, and left out.
func (p *AlertProducer) Produce(ctx context.Context, alerts []schema.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	records := make([]*kgo.Record, 0, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		value, err := schema.AppendAlert(nil, a)
		if err != nil {
			return err // our own doing: a NaN, or such
		}
		n := int(a.Origin.Partition) % p.partitions
		records = append(records, &kgo.Record{Topic: p.cfg.Topic, Partition: int32(max(n, 0)), Key: []byte(a.ID), Value: value})
	}
	var failed error
	for _, r := range p.cl.ProduceSync(ctx, records...) {
		switch {
		case r.Err == nil:
			p.produced.Add(1)
		case errors.Is(r.Err, kerr.MessageTooLarge):
			p.refused.Add(1)
			p.log.Error("alert left out: it is larger than the topic takes, raise its max.message.bytes",
				"topic", p.cfg.Topic, "alert", string(r.Record.Key), "bytes", len(r.Record.Value))
		case failed == nil:
			failed = r.Err
		}
	}
	if failed != nil {
		p.failures.Add(1)
		return fmt.Errorf("write alerts to topic %s: %w", p.cfg.Topic, failed)
	}
	return nil
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
