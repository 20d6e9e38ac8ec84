package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Needs is what a program must be allowed in Kafka: operations such as Read, by topic. Read on
// its group is needed too, if it has one.
type Needs struct {
	Topics map[string][]string
	Group  string
}

// coordinatorPause is between two questions after a group's coordinator.
const coordinatorPause = 250 * time.Millisecond

// mayUnknown is what a broker answers that keeps no such list (KIP-430).
const mayUnknown = math.MinInt32

// CheckPermissions logs what the user of kafka may not do and must, with the command that
// allows it. It asks what is allowed, and does nothing of it.
func CheckPermissions(ctx context.Context, kafka KafkaConfig, needs Needs, log *slog.Logger) error {
	cl, err := kafka.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := kafka.mayTopics(ctx, cl, needs.Topics, log); err != nil || needs.Group == "" {
		return err
	}
	return kafka.mayGroup(ctx, cl, needs.Group, log)
}

func (c KafkaConfig) mayTopics(ctx context.Context, cl *kgo.Client, topics map[string][]string, log *slog.Logger) error {
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		req := kmsg.NewPtrMetadataRequest()
		req.IncludeTopicAuthorizedOperations = true
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, asked)
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return fmt.Errorf("ask what is allowed on topic %s: %w", topic, err)
		}
		for _, t := range resp.Topics {
			switch err := kerr.ErrorForCode(t.ErrorCode); {
			case errors.Is(err, kerr.UnknownTopicOrPartition):
				log.Warn("the topic is missing; the program that writes to it makes it, if it may", "topic", topic)
			case errors.Is(err, kerr.TopicAuthorizationFailed):
				c.denied(log, "topic", topic, 0, topics[topic])
			case err != nil:
				return fmt.Errorf("ask what is allowed on topic %s: %w", topic, err)
			default:
				c.denied(log, "topic", topic, t.AuthorizedOperations, topics[topic])
			}
		}
	}
	return nil
}

func (c KafkaConfig) mayGroup(ctx context.Context, cl *kgo.Client, group string, log *slog.Logger) error {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	resp, err := req.RequestWith(ctx, cl)
	for ; kerr.IsRetriable(err); resp, err = req.RequestWith(ctx, cl) { // a new cluster makes its topic of offsets now
		select {
		case <-ctx.Done():
			return fmt.Errorf("ask what is allowed on group %s: %w", group, err)
		case <-time.After(coordinatorPause):
		}
	}
	if errors.Is(err, kerr.GroupAuthorizationFailed) { // who may not find its coordinator
		c.denied(log, "group", group, 0, []string{"Read"})
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask what is allowed on group %s: %w", group, err)
	}
	for _, g := range resp.Groups {
		may := g.AuthorizedOperations
		if errors.Is(kerr.ErrorForCode(g.ErrorCode), kerr.GroupAuthorizationFailed) {
			may = 0
		}
		c.denied(log, "group", group, may, []string{"Read"})
	}
	return nil
}

func (c KafkaConfig) denied(log *slog.Logger, kind, name string, may int32, must []string) {
	if may == mayUnknown {
		return
	}
	var missing []string
	for _, op := range must {
		code, err := kmsg.ParseACLOperation(op)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		if may&(1<<int32(code)) == 0 {
			missing = append(missing, op)
		}
	}
	if len(missing) == 0 {
		return
	}
	user := c.User
	if user == "" {
		user = "NAME" // of the certificate, or ANONYMOUS: the broker knows
	}
	log.Error("Kafka does not allow what is needed", kind, name, "missing", strings.Join(missing, ", "),
		"mend", fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s --operation %s --%s %s",
			c.Brokers[0], user, strings.Join(missing, " --operation "), kind, name))
}
