package stream

import (
	"context"
	"errors"
	"log/slog"
)

// Await waits until any broker answers, or ctx ends. The error is then the last one
// that says something, and that ctx ended.
func (c KafkaConfig) Await(ctx context.Context, log *slog.Logger) error {
	cl, err := c.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	return await(ctx, cl, log)
}

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
	return errors.New("the broker answers, and is not used before all that is needed is there")
}
