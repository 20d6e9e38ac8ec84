package stream

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicNeeds is what a topic that exists is compared with. What is zero is not compared.
type topicNeeds struct {
	compact  bool          // it keeps the last record of each key; else it must not
	message  int           // bytes that a record, or a batch, has at most
	keeps    time.Duration // how long, at least
	shorter  string        // what it means if it is less
	replicas int16
	stamped  bool // by who writes, not by the broker
}

// batchLimit is what kgo makes its batches of records of.
const batchLimit = 1_000_012

// check logs what a topic that exists should be like and is not. What may not be asked is
// taken for right.
func (n topicNeeds) check(ctx context.Context, cl *kgo.Client, topic string, log *slog.Logger) {
	log = log.With("topic", topic)
	for _, w := range n.wrong(ctx, cl, topic) {
		log.Error("a setting of a topic loses what is in it", "setting", w.text, "mend", alter(cl, topic, w.setting, w.value))
	}
	have := topicConfigs(ctx, cl, topic)
	if keeps, ok := milliseconds(have["retention.ms"]); ok && n.keeps > 0 && keeps < n.keeps {
		log.Warn("the topic keeps its records for less long than it should: raise its retention.ms",
			"keeps", keeps.String(), "should", n.keeps.String(), "then", n.shorter, "mend", alter(cl, topic, "retention.ms", n.keeps.Milliseconds()))
	}
	if limit := have["retention.bytes"]; n.keeps > 0 && limit != "" && limit != "-1" {
		log.Warn("the topic is also limited by bytes, and may keep its records for less long than its retention.ms says", "retention.bytes", limit, "then", n.shorter)
	}
	if n.stamped && have["message.timestamp.type"] == "LogAppendTime" {
		log.Warn("the broker stamps what is written, instead of ingest: how long flows wait before Kafka is not seen; set message.timestamp.type to CreateTime", "mend", alter(cl, topic, "message.timestamp.type", "CreateTime"))
	}
	n.checkReplicas(ctx, cl, topic, have["min.insync.replicas"], log)
}

// wrongSetting is one that loses records, and the value that it should have.
type wrongSetting struct {
	text, setting string
	value         any
}

func (n topicNeeds) wrong(ctx context.Context, cl *kgo.Client, topic string) (all []wrongSetting) {
	have := topicConfigs(ctx, cl, topic)
	policy, ok := have["cleanup.policy"]
	switch compacts := strings.Contains(policy, "compact"); {
	case !ok:
	case n.compact && policy != "compact":
		all = append(all, wrongSetting{fmt.Sprintf("cleanup.policy is %q: make it compact", policy), "cleanup.policy", "compact"})
	case !n.compact && compacts:
		all = append(all, wrongSetting{fmt.Sprintf("cleanup.policy is %q: make it delete", policy), "cleanup.policy", "delete"})
	}
	if limit := have["max.message.bytes"]; n.message > 0 && lessThan(limit, n.message) {
		all = append(all, wrongSetting{fmt.Sprintf("max.message.bytes is %s: make it at least %d", limit, n.message), "max.message.bytes", n.message})
	}
	return all
}

func (n topicNeeds) checkReplicas(ctx context.Context, cl *kgo.Client, topic, minimum string, log *slog.Logger) {
	topics, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	if err != nil || topics[topic].Err != nil {
		return
	}
	least := 0
	for i, p := range topics[topic].Partitions.Sorted() {
		if i == 0 || len(p.Replicas) < least {
			least = len(p.Replicas)
		}
	}
	inSync, err := strconv.Atoi(minimum)
	switch {
	case least == 0:
	case err == nil && inSync > least:
		log.Error("nothing can be written: the topic wants more replicas in sync than it has: lower its min.insync.replicas", "replicas", least, "min.insync.replicas", inSync, "mend", alter(cl, topic, "min.insync.replicas", max(1, least-1)))
	case least < int(n.replicas):
		log.Warn("a partition has fewer replicas than kafka-replicas says", "replicas", least, "kafka-replicas", n.replicas)
	case err == nil && least > 2 && inSync < 2:
		log.Warn("what one broker alone has counts as written: set the topic's min.insync.replicas to 2", "replicas", least, "min.insync.replicas", inSync, "mend", alter(cl, topic, "min.insync.replicas", 2))
	}
}

