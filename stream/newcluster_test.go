package stream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
)

// All programs start at once on a new cluster, and each waits for what another one makes.
// What the client remembers of a topic that was not there held up the first alert for 5 s.
func TestATopicThatIsMadeLateIsSeenAtOnce(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := unique(t)
		asker, maker := client(t, k), client(t, k)
		cfg := consumerConfig(topic, topic)
		d := newDiary()
		c := consumer(t, k, cfg, d.open(durable))
		stop := started(t, c.Run)
		known := make(chan error, 1)
		go func() {
			_, err := stream.Partitions(soon(t), asker, topic)
			known <- err
		}()
		time.Sleep(3 * time.Second) // longer than the client asks often by itself
		if _, err := stream.EnsureTopic(soon(t), maker, topic, 1, 1, nil); err != nil {
			t.Fatal(err)
		}
		made := time.Now()
		fill(t, k, topic, 1, 1)
		if err := <-known; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(made); took > 1500*time.Millisecond {
			t.Errorf("its partitions are known after %v", took)
		}
		eventually(t, "its record is read", func() bool { return d.count() == 1 })
		if took := time.Since(made); took > 1500*time.Millisecond {
			t.Errorf("its record is read after %v", took)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func client(t *testing.T, k kafka) *kgo.Client {
	t.Helper()
	cl, err := k.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestNobodyAsksForATableBeforeItIsMade(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var made, early atomic.Bool
	cluster.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		made.Store(true)
		return nil, nil, false
	})
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if len(req.(*kmsg.MetadataRequest).Topics) > 0 && !made.Load() {
			early.Store(true)
			time.Sleep(50 * time.Millisecond) // so that what follows the answer is early, too
		}
		return nil, nil, false
	})
	kafka := defaults.Of[stream.KafkaConfig]()
	kafka.Brokers = cluster.ListenAddrs()
	table, err := stream.OpenTable(soon(t), kafka, "table", 1, func(_, _ []byte) {}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if early.Load() || !made.Load() {
		t.Error("its topic was asked for before it was made: the client waits for a second then")
	}
}
