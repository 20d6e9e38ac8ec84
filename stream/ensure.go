package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// TopicConfig is what topics are made with where they do not exist. The alerts of
// a partition of flows share a partition, so both topics have the same number.
type TopicConfig struct {
	Partitions int32 `name:"flows-partitions" default:"12" help:"Partitions to create the topics of flows and of alerts with, and so how many detectors can share the work. Cannot be changed later without moving every source."`
	Replicas   int16 `name:"kafka-replicas" default:"1" help:"Brokers that hold each partition of a topic that is created; 3 in a cluster."`

	Retention time.Duration `kong:"-"` // how long it keeps its records: each topic has a setting of its own
	Shorter   string        `kong:"-"` // what it means if a topic that exists keeps them for less long
	Like      string        `kong:"-"` // the topic that it has as many partitions as, if that exists
}

// Validate says what is wrong and what to write instead.
func (c *TopicConfig) Validate() error {
	switch {
	case c.Partitions < 1 || c.Partitions > 10_000:
		return fmt.Errorf("flows-partitions %d: give 1 to 10000", c.Partitions)
	case c.Replicas < 1:
		return fmt.Errorf("kafka-replicas %d: give 1 or more", c.Replicas)
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
	configs := map[string]string{"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(cfg.Retention.Milliseconds(), 10)}
	want := cfg.Partitions
	if cfg.Like != "" {
		if n, err := partitionsNow(ctx, cl, cfg.Like); err == nil {
			want = int32(n)
		}
	}
	have, err := EnsureTopic(ctx, cl, topic, want, cfg.Replicas, inSync(configs, cfg.Replicas))
	if err != nil && !errors.Is(err, ErrPartitions) {
		return err
	}
	switch {
	case err != nil && cfg.Like != "":
		log.Warn("the topic has another number of partitions than the one that its records come from: each partition there has one here, and order holds; it is used as it is",
			"topic", topic, "partitions", have, "of", cfg.Like, "there", want)
	case err != nil:
		log.Warn("the topic exists and differs from the settings; it is used as it is", "error", err)
	}
	cfg.needs().check(ctx, cl, topic, log)
	return nil
}

func (c TopicConfig) needs() topicNeeds {
	return topicNeeds{message: maxAlert, replicas: c.Replicas, keeps: c.Retention, shorter: c.Shorter}
}
