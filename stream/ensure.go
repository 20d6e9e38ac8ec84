package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// TopicConfig is what a topic is made with where it does not exist.
type TopicConfig struct {
	Partitions int32         `default:"12" help:"Partitions to create the topic with, and so how many detectors can share the work. Cannot be changed later without moving every source."`
	Replicas   int16         `default:"1" help:"Brokers that hold each partition of a topic that is created; 3 in a cluster."`
	Retention  time.Duration `default:"52h" help:"How long a created topic keeps its records: more than the detector's window, whose flows are read again after a restart."`
}

// DefaultTopicConfig is what the tags above say, for callers that have no command line.
func DefaultTopicConfig() TopicConfig {
	return TopicConfig{Partitions: 12, Replicas: 1, Retention: 52 * time.Hour}
}

// Validate says what is wrong and what to write instead.
func (c *TopicConfig) Validate() error {
	switch {
	case c.Partitions < 1 || c.Partitions > 10_000:
		return fmt.Errorf("partitions %d: give 1 to 10000", c.Partitions)
	case c.Replicas < 1:
		return fmt.Errorf("replicas %d: give 1 or more", c.Replicas)
	case c.Retention < time.Hour:
		return fmt.Errorf("retention %v: give at least 1h", c.Retention)
	}
	return nil
}

// PrepareTopic waits for Kafka and creates the topic unless it exists. One that
// has another number of partitions is used as it is, with a warning.
func PrepareTopic(ctx context.Context, kafka KafkaConfig, topic string, cfg TopicConfig, log *slog.Logger) error {
	cl, err := kafka.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := await(ctx, cl, log); err != nil {
		return err
	}
	configs := map[string]string{"retention.ms": strconv.FormatInt(cfg.Retention.Milliseconds(), 10)}
	_, err = EnsureTopic(ctx, cl, topic, cfg.Partitions, cfg.Replicas, configs)
	if errors.Is(err, ErrPartitions) {
		log.Warn("the topic exists and differs from the settings; it is used as it is", "error", err)
		return nil
	}
	return err
}
