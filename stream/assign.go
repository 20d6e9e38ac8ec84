package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// assign opens a Worker for each new partition and tells the client where to read.
// The client calls it between the group's assignment and the first fetch, never
// while partitions are revoked.
func (c *Consumer) assign(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	mine := offsets[c.cfg.Topic]
	c.mu.Lock()
	cl, closing := c.cl, c.closing
	c.mu.Unlock()
	if closing || cl == nil {
		return nil, context.Canceled
	}
	if len(mine) == 0 {
		return offsets, nil
	}
	known, err := c.inspect(ctx, cl, mine)
	if err != nil {
		return nil, err
	}
	// Together: each may have a state to read.
	var g errgroup.Group
	var mu sync.Mutex
	for n, a := range known {
		g.Go(func() error {
			from, err := c.begin(ctx, cl, a)
			mu.Lock()
			defer mu.Unlock()
			// Without an epoch: a rewound offset has none, and a committed one needs none, since
			// offsets that Kafka has lost show as out of range.
			mine[n] = kgo.NewOffset().At(from).WithEpoch(-1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return offsets, nil
}

// begin opens the Worker of one partition and returns the first offset to read.
func (c *Consumer) begin(ctx context.Context, cl *kgo.Client, a Assignment) (int64, error) {
	// A session that ended while offsets were being looked up begins again here, without
	// a revocation: what is held has read nothing yet.
	_ = c.letGo(cl, []int32{a.Partition}, Revoked)
	w, from, err := c.open(ctx, a)
	if err != nil {
		if ctx.Err() == nil {
			c.fail(fmt.Errorf("open partition %d of %s: %w", a.Partition, a.Topic, err))
		}
		return 0, err
	}
	start, err := c.firstOffset(ctx, cl, a, from)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.closing {
		err = context.Canceled
	}
	if err != nil {
		w.Close(ctx, Lost) // it has done nothing yet
		return 0, err
	}
	if _, ok := w.(Preparer); ok {
		cl.PauseFetchPartitions(map[string][]int32{a.Topic: {a.Partition}})
	}
	done := a.Committed
	if from.offset > 0 {
		done = max(done, start)
	}
	c.held[a.Partition] = c.start(a, w, start, done)
	return start, nil
}

// From is where a Worker wants to begin to read. The zero From is at Committed.
type From struct {
	stamp  time.Time
	offset int64 // and one
}

// FromStamp begins with the first record that was stamped at or after an instant, but
// never above Committed. The zero time is at Committed.
func FromStamp(t time.Time) From { return From{stamp: t} }

// FromOffset begins at an offset, wherever Committed is: what lies below was processed.
func FromOffset(n int64) From { return From{offset: n + 1} }

func (c *Consumer) firstOffset(ctx context.Context, cl *kgo.Client, a Assignment, from From) (int64, error) {
	start := max(a.Committed, a.Earliest)
	switch {
	case from.offset > 0:
		start = min(max(from.offset-1, a.Earliest), a.High)
	case !from.stamp.IsZero() && start > a.Earliest:
		first, err := c.listOffsets(ctx, cl, map[int32]int64{a.Partition: from.stamp.UnixMilli()})
		if err != nil {
			return 0, err
		}
		if at := first[a.Partition]; at >= 0 {
			start = max(min(start, at), a.Earliest)
		}
	}
	return start, nil
}

// Times that ListOffsets takes for the ends of a partition.
const (
	latest   = -1
	earliest = -2
)

// inspect finds out what there is to know of the new partitions.
func (c *Consumer) inspect(ctx context.Context, cl *kgo.Client, offsets map[int32]kgo.Offset) (map[int32]Assignment, error) {
	first, last := map[int32]int64{}, map[int32]int64{}
	for n := range offsets {
		first[n], last[n] = earliest, latest
	}
	first, err := c.listOffsets(ctx, cl, first)
	if err == nil {
		last, err = c.listOffsets(ctx, cl, last)
	}
	if err != nil {
		return nil, err
	}
	id := c.topicID(ctx, cl)
	known := map[int32]Assignment{}
	for n, o := range offsets {
		a := Assignment{Topic: c.cfg.Topic, Partition: n, Committed: max(o.EpochOffset().Offset, -1), Earliest: first[n], High: last[n], TopicID: id}
		if a.Committed > a.High {
			c.log.Error("the topic ends before what was committed: it was made anew, or has lost its end; it is read from its beginning",
				"partition", n, "committed", a.Committed, "end", a.High)
			a.Committed = -1
		}
		if a.Committed >= 0 && a.Committed < a.Earliest {
			c.count.expired.Add(uint64(a.Earliest - a.Committed))
			c.log.Error("records were deleted before they were read: lengthen the topic's retention, or add consumers",
				"partition", n, "committed", a.Committed, "earliest", a.Earliest)
		}
		known[n] = a
	}
	stamps := c.lastStamps(ctx, known)
	for n, a := range known {
		a.LastStamp = stamps[n]
		known[n] = a
	}
	return known, nil
}

// topicID is Kafka's id of the topic, which another of the same name would not have;
// zero where Kafka does not say.
func (c *Consumer) topicID(ctx context.Context, cl *kgo.Client) [16]byte {
	topics, err := kadm.NewClient(cl).ListTopics(ctx, c.cfg.Topic)
	if err != nil {
		return [16]byte{}
	}
	return topics[c.cfg.Topic].ID
}

// listOffsets resolves a time in milliseconds for each partition to the first
// offset at or after it, -1 if there is none, asking until ctx ends.
func (c *Consumer) listOffsets(ctx context.Context, cl *kgo.Client, at map[int32]int64) (map[int32]int64, error) {
	for {
		found, err := askOffsets(ctx, cl, c.cfg.Topic, at)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.log.Warn("look up offsets", "error", err)
		pause(ctx, 250*time.Millisecond)
	}
}

// askOffsets is listOffsets, once.
func askOffsets(ctx context.Context, cl *kgo.Client, name string, at map[int32]int64) (map[int32]int64, error) {
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for n, milli := range at {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = n, milli
		topic.Partitions = append(topic.Partitions, p)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.Topics = append(req.Topics, topic)
	found := map[int32]int64{}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("partition %d: %w", p.Partition, err)
				}
				found[p.Partition] = p.Offset
			}
		}
	}
	if len(found) != len(at) {
		return nil, fmt.Errorf("asked for %d partitions, got %d", len(at), len(found))
	}
	return found, nil
}

// stampTimeout bounds the search for the last stamps: without them a Worker
// reckons from now, which costs it the time that it was down.
const stampTimeout = 5 * time.Second

// lastStamps reads the last committed record of each partition for its stamp.
func (c *Consumer) lastStamps(ctx context.Context, known map[int32]Assignment) map[int32]time.Time {
	start := map[int32]kgo.Offset{}
	for n, a := range known {
		if a.Committed > a.Earliest && a.Committed <= a.High {
			start[n] = kgo.NewOffset().At(a.Committed - 1)
		}
	}
	if len(start) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stampTimeout)
	defer cancel()
	cl, err := c.kafka.client(c.log, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.cfg.Topic: start}),
		kgo.FetchMaxPartitionBytes(1)) // one batch, Kafka gives no less
	if err != nil {
		return nil // Run had the same settings
	}
	defer cl.Close()
	stamps := map[int32]time.Time{}
	for len(stamps) < len(start) {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			if !errors.Is(err, context.Canceled) {
				c.log.Warn("no stamp of the last committed record", "partitions", len(start)-len(stamps), "error", err)
			}
			break
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if _, have := stamps[r.Partition]; !have {
				stamps[r.Partition] = r.Timestamp
				cl.PauseFetchPartitions(map[string][]int32{c.cfg.Topic: {r.Partition}})
			}
		})
	}
	return stamps
}
