package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// breath is how long Follow waits between two batches: what comes meanwhile is
// one, so that whoever prepares something for each does not do it for each record.
const breath = 100 * time.Millisecond

// Follow hands the records of all partitions of a topic to take, those stamped
// from the given instant on and then what comes, until ctx ends. It is no member
// of a group, commits nothing, and makes the best of what it finds: it waits for
// a topic that does not exist yet and for a Kafka that does not answer. Its error
// is that of the settings.
func Follow(ctx context.Context, kafka KafkaConfig, topic string, from time.Time, take func([]*kgo.Record), log *slog.Logger) error {
	cl, err := kafka.client(log,
		kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AfterMilli(from.UnixMilli())),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(4<<20),
		kgo.MetadataMinAge(time.Second), // how soon a topic is seen that was made later
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			break
		}
		fetches.EachError(func(_ string, partition int32, err error) {
			if !errors.Is(err, kerr.UnknownTopicOrPartition) {
				log.Warn("follow a topic", "topic", topic, "partition", partition, "error", err)
			}
		})
		if records := fetches.Records(); len(records) > 0 {
			take(records)
		}
		pause(ctx, breath)
	}
	return nil
}
