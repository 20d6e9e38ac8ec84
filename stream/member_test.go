package stream_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// never is longer than any test waits.
const never = 5 * time.Minute

// mortal joins a group as another process would. What it returns ends it as kill -9 does:
// the group is not told, and waits for it for a session of never.
func mortal(t *testing.T, k kafka, topic, group string) (die func()) {
	t.Helper()
	opts, err := k.Options()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var has atomic.Int32
	cl, err := kgo.NewClient(append(opts, kgo.WithContext(ctx), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(never), kgo.RebalanceTimeout(never), kgo.HeartbeatInterval(100*time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, more map[string][]int32) { has.Add(int32(len(more[topic]))) }))...)
	if err != nil {
		t.Fatal(err)
	}
	die = func() {
		cancel()
		cl.Close()
	}
	t.Cleanup(die)
	eventually(t, "the mortal member has a partition", func() bool { return has.Load() > 0 })
	return die
}

// joins are the members that have asked the Kafka in the process to join since.
func joins(k kafka) (members func() int) {
	var mu sync.Mutex
	seen := map[string]bool{}
	k.fake.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if id := r.(*kmsg.JoinGroupRequest).MemberID; id != "" {
			seen[id] = true
		}
		return nil, nil, false
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
}

// state is what a broker calls the state of a group.
func state(t *testing.T, k kafka, name string) string { return described(t, k, name).State }

func described(t *testing.T, k kafka, group string) kadm.DescribedGroup {
	t.Helper()
	cl, err := k.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	groups, err := kadm.NewClient(cl).DescribeGroups(soon(t), group)
	if err != nil {
		t.Fatal(err)
	}
	return groups[group]
}

func TestAMemberLeavesAtOnceThoughTheGroupWaitsForADeadOne(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := consumerConfig(topic, topic)
		cfg.CommitInterval = time.Hour // so that there is something to commit in the end
		d := newDiary()
		first := consumer(t, k, cfg, d.open(durable))
		stopFirst := started(t, first.Run)
		eventually(t, "the first has all", func() bool { return len(first.Stats().Partitions) == 2 })
		die := mortal(t, k, topic, topic)
		eventually(t, "they share", func() bool { return len(first.Stats().Partitions) == 1 })
		die()
		members := func() int { return 2 }
		if k.fake != nil {
			members = joins(k)
		}
		second := consumer(t, k, cfg, newDiary().open(durable))
		stopSecond := started(t, second.Run)
		eventually(t, "the group waits for the dead one", func() bool { return members() == 2 && state(t, k, topic) == "PreparingRebalance" })
		fill(t, k, topic, 2, 10)
		eventually(t, "the first goes on", func() bool { return d.count() == 10 })
		begin := time.Now()
		if err := errors.Join(stopFirst(), stopSecond()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("they took %v to leave", took)
		}
		if left := described(t, k, topic).Members; len(left) != 1 {
			t.Errorf("the group has %d members, want the dead one alone", len(left))
		}
		if got := committed(t, k, topic, topic); got[0]+got[1] != 10 {
			t.Errorf("committed %v, want the 10 that were processed", got)
		}
	})
}

func TestWhatIsProcessedWhileTheGroupWaitsForADeadMemberIsCommitted(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		d := newDiary()
		first := consumer(t, k, consumerConfig(topic, topic), d.open(durable))
		started(t, first.Run)
		eventually(t, "the first has all", func() bool { return len(first.Stats().Partitions) == 2 })
		mortal(t, k, topic, topic)()
		members := func() int { return 2 }
		if k.fake != nil {
			members = joins(k)
		}
		started(t, consumer(t, k, consumerConfig(topic, topic), newDiary().open(durable)).Run)
		eventually(t, "the group waits for the dead one", func() bool { return members() == 2 && state(t, k, topic) == "PreparingRebalance" })
		fill(t, k, topic, 2, 10)
		eventually(t, "it is committed", func() bool {
			got := committed(t, k, topic, topic)
			return got[0]+got[1] == 10
		})
	})
}

