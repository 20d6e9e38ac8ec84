package stream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

type consumerCounters struct {
	records, bytes, commits, commitFailures, rebalances, fetchErrors, expired atomic.Uint64
}

// ConsumerStats says what a Consumer has done, and where it stands.
type ConsumerStats struct {
	Records, Bytes          uint64 // processed
	Commits, CommitFailures uint64
	Rebalances              uint64 // times that the group gave this member its partitions
	FetchErrors             uint64
	Expired                 uint64 // records that Kafka deleted before they were read
	Partitions              []PartitionStats
}

// PartitionStats is where a partition stands.
type PartitionStats struct {
	Partition int32
	Next      int64 // offset of the next record to process
	Committed int64 // -1: nothing
	Replay    int64 // records still to be processed again, below Committed at the assignment
	Lag       int64 // records that wait in Kafka or here
}

// Stats may be called at any time, from any goroutine.
func (c *Consumer) Stats() ConsumerStats {
	s := ConsumerStats{
		Records: c.count.records.Load(), Bytes: c.count.bytes.Load(),
		Commits: c.count.commits.Load(), CommitFailures: c.count.commitFailures.Load(),
		Rebalances: c.count.rebalances.Load(), FetchErrors: c.count.fetchErrors.Load(), Expired: c.count.expired.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.held {
		next := p.next.Load()
		s.Partitions = append(s.Partitions, PartitionStats{
			Partition: p.Partition, Next: next, Committed: p.committed.Load(),
			Replay: max(0, p.Committed-next), Lag: max(0, p.high.Load()-next),
		})
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStats) int { return cmp.Compare(a.Partition, b.Partition) })
	return s
}

// Ready says why the consumer does not read: it has not joined its group, or
// Kafka does not answer. A member without partitions, because there are more
// members than partitions, is ready.
func (c *Consumer) Ready(ctx context.Context) error {
	c.mu.Lock()
	cl, joined := c.cl, c.joined
	c.mu.Unlock()
	if cl == nil {
		return c.kafka.Ask(ctx)
	}
	if err := Reachable(ctx, cl); err != nil {
		return err
	}
	if !joined {
		return errors.New("waiting for the consumer group to assign partitions")
	}
	return nil
}
