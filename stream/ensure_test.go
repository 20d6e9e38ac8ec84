package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/stream"
)

func TestATopicIsCreatedOnceAndUsedAsItIsAfterwards(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		name := unique(t)
		cfg := stream.TopicConfig{Partitions: 3, Replicas: 1, Retention: time.Hour}
		if err := stream.PrepareTopic(soon(t), k.KafkaConfig, name, cfg, quiet()); err != nil {
			t.Fatal(err)
		}
		cfg.Partitions = 5
		if err := stream.PrepareTopic(soon(t), k.KafkaConfig, name, cfg, quiet()); err != nil {
			t.Fatal(err)
		}
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if n, err := stream.Partitions(soon(t), cl, name); n != 3 || err != nil {
			t.Errorf("%d partitions, %v", n, err)
		}
	})
}

func TestAWrongTopicSettingIsNamed(t *testing.T) {
	for want, cfg := range map[string]stream.TopicConfig{
		"flows-partitions 0: ":     {Replicas: 1},
		"kafka-replicas 0: ":       {Partitions: 1},
		"flows-partitions 10001: ": {Partitions: 10_001, Replicas: 1},
	} {
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", cfg, err, want)
		}
	}
}
