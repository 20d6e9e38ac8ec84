package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// heartbeat is how often a member shows itself, and hears that the group divides the
// partitions anew. With franz-go's own 3 s each handover takes 2 s longer.
const heartbeat = time.Second

// membership is how the consumer belongs to its group: by the classic protocol, in which
// the member names its session timeout. docs/decisions/membership.md has the measurements.
func (c *Consumer) membership() []kgo.Opt {
	// Without the version that names topics by an id, which a broker may not tell.
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.OffsetCommit.Int16(), 9)
	opts := []kgo.Opt{
		kgo.ConsumerGroup(c.cfg.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(c.cfg.SessionTimeout),
		kgo.HeartbeatInterval(min(heartbeat, c.cfg.SessionTimeout/3)),
		kgo.RebalanceTimeout(c.cfg.DrainTimeout + commitTimeout + 30*time.Second),
		kgo.MaxVersions(versions),
		kgo.OnPartitionsAssigned(c.assigned),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
	}
	if c.cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.cfg.InstanceID))
	}
	return opts
}

func (c *Consumer) assigned(_ context.Context, _ *kgo.Client, more map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = !c.closing
	c.note(&c.count.assigned, more)
}

func (c *Consumer) revoked(_ context.Context, cl *kgo.Client, gone map[string][]int32) {
	c.mu.Lock()
	c.note(&c.count.revoked, gone)
	c.mu.Unlock()
	if which := gone[c.cfg.Topic]; len(which) > 0 {
		_ = c.letGo(cl, which, Revoked) // what is not committed is logged, and read again
	}
}

func (c *Consumer) lost(_ context.Context, cl *kgo.Client, gone map[string][]int32) {
	c.mu.Lock()
	c.joined = false
	if c.note(&c.count.lost, gone) {
		c.log.Warn("the group has given our partitions away: it heard nothing of us for the session timeout, or another member has our name",
			"partitions", gone[c.cfg.Topic], "session_timeout", c.cfg.SessionTimeout.String())
	}
	c.mu.Unlock()
	if which := gone[c.cfg.Topic]; len(which) > 0 {
		_ = c.letGo(cl, which, Lost) // commits nothing
	}
}

// note counts what the group does with partitions. At the end the client says of all that
// they go: that is no doing of the group. mu is held.
func (c *Consumer) note(count *atomic.Uint64, partitions map[string][]int32) bool {
	if c.closing || len(partitions[c.cfg.Topic]) == 0 {
		return false
	}
	count.Add(1)
	return true
}

// errNoMember is a commit without a membership under which it could be accepted.
var errNoMember = errors.New("the group does not count us among its members")

// commitOffsets commits as the member that cl is, until ctx ends. kgo's own commits wait
// while the group divides its partitions anew, which takes as long as its slowest member,
// or as a dead one's session. Kafka itself takes commits then, but for the moments in
// which it hands out the new assignment.
func (c *Consumer) commitOffsets(ctx context.Context, cl *kgo.Client, offsets map[int32]int64) error {
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = c.cfg.Topic
	for n, offset := range offsets {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = n, offset, c.says()
		topic.Partitions = append(topic.Partitions, p)
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Topics = c.cfg.Group, []kmsg.OffsetCommitRequestTopic{topic}
	if c.cfg.InstanceID != "" {
		req.InstanceID = &c.cfg.InstanceID
	}
	req.MemberID, req.Generation = cl.GroupMetadata()
	for {
		if req.MemberID == "" {
			return errNoMember
		}
		err := commitOnce(ctx, cl, req)
		var refused *kerr.Error
		if err == nil || errors.As(err, &refused) && refused != kerr.RebalanceInProgress && refused != kerr.IllegalGeneration {
			return err
		}
		pause(ctx, 50*time.Millisecond)
		// Under another name than before, the partitions are others' already.
		name, generation := cl.GroupMetadata()
		if name != req.MemberID || ctx.Err() != nil {
			return err
		}
		req.Generation = generation
	}
}

func commitOnce(ctx context.Context, cl *kgo.Client, req *kmsg.OffsetCommitRequest) error {
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaveTimeout bounds the farewell: what it does not reach ends with the session.
const leaveTimeout = 3 * time.Second

// leave closes cl, and tells the group that the member will not come back, one with a name
// of its own too: nobody knows whether another of that name will follow, and when.
//
// It is told by a client of its own. cl would leave only when it has joined, which takes
// as long as a dead member's session if one is waited for, and would join again if it saw
// that it is out.
func (c *Consumer) leave(cl *kgo.Client, hangUp context.CancelFunc) {
	name, _ := cl.GroupMetadata()
	hangUp()
	cl.CloseAllowingRebalance()
	if name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := c.sayFarewell(ctx, name); err != nil {
		c.log.Warn("leave the group: the partitions wait until the session has timed out",
			"session_timeout", c.cfg.SessionTimeout.String(), "error", err)
	}
}

func (c *Consumer) sayFarewell(ctx context.Context, name string) error {
	cl, err := c.kafka.client(c.log)
	if err != nil {
		return err
	}
	defer cl.Close()
	who := kmsg.NewLeaveGroupRequestMember()
	who.MemberID, who.Reason = name, kmsg.StringPtr("told to end")
	if c.cfg.InstanceID != "" {
		who.InstanceID = &c.cfg.InstanceID
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID, req.Members = c.cfg.Group, name, []kmsg.LeaveGroupRequestMember{who}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	for _, m := range resp.Members {
		err = errors.Join(err, kerr.ErrorForCode(m.ErrorCode))
	}
	switch {
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID), errors.Is(err, kerr.GroupIDNotFound):
		return nil // we are out already
	}
	return err
}
