package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Ends is how far a topic reaches.
type Ends struct {
	ID    [16]byte // Kafka's id of it, which another of its name would not have; zero: unknown
	First []int64  // by partition: the offset of the first record that is kept
	Next  []int64  // and that of the next one that is written
}

// LookAtEnds asks how far a topic reaches. One that there is not has no partitions.
func LookAtEnds(ctx context.Context, kafka KafkaConfig, topic string, log *slog.Logger) (*Ends, error) {
	cl, err := kafka.client(log)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	if err := Reachable(ctx, cl); err != nil {
		return nil, err
	}
	n, err := partitionsNow(ctx, cl, topic)
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return new(Ends), nil
	case err != nil:
		return nil, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	e := &Ends{First: make([]int64, n), Next: make([]int64, n)}
	for which, into := range map[int64][]int64{earliest: e.First, latest: e.Next} {
		ask := map[int32]int64{}
		for p := range int32(n) {
			ask[p] = which
		}
		found, err := askOffsets(ctx, cl, topic, ask)
		if err != nil {
			return nil, fmt.Errorf("look up topic %s: %w", topic, err)
		}
		for p, at := range found {
			into[p] = at
		}
	}
	if topics, err := kadm.NewClient(cl).ListTopics(ctx, topic); err == nil {
		e.ID = topics[topic].ID
	}
	return e, nil
}