func TestAMemberWithANameLeavesForGood(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		cfg := consumerConfig(topic, topic)
		cfg.SessionTimeout, cfg.InstanceID = never, "detector-0"
		d := newDiary()
		first := consumer(t, k, cfg, d.open(durable))
		stopFirst := started(t, first.Run)
		eventually(t, "the first has all", func() bool { return len(first.Stats().Partitions) == 2 })
		cfg.InstanceID = "detector-1"
		second := consumer(t, k, cfg, d.open(durable))
		started(t, second.Run)
		eventually(t, "they share", func() bool { return len(first.Stats().Partitions) == 1 && len(second.Stats().Partitions) == 1 })
		if s := first.Stats(); s.Assigned != 1 || s.Revoked != 1 || s.Lost != 0 {
			t.Errorf("assigned %d times, revoked %d times, lost %d times", s.Assigned, s.Revoked, s.Lost)
		}
		if err := stopFirst(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the second has all", func() bool { return len(second.Stats().Partitions) == 2 })
		if s := first.Stats(); s.Revoked != 1 || s.Lost != 0 {
			t.Errorf("at its end it is revoked %d times, lost %d times", s.Revoked, s.Lost)
		}
	})
}

func TestAMemberThatJoinsWhileAnotherReadsItsStateGetsItsShare(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		const partitions = 4
		topic := k.topic(t, partitions, nil)
		cfg := consumerConfig(topic, topic)
		fill(t, k, topic, partitions, 10)
		d := newDiary()
		var reading, cut atomic.Int32
		slow := func(ctx context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
			if reading.Add(1) <= partitions { // what is read at first has no end
				<-ctx.Done()
				cut.Add(1)
				return nil, stream.From{}, ctx.Err()
			}
			return d.open(durable)(ctx, a)
		}
		first := consumer(t, k, cfg, slow)
		stopFirst := started(t, first.Run)
		eventually(t, "the first reads the state of all", func() bool { return reading.Load() == partitions })
		second := consumer(t, k, cfg, d.open(durable))
		stopSecond := started(t, second.Run)
		eventually(t, "they share", func() bool {
			return len(first.Stats().Partitions) == partitions/2 && len(second.Stats().Partitions) == partitions/2
		})
		eventually(t, "all is processed", func() bool { return d.distinct() == 10*partitions })
		if err := errors.Join(stopFirst(), stopSecond()); err != nil {
			t.Fatal(err)
		}
		if n := d.count(); n != 10*partitions || d.together || cut.Load() != partitions {
			t.Errorf("%d records are processed, want %d; two workers at once: %v; %d were cut off", n, 10*partitions, d.together, cut.Load())
		}
		wantCommitted(t, k, topic, topic, partitions, 10)
	})
}

func TestAMemberThatIsSilentFor7SecondsIsGivenUpUnlessTheSettingsSayOtherwise(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	var timeout atomic.Int32
	k.fake.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.fake.KeepControl()
		timeout.Store(r.(*kmsg.JoinGroupRequest).SessionTimeoutMillis)
		return nil, nil, false
	})
	for _, want := range []time.Duration{7 * time.Second, time.Minute} {
		cfg := consumerConfig(topic, topic)
		if want != 7*time.Second {
			cfg.SessionTimeout = want
		}
		c := consumer(t, k, cfg, newDiary().open(durable))
		stop := started(t, c.Run)
		eventually(t, "it is a member", func() bool { return len(c.Stats().Partitions) == 1 })
		if got := time.Duration(timeout.Load()) * time.Millisecond; got != want {
			t.Errorf("the session times out after %v, want %v", got, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestASessionTimeoutThatTheBrokersRefuseIsNamed(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	cfg := consumerConfig(topic, topic)
	cfg.SessionTimeout = 2 * time.Second
	var said logged
	c, err := stream.NewConsumer(k.KafkaConfig, cfg, newDiary().open(durable), said.logger())
	if err != nil {
		t.Fatal(err)
	}
	started(t, c.Run)
	eventually(t, "the log says what to do", func() bool {
		return said.has("set consumer-session-timeout, now 2s, between the brokers' group.min.session.timeout.ms")
	})
}

func TestASessionTimeoutThatCannotBeIsRefused(t *testing.T) {
	kafka := defaults.Of[stream.KafkaConfig]()
	for _, d := range []time.Duration{-1, 0, time.Millisecond, time.Hour} {
		cfg := consumerConfig("t", "g")
		cfg.SessionTimeout = d
		if _, err := stream.NewConsumer(kafka, cfg, nil, quiet()); err == nil {
			t.Errorf("%v is accepted", d)
		}
	}
}
