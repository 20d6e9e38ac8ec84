package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What the state topic is made with. Kafka compacts whole segments only, never the one
// that is written: small ones, that do not stay open for long, are what makes a reader
// find little more than the last slice of each part.
func stateTopicConfig() map[string]string {
	return map[string]string{
		"cleanup.policy":            "compact",
		"max.message.bytes":         strconv.Itoa(largestSlice),
		"segment.bytes":             strconv.Itoa(64 << 20),
		"segment.ms":                "600000", // 10 min: two rounds of writing
		"min.cleanable.dirty.ratio": "0.2",
		"max.compaction.lag.ms":     "3600000", // then even if less than that is old
		"delete.retention.ms":       "60000",
	}
}

// PrepareState waits for Kafka and creates the topic of slices unless it exists, with as
// many partitions as the topic of flows has, or, before that exists, as the settings say.
// One that has fewer gets more: nothing moves by that. Settings of an existing one that
// would lose slices are named in the log.
func PrepareState(ctx context.Context, kafka KafkaConfig, topic, flows string, cfg TopicConfig, log *slog.Logger) error {
	cl, err := kafka.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := await(ctx, cl, log); err != nil {
		return err
	}
	want, known := cfg.Partitions, false
	switch n, err := partitionsNow(ctx, cl, flows); {
	case err == nil:
		want, known = int32(n), true
	case !errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("look up topic %s: %w", flows, err)
	}
	have, err := EnsureTopic(ctx, cl, topic, want, cfg.Replicas, inSync(stateTopicConfig(), cfg.Replicas))
	if errors.Is(err, ErrPartitions) && known {
		if err := unmoved(ctx, cl, topic, have, flows, int(want)); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, ErrPartitions) && known && have < int(want):
		if err := grow(ctx, cl, topic, int(want)); err != nil {
			return fmt.Errorf("topic %s has %d partitions, the flows have %d, and it must have as many: %w", topic, have, want, err)
		}
		log.Info("the topic of the state has as many partitions as the flows now", "topic", topic, "had", have, "has", want)
	case err != nil && !errors.Is(err, ErrPartitions):
		return err
	}
	cfg.stateNeeds().check(ctx, cl, topic, log)
	return nil
}

// unmoved refuses a state of another number of partitions than the flows have, if there is
// any: its sources have moved, and would be taken for new where they are now.
func unmoved(ctx context.Context, cl *kgo.Client, topic string, have int, flows string, want int) error {
	ends := map[int32]int64{}
	for p := range int32(have) {
		ends[p] = latest
	}
	ends, err := askOffsets(ctx, cl, topic, ends)
	if err != nil {
		return fmt.Errorf("look up topic %s: %w", topic, err)
	}
	for p, end := range ends {
		if end > 0 && (have < want || int(p) >= want) {
			return fmt.Errorf("topic %s has the state of %d partitions, and topic %s has %d: every source has moved, and its scans with it: "+
				"move the state with scanhound reshard, give the flows as many partitions as they had, or delete %s to build the state from the flows", topic, have, flows, want, topic)
		}
	}
	return nil
}

func grow(ctx context.Context, cl *kgo.Client, topic string, to int) error {
	resp, err := kadm.NewClient(cl).UpdatePartitions(ctx, to, topic)
	if err == nil {
		err = resp.Error()
	}
	return err
}

func (c TopicConfig) stateNeeds() topicNeeds {
	return topicNeeds{compact: true, message: smallestLimit, replicas: c.Replicas}
}

// smallestLimit is what parts of a state of the usual size fit into.
const smallestLimit = 1 << 20
