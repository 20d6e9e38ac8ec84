package stream

import (
	"context"
	"errors"
	"log/slog"
)

// Ask says why a program that is still starting does not use Kafka: what
// Reachable says, from a client of its own.
func (c KafkaConfig) Ask(ctx context.Context) error {
	cl, err := c.client(slog.New(slog.DiscardHandler)) // whoever waits for Kafka logs
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := Reachable(ctx, cl); err != nil {
		return err
	}
	return errors.New("the broker answers, its topics are being prepared")
}
