package stream_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func openState(t *testing.T, k kafka, topic, group string) *stream.StateStore {
	t.Helper()
	s, err := stream.OpenStateStore(k.KafkaConfig, topic, group, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// stateTopic makes one, as the detector does.
func stateTopic(t *testing.T, k kafka, partitions int32) string {
	t.Helper()
	topic := unique(t)
	cfg := stream.TopicConfig{Partitions: partitions, Replicas: 1}
	if err := stream.PrepareState(soon(t), k.KafkaConfig, topic, topic+".flows", cfg, quiet()); err != nil {
		t.Fatal(err)
	}
	return topic
}

func sliceOf(part int, covered int64, state []byte) *stream.Slice {
	s := &stream.Slice{Part: part, Covered: covered, Alerts: 7, Written: time.UnixMilli(1_800_000_000_000), Settings: 1 << 63, Topic: [16]byte{1, 15: 9}}
	s.Pack(state)
	return s
}

// written writes slices and waits for them.
func written(t *testing.T, s *stream.StateStore, partition int32, list ...*stream.Slice) {
	t.Helper()
	done := make(chan error, len(list))
	for _, sl := range list {
		s.Write(soon(t), partition, sl, func(err error) { done <- err })
	}
	for range list {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheNewestSliceOfEachPartComesBackAsItWasWritten(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := stateTopic(t, k, 2)
		s := openState(t, k, topic, "group")
		if saved, err := s.Read(soon(t), 1); err != nil || len(saved.Slices) != 0 || len(saved.Refused) != 0 {
			t.Fatalf("before all: %+v, %v", saved, err)
		}
		state := bytes.Repeat([]byte("sources and what they have touched "), 1000)
		written(t, s, 1, sliceOf(0, 100, []byte("old")), sliceOf(256, 120, []byte("last part")), sliceOf(0, 200, state), sliceOf(3, 90, nil))
		written(t, s, 1, sliceOf(0, 150, []byte("a late one of another owner")))
		written(t, s, 0, sliceOf(0, 5, []byte("of another partition")))
		written(t, openState(t, k, topic, "others"), 1, sliceOf(0, 900, []byte("of another group")))
		saved, err := openState(t, k, topic, "group").Read(soon(t), 1)
		if err != nil || len(saved.Slices) != 3 || len(saved.Refused) != 0 || saved.Bytes == 0 {
			t.Fatalf("%+v, %v", saved, err)
		}
		got := saved.Slices[0]
		if raw, err := got.Unpack([]byte("behind")); err != nil || string(raw) != "behind"+string(state) {
			t.Errorf("%d bytes of state, want %d: %v", len(raw), len(state), err)
		}
		want := sliceOf(0, 200, state)
		if got.Part != 0 || got.Covered != 200 || got.Alerts != want.Alerts || !got.Written.Equal(want.Written) || got.Settings != want.Settings ||
			got.Topic != want.Topic || got.Size != len(state) || got.Bytes() != want.Bytes() || got.Bytes() > len(state)/10 {
			t.Errorf("%+v", got)
		}
		if st := s.Stats(); st.Written != 6 || st.Bytes == 0 || st.Failed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWhatIsNoSliceIsRefusedAndNamed(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := stateTopic(t, k, 1)
	s := openState(t, k, topic, "group")
	written(t, s, 0, sliceOf(1, 10, []byte("good")), sliceOf(2, 10, []byte("becomes another part's")))
	cl, err := k.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	records := readAll(t, k, topic, 2)[0]
	value := slices.Clone(records[len(records)-1].Value)
	put := func(key string, value []byte) {
		t.Helper()
		r := &kgo.Record{Topic: topic, Key: []byte(key), Value: value}
		if err := cl.ProduceSync(soon(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	newer := slices.Clone(value)
	newer[0]++
	flipped := slices.Clone(value)
	flipped[len(flipped)-1] ^= 1
	put("group/3", newer)
	put("group/4", flipped)
	put("group/5", value) // of part 2
	put("group/6", []byte{1, 2})
	put("group/7", nil)
	put("no key of ours", value)
	saved, err := s.Read(soon(t), 0)
	if err != nil || len(saved.Slices) != 2 || len(saved.Refused) != 4 {
		t.Fatalf("%+v, %v", saved, err)
	}
	for i, want := range []error{stream.ErrNewer, stream.ErrCorrupt, stream.ErrCorrupt, stream.ErrCorrupt} {
		if r := saved.Refused[i]; r.Part != 3+i || !errors.Is(r.Err, want) {
			t.Errorf("part %d is refused for %v, want %v", r.Part, r.Err, want)
		}
	}
	for cut := range value {
		put("group/"+strconv.Itoa(100+cut), value[:cut])
	}
	if saved, err = s.Read(soon(t), 0); err != nil || len(saved.Slices) != 2 || len(saved.Refused) != 4+len(value) {
		t.Errorf("cut anywhere: %d slices, %d refused of %d, %v", len(saved.Slices), len(saved.Refused), len(value), err)
	}
}

func TestTheTopicOfTheStateIsMadeToBeCompactedAndGrowsWithTheFlows(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := stateTopic(t, k, 2) // there are no flows yet
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		configs, err := kadm.NewClient(cl).DescribeTopicConfigs(soon(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs[0].Configs {
			if want, ok := map[string]string{"cleanup.policy": "compact", "segment.ms": "600000", "max.message.bytes": "33554432"}[c.Key]; ok && c.MaybeValue() != want {
				t.Errorf("%s is %s, want %s", c.Key, c.MaybeValue(), want)
			}
		}
		if _, err := stream.EnsureTopic(soon(t), cl, topic+".flows", 5, 1, nil); err != nil {
			t.Fatal(err)
		}
		var said logged
		cfg := stream.TopicConfig{Partitions: 2, Replicas: 1}
		for range 2 {
			if err := stream.PrepareState(soon(t), k.KafkaConfig, topic, topic+".flows", cfg, said.logger()); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "it has as many partitions as the flows", func() bool {
			n, err := stream.Partitions(soon(t), cl, topic)
			return err == nil && n == 5
		})
		if !said.has("as many partitions as the flows now") || said.has("loses what is in it") {
			t.Error("the log does not say so")
		}
		wrong := k.topic(t, 5, map[string]string{"cleanup.policy": "delete", "max.message.bytes": "100000"})
		if err := stream.PrepareState(soon(t), k.KafkaConfig, wrong, topic+".flows", cfg, said.logger()); err != nil {
			t.Fatal(err)
		}
		if !said.has("cleanup.policy is") || !said.has("make it compact") || !said.has("max.message.bytes is 100000") {
			t.Error("a topic that is not compacted is taken without a word")
		}
	})
}

func TestASliceLargerThanAnyUsualRecordIsKept(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		s := openState(t, k, stateTopic(t, k, 1), "group")
		state := make([]byte, 12<<20)
		for i := range state { // as good as random: it does not get smaller
			state[i] = byte(schema.Mix64(uint64(i)))
		}
		written(t, s, 0, sliceOf(8, 1, state))
		saved, err := s.Read(soon(t), 0)
		if err != nil || saved.Slices[8] == nil {
			t.Fatalf("%+v, %v", saved, err)
		}
		if raw, err := saved.Slices[8].Unpack(nil); err != nil || !bytes.Equal(raw, state) {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
	})
}

func TestWhatWasSaidIsFoundFromAPositionOn(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		p := openAlerts(t, k, topic)
		if said, err := p.Said(soon(t), 1, 0); err != nil || len(said.Revisions) != 0 || said.End != 0 || p.End(1) != 0 {
			t.Fatalf("before all: %+v, %v", said, err)
		}
		for rev := range 5 {
			for _, partition := range []int32{0, 1, 3} { // 1 and 3 share one
				if err := p.Produce(soon(t), partition, []schema.Alert{alert(int(partition), rev+1)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		said, err := p.Said(soon(t), 1, 5)
		if err != nil || said.End != 10 || p.End(1) != 10 || p.End(0) != 5 || len(said.Revisions) != 5 {
			t.Errorf("%+v, %v", said, err)
		}
		if a := alert(1, 4); !said.Revisions[a.MessageID()] || said.Revisions["nothing"] {
			t.Errorf("%v", said.Revisions)
		}
		if said, err := p.Said(soon(t), 1, 99); err != nil || said.End != 10 || len(said.Revisions) != 0 {
			t.Errorf("behind the end: %+v, %v", said, err)
		}
	})
}

// careful is a Worker that prepares and keeps.
type careful struct {
	*writer
	prepare func(context.Context) error
	kept    chan int32
}

func (c *careful) Prepare(ctx context.Context) error { return c.prepare(ctx) }

func (c *careful) Keep(context.Context) {
	select {
	case c.kept <- c.n:
	default:
	}
}

func TestAPartitionThatPreparesHoldsNoOtherUp(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := k.topic(t, 2, nil)
		fill(t, k, topic, 2, 100)
		d := newDiary()
		open := d.open(durable)
		release, kept := make(chan struct{}), make(chan int32, 1)
		c := consumer(t, k, consumerConfig(topic, topic), func(ctx context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
			w, _, err := open(ctx, a)
			return &careful{w.(*writer), func(ctx context.Context) error {
				if a.Partition == 0 {
					select {
					case <-release:
					case <-ctx.Done():
					}
				}
				return nil
			}, kept}, stream.FromOffset(40), err
		})
		stop := started(t, c.Run)
		fill(t, k, topic, 2, 100)
		eventually(t, "the other has read all", func() bool { return d.do(func() bool { return len(d.offsets[1]) == 160 }) })
		if n := <-kept; n != 1 || d.do(func() bool { return len(d.offsets[0]) > 0 }) {
			t.Errorf("partition %d was kept, or 0 was read", n)
		}
		close(release)
		eventually(t, "so has the one that prepared", func() bool { return d.count() == 320 })
		if err := stop(); err != nil {
			t.Error(err)
		}
		if d.offsets[0][0] != 40 || d.offsets[1][0] != 40 {
			t.Errorf("began at %d and %d, want 40", d.offsets[0][0], d.offsets[1][0])
		}
		wantCommitted(t, k, topic, topic, 2, 200)
	})
}

func TestAPartitionThatGoesWhileItPreparesIsLetGoAtOnce(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	d := newDiary()
	open, begun := d.open(durable), make(chan struct{}, 1)
	c := consumer(t, k, consumerConfig(topic, topic), func(ctx context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
		w, _, err := open(ctx, a)
		return &careful{w.(*writer), func(ctx context.Context) error {
			begun <- struct{}{}
			<-ctx.Done()
			return nil
		}, nil}, stream.FromOffset(0), err
	})
	stop := started(t, c.Run)
	<-begun
	if err := stop(); err != nil || !slices.Equal(d.closed[0], []stream.Reason{stream.Stopped}) {
		t.Errorf("closed %v, %v", d.closed[0], err)
	}
}

func TestAWorkerThatCannotPrepareEndsRun(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	broken, open := errors.New("no state"), newDiary().open(durable)
	c := consumer(t, k, consumerConfig(topic, topic), func(ctx context.Context, a stream.Assignment) (stream.Worker, stream.From, error) {
		w, from, err := open(ctx, a)
		return &careful{w.(*writer), func(context.Context) error { return broken }, nil}, from, err
	})
	if err := c.Run(soon(t)); !errors.Is(err, broken) {
		t.Errorf("Run returned %v", err)
	}
}

func TestACommitBehindTheEndOfTheTopicIsNone(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	topic := k.topic(t, 1, nil)
	fill(t, k, topic, 1, 100)
	cfg := consumerConfig(topic, topic)
	stop := started(t, consumer(t, k, cfg, newDiary().open(func(context.Context, []*kgo.Record) (int64, error) { return 500, nil })).Run)
	eventually(t, "it is committed", func() bool { return committed(t, k, topic, topic)[0] == 500 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	d := newDiary()
	stop = started(t, consumer(t, k, cfg, d.open(durable)).Run)
	eventually(t, "all is read", func() bool { return d.count() == 100 })
	if err := stop(); err != nil || d.opened[0].Committed != -1 || d.opened[0].TopicID == [16]byte{} {
		t.Errorf("%+v, %v", d.opened[0], err)
	}
	wantCommitted(t, k, topic, topic, 1, 100)
}
