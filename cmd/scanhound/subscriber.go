package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// subscriber is a durable consumer of the alert stream, as a SIEM's is: it
// takes each alert and acknowledges it.
type subscriber struct {
	cfg      stream.NATSConfig
	log      *slog.Logger
	take     func(*schema.Alert)
	received atomic.Uint64
}

// Run takes alerts until ctx ends.
func (s *subscriber) Run(ctx context.Context) error {
	n, err := stream.DialNATS(s.cfg, s.log)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.EnsureStream(ctx); err != nil {
		return err
	}
	c, err := n.JetStream().CreateOrUpdateConsumer(ctx, s.cfg.Name, jetstream.ConsumerConfig{
		Durable: "demo", FilterSubject: schema.AlertSubjects, AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return fmt.Errorf("subscribe to the alerts: %w", err)
	}
	messages, err := c.Messages()
	if err != nil {
		return fmt.Errorf("subscribe to the alerts: %w", err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		m, err := messages.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive alerts: %w", err)
		}
		s.receive(m)
	}
}

func (s *subscriber) receive(m jetstream.Msg) {
	a, err := schema.ParseAlert(m.Data())
	if err != nil {
		s.log.Error("a message on the alert stream is no alert", "subject", m.Subject(), "error", err)
	} else {
		s.take(a)
	}
	s.received.Add(1)
	if err := m.Ack(); err != nil {
		s.log.Warn("acknowledge an alert", "error", err)
	}
}
