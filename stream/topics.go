package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrPartitions is a topic whose number of partitions is not the one asked for.
// It can be used as it is, but sources live elsewhere than was planned.
var ErrPartitions = errors.New("the topic has another number of partitions")

// EnsureTopic creates the topic unless it exists. A topic that does is left as it
// is: more partitions would move every source to another one. Then the number
// that it has is returned, with ErrPartitions if it is not the one asked for.
func EnsureTopic(ctx context.Context, cl *kgo.Client, name string, partitions int32, replication int16, configs map[string]string) (int, error) {
	wanted := map[string]*string{}
	for k, v := range configs {
		wanted[k] = &v
	}
	_, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, replication, wanted, name)
	switch {
	case err == nil:
		return Partitions(ctx, cl, name)
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return 0, fmt.Errorf("create topic %s with %d replicas: %w: there are fewer brokers than that", name, replication, err)
	case !errors.Is(err, kerr.TopicAlreadyExists):
		// Whoever may not create topics may still use this one.
		n, err2 := partitionsNow(ctx, cl, name)
		if err2 != nil || !errors.Is(err, kerr.TopicAuthorizationFailed) && !errors.Is(err, kerr.ClusterAuthorizationFailed) {
			return 0, fmt.Errorf("create topic %s: %w", name, err)
		}
		return n, countError(name, n, partitions)
	}
	n, err := Partitions(ctx, cl, name)
	if err != nil {
		return 0, err
	}
	return n, countError(name, n, partitions)
}

func countError(topic string, n int, want int32) error {
	if want <= 0 || n == int(want) {
		return nil
	}
	return fmt.Errorf("topic %s: %w: it has %d, the settings say %d; set the number to %d, or start a new topic, since adding partitions moves every source",
		topic, ErrPartitions, n, want, n)
}

// Partitions returns how many partitions a topic has, asking until ctx ends while
// a broker says that it has not heard of the topic, or has no leader for it, yet.
func Partitions(ctx context.Context, cl *kgo.Client, topic string) (int, error) {
	var last error
	for {
		n, err := partitionsNow(ctx, cl, topic)
		if err == nil {
			return n, nil
		}
		if ctx.Err() != nil && last != nil {
			err = last // what was said before the question was cut off
		}
		last = err
		if !kerr.IsRetriable(err) {
			return 0, fmt.Errorf("look up topic %s: %w", topic, err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("look up topic %s: %w: create it, or check its name (gave up: %w)", topic, err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// partitionsNow asks a broker itself. Kadm answers from what the client remembers for
// seconds, and for a topic that was made a moment ago that is that there is none.
func partitionsNow(ctx context.Context, cl *kgo.Client, topic string) (int, error) {
	req := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, asked)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return 0, err
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return 0, err
		}
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, kerr.LeaderNotAvailable) {
				return 0, err
			}
		}
		if len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
	}
	return 0, kerr.UnknownTopicOrPartition
}
