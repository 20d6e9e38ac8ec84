package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/stream"
)

func TestAFlowsTopicThatKeepsTooLittleIsNamedWithBothTimes(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		need := stream.FlowsNeed{Window: 49 * time.Hour, Checkpoint: 5 * time.Minute}
		for name, c := range map[string]struct {
			configs map[string]string
			meant   time.Duration
			says    []string
			saysNot []string
		}{
			"enough": {map[string]string{"retention.ms": "187200000"}, 0, nil, []string{"WARN", "ERROR"}},
			"less than the window": {map[string]string{"retention.ms": "86400000"}, 0,
				[]string{"keeps=24h0m0s should=49h0m0s", "nothing is lost while the state is kept"}, []string{"ERROR"}},
			"as it is meant":      {map[string]string{"retention.ms": "7200000"}, 2 * time.Hour, nil, []string{"WARN", "ERROR"}},
			"too little to crash": {map[string]string{"retention.ms": "3600000"}, 0, []string{"flows are lost when a detector is away", "keeps=1h0m0s checkpoint-interval=5m0s should=1h5m0s"}, nil},
			"bytes":               {map[string]string{"retention.ms": "187200000", "retention.bytes": "1000"}, 0, []string{"limited by bytes", "retention.bytes=1000"}, []string{"ERROR"}},
			"compacted":           {map[string]string{"retention.ms": "187200000", "cleanup.policy": "compact"}, 0, []string{`make it delete`}, nil},
			"stamped by brokers":  {map[string]string{"retention.ms": "187200000", "message.timestamp.type": "LogAppendTime"}, 0, []string{"CreateTime"}, []string{"ERROR"}},
		} {
			t.Run(name, func(t *testing.T) {
				var log logged
				need := need
				need.Meant = c.meant
				if err := stream.CheckFlows(soon(t), k.KafkaConfig, k.topic(t, 1, c.configs), need, log.logger()); err != nil {
					t.Fatal(err)
				}
				for _, s := range c.says {
					if !log.has(s) {
						t.Errorf("it does not say %q", s)
					}
				}
				for _, s := range c.saysNot {
					if log.has(s) {
						t.Errorf("it says %s: %s", s, log.text.String())
					}
				}
			})
		}
	})
}

func TestFewerReplicasThanTheSettingsSayAndMoreInSyncThanThereAreAreNamed(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		var log logged
		topic := k.topic(t, 1, map[string]string{"min.insync.replicas": "2", "max.message.bytes": "1000"})
		cfg := stream.TopicConfig{Partitions: 1, Replicas: 1, Retention: time.Hour}
		if err := stream.PrepareTopic(soon(t), k.KafkaConfig, topic, cfg, log.logger()); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"nothing can be written", "min.insync.replicas=2", "max.message.bytes is 1000"} {
			if !log.has(s) {
				t.Errorf("it does not say %q", s)
			}
		}
		cfg.Replicas = 3
		if err := stream.PrepareTopic(soon(t), k.KafkaConfig, k.topic(t, 1, nil), cfg, log.logger()); err != nil {
			t.Fatal(err)
		}
		if !log.has("fewer replicas than kafka-replicas says") {
			t.Error("it does not say that there is one replica")
		}
	})
}

func TestAlertsGetAsManyPartitionsAsTheFlowsHave(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		flows := k.topic(t, 5, nil)
		cfg := stream.TopicConfig{Partitions: 2, Replicas: 1, Retention: time.Hour, Like: flows}
		if err := stream.PrepareTopic(soon(t), k.KafkaConfig, flows+".alerts", cfg, quiet()); err != nil {
			t.Fatal(err)
		}
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if n, err := stream.Partitions(soon(t), cl, flows+".alerts"); n != 5 || err != nil {
			t.Errorf("%d partitions, %v", n, err)
		}
	})
}

func TestAStateWhoseSourcesHaveMovedIsRefused(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		flows, state := k.topic(t, 3, nil), stateTopic(t, k, 2)
		prepare := func(flows string) error {
			return stream.PrepareState(soon(t), k.KafkaConfig, state, flows, stream.TopicConfig{Partitions: 2, Replicas: 1}, quiet())
		}
		written(t, openState(t, k, state, "group"), 0, sliceOf(8, 1, []byte("a state")))
		err := prepare(flows)
		if err == nil || !strings.Contains(err.Error(), "has the state of 2 partitions") || !strings.Contains(err.Error(), "every source has moved") {
			t.Errorf("it says %v", err)
		}
		if err := prepare(flows + "-missing"); err != nil {
			t.Errorf("without flows: %v", err)
		}
	})
}
