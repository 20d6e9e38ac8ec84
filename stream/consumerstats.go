package stream

import (
	"cmp"
	"slices"
	"sync/atomic"
)

type consumerCounters struct {
	records, bytes, commits, commitFailures, assigned, revoked, lost, fetchErrors, expired atomic.Uint64
}

// ConsumerStats says what a Consumer has done, and where it stands.
type ConsumerStats struct {
	Records, Bytes          uint64 // processed
	Commits, CommitFailures uint64
	Assigned, Revoked, Lost uint64 // times that the group gave this member partitions, took some back, gave some away unasked
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
		Assigned: c.count.assigned.Load(), Revoked: c.count.revoked.Load(), Lost: c.count.lost.Load(),
		FetchErrors: c.count.fetchErrors.Load(), Expired: c.count.expired.Load(),
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
