package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Ready says why the consumer does not read: Kafka does not answer, there is no such topic,
// it may not be read, or the group has not given this member partitions yet. A member that
// will get none, because there are more members than partitions, is ready: see Spare.
func (c *Consumer) Ready(ctx context.Context) error {
	c.mu.Lock()
	cl, joined, held := c.cl, c.joined, len(c.held)
	c.mu.Unlock()
	if cl == nil {
		return c.kafka.Ask(ctx)
	}
	if err := Reachable(ctx, cl); err != nil {
		return err
	}
	n, err := partitionsNow(ctx, cl, c.cfg.Topic)
	if err != nil {
		err = fmt.Errorf("look up topic %s: %w", c.cfg.Topic, err)
		if refused(err) || errors.Is(err, kerr.UnknownTopicOrPartition) {
			err = advised(err)
			c.log.Warn("nothing is read", "error", err)
		}
		return err
	}
	if err := c.trouble.Now(); err != nil {
		return fmt.Errorf("read topic %s as group %s: %w", c.cfg.Topic, c.cfg.Group, err)
	}
	if !joined {
		return errors.New("waiting for the consumer group to assign partitions")
	}
	if held > 0 {
		c.spare.Store(nil)
		return nil
	}
	return c.turn(ctx, cl, n)
}

// Spare says why this member has no partitions and will get none as things are; else it is empty.
func (c *Consumer) Spare() string {
	if s := c.spare.Load(); s != nil {
		return *s
	}
	return ""
}

// turn says whether a member without partitions of n has to wait for some. At first it may have
// none because others have to let theirs go.
func (c *Consumer) turn(ctx context.Context, cl *kgo.Client, n int) error {
	groups, err := kadm.NewClient(cl).DescribeGroups(ctx, c.cfg.Group)
	if err == nil {
		err = groups[c.cfg.Group].Err
	}
	if err != nil {
		return fmt.Errorf("waiting for partitions; look up group %s: %w", c.cfg.Group, err)
	}
	g := groups[c.cfg.Group]
	switch {
	case g.State != "Stable":
		c.spare.Store(nil)
		return fmt.Errorf("waiting for partitions: the group divides them anew among %d members (%s)", len(g.Members), g.State)
	case len(g.Members) <= n:
		c.spare.Store(nil)
		return fmt.Errorf("waiting for partitions: %d members share %d, and others have not let theirs go yet", len(g.Members), n)
	}
	spare := fmt.Sprintf("no partition is assigned, and none will be as things are: group %s has %d members, topic %s %d partitions",
		c.cfg.Group, len(g.Members), c.cfg.Topic, n)
	if c.spare.Swap(&spare) == nil {
		c.log.Info("no partition is assigned: there are more members than partitions", "members", len(g.Members), "partitions", n)
	}
	return nil
}

// says is what this member says of itself with each commit.
func (c *Consumer) says() *string {
	if c.cfg.Says == nil {
		return nil
	}
	s := c.cfg.Says()
	return &s
}

// Said is what the members of the group said of themselves with their last commits, by
// partition, without those that are held here.
func (c *Consumer) Said(ctx context.Context) (map[int32]string, error) {
	c.mu.Lock()
	cl := c.cl
	c.mu.Unlock()
	if cl == nil {
		return nil, nil
	}
	offsets, err := kadm.NewClient(cl).FetchOffsetsForTopics(ctx, c.cfg.Group, c.cfg.Topic)
	if err != nil {
		return nil, fmt.Errorf("look up what group %s has committed: %w", c.cfg.Group, err)
	}
	said := map[int32]string{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, o := range offsets[c.cfg.Topic] {
		if c.held[n] == nil && o.Err == nil && o.Metadata != "" {
			said[n] = o.Metadata
		}
	}
	return said, nil
}