// topicConfigs are the settings of a topic, none if they may not be asked.
func topicConfigs(ctx context.Context, cl *kgo.Client, topic string) map[string]string {
	all := map[string]string{}
	configs, err := kadm.NewClient(cl).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return all
	}
	for _, c := range configs {
		for _, entry := range c.Configs {
			if entry.Value != nil {
				all[entry.Key] = *entry.Value
			}
		}
	}
	return all
}

// alter is the command that gives a topic a setting.
func alter(cl *kgo.Client, topic, setting string, value any) string {
	brokers, _ := cl.OptValue(kgo.SeedBrokers).([]string)
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%v",
		strings.Join(brokers, ","), topic, setting, value)
}

// milliseconds reads a time that a topic has; -1 is for ever.
func milliseconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > int64(100*365*24*time.Hour/time.Millisecond) {
		return 0, false
	}
	return time.Duration(n) * time.Millisecond, true
}

func lessThan(number string, least int) bool {
	n, err := strconv.Atoi(strings.TrimSpace(number))
	return err == nil && n < least
}

// inSync is the setting with which a topic of so many replicas survives that one broker goes,
// with all that was acknowledged.
func inSync(configs map[string]string, replicas int16) map[string]string {
	if replicas > 2 {
		configs["min.insync.replicas"] = "2"
	}
	return configs
}

// FlowsNeed is what a detector needs of the flows topic.
type FlowsNeed struct {
	Window     time.Duration // from which state is built that is not kept, with what comes late
	Meant      time.Duration // what the topic is meant to keep, if that is known to be less
	Checkpoint time.Duration // whose flows are counted again after a crash
}

// CheckFlows logs what the flows topic should be like and is not, if it exists.
func CheckFlows(ctx context.Context, kafka KafkaConfig, topic string, need FlowsNeed, log *slog.Logger) error {
	cl, err := kafka.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := await(ctx, cl, log); err != nil {
		return err
	}
	if _, err := partitionsNow(ctx, cl, topic); err != nil {
		return nil // it is made later, and as the settings say; that it is missing is said by who reads it
	}
	n := topicNeeds{message: batchLimit, keeps: need.Window, stamped: true,
		shorter: "nothing is lost while the state is kept; state that is lost or refused is built from what there is, and what was slower than that is found late, or not"}
	if need.Meant > 0 {
		n.keeps = min(need.Window, need.Meant)
	}
	n.check(ctx, cl, topic, log)
	// Beside the flows of a round of checkpoints there must be time to notice, and to start again.
	least := need.Checkpoint + time.Hour
	if keeps, ok := milliseconds(topicConfigs(ctx, cl, topic)["retention.ms"]); ok && keeps < least {
		log.Error("flows are lost when a detector is away: the topic keeps them for little more than they are counted again after a crash",
			"topic", topic, "keeps", keeps.String(), "checkpoint-interval", need.Checkpoint.String(), "should", least.String(), "mend", alter(cl, topic, "retention.ms", least.Milliseconds()))
	}
	return nil
}

// CheckTopic logs what a topic should be like and is not, if it exists: what PrepareTopic
// says of it, and makes nothing.
func CheckTopic(ctx context.Context, kafka KafkaConfig, topic string, cfg TopicConfig, log *slog.Logger) error {
	return kafka.look(ctx, topic, cfg, cfg.needs(), log)
}

// CheckState is CheckTopic for the topic of slices, see PrepareState.
func CheckState(ctx context.Context, kafka KafkaConfig, topic string, cfg TopicConfig, log *slog.Logger) error {
	return kafka.look(ctx, topic, cfg, cfg.stateNeeds(), log)
}

func (c KafkaConfig) look(ctx context.Context, topic string, cfg TopicConfig, needs topicNeeds, log *slog.Logger) error {
	cl, err := c.client(log)
	if err != nil {
		return err
	}
	defer cl.Close()
	n, err := partitionsNow(ctx, cl, topic)
	if err != nil {
		return nil // who asks what is allowed says that it is missing, or hidden
	}
	if err := countError(topic, n, cfg.Partitions); err != nil {
		log.Warn("the topic exists and differs from the settings; it is used as it is", "error", err)
	}
	needs.check(ctx, cl, topic, log)
	return nil
}
