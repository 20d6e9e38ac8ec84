package detector

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func TestMain(m *testing.M) {
	if flags := os.Getenv("DETECTOR_WITH_A_BUG"); flags != "" {
		os.Exit(runWithBug(strings.Fields(flags)))
	}
	goleak.VerifyTestMain(m)
}

// sums are all that may not fall, by name.
func sums(s Stats) map[string]uint64 {
	c := &s.Consumer
	all := map[string]uint64{
		"records": s.Records, "bad flows": s.BadFlows, "bad records": s.BadRecords, "skipped": s.Skipped, "silent": s.Silent,
		"consumed": s.Detect.Consumed, "evicted": s.Detect.Evicted, "expired": s.Detect.Expired,
		"opened": s.Detect.Opened, "reopened": s.Detect.Reopened, "closed": s.Detect.Closed, "revisions": s.Detect.Revisions,
		"kafka records": c.Records, "kafka bytes": c.Bytes, "commits": c.Commits, "assignments": c.Assigned,
		"produced": s.Alerts.Produced, "refused": s.Alerts.Refused,
	}
	for fate, n := range s.Detect.Fates {
		all["fate "+fate] = n
	}
	for guard, n := range s.Detect.Guards {
		all["guard "+guard] = n
	}
	return all
}

// never compares each look at the sums with the one before.
type never struct {
	d    *Detector
	mu   sync.Mutex
	last map[string]uint64
	fell []string
}

func (n *never) look() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.d.Stats()
	now := sums(s)
	for _, name := range slices.Sorted(maps.Keys(n.last)) {
		if now[name] < n.last[name] {
			n.fell = append(n.fell, name)
		}
	}
	n.last = now
	return s
}

// scan is one record of flows: a source of its own for each n fails at 300 targets,
// and behind the flows stands what is none.
func scan(n int, at time.Time) []byte {
	var b []byte
	for i := range 300 {
		when := schema.TimeOf(at.Add(time.Duration(i) * time.Millisecond))
		b = schema.AppendFlow(b, &schema.Flow{
			Received: when, Start: when, End: when, Proto: schema.TCP,
			Src: schema.Side{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN},
			Dst: schema.Side{Addr: netip.AddrFrom4([4]byte{10, byte(n), byte(i >> 8), byte(i)}), Port: 23},
		})
	}
	return append(b, 100, 1, 2)
}

func detector(t *testing.T, brokers ...string) *Detector {
	t.Helper()
	cfg := defaults.Of[Config]()
	if len(brokers) > 0 {
		cfg.Kafka.Brokers = brokers
	}
	cfg.Consumer.CommitInterval = 0
	d, err := New(cfg, service.New("detector", slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatWorkersHaveCountedOutlivesThemAndWhatTheyHeldDoesNot(t *testing.T) {
	d := detector(t)
	n := never{d: d}
	at := time.Now().Add(-time.Hour)
	open := func(partition int32) *worker {
		t.Helper()
		w, err := d.worker(stream.Assignment{Topic: schema.FlowsTopic, Partition: partition, Committed: -1})
		if err != nil {
			t.Fatal(err)
		}
		n.look()
		return w
	}
	count := func(w *worker) {
		if err := w.count([]*kgo.Record{{Topic: w.at.Topic, Partition: w.at.Partition, Value: scan(int(w.at.Partition), at)}}); err != nil {
			panic(err)
		}
		n.look()
	}
	one, other := open(1), open(2)
	count(one)
	count(other)
	held := n.look().Detect
	if held.Consumed != 600 || held.Opened != 2 || held.Sources != 2 {
		t.Fatalf("two partitions hold %+v", held)
	}
	one.Close(t.Context(), stream.Lost)
	if s := n.look().Detect; s.Consumed != 600 || s.Sources != 1 || s.Bytes >= held.Bytes {
		t.Errorf("with one of them gone: %+v", s)
	}
	// The partition comes back before, by whatever fault, its former worker is closed.
	again := open(2)
	count(again)
	if s := n.look(); s.Detect.Consumed != 900 || s.Records != 3 || s.BadRecords != 3 {
		t.Errorf("two workers of a partition have counted %+v", s)
	}
	other.Close(t.Context(), stream.Lost)
	again.Close(t.Context(), stream.Lost)
	if s := n.look().Detect; s.Consumed != 900 || s.Opened != 3 || s.Sources != 0 || s.Bytes != 0 {
		t.Errorf("with all gone: %+v", s)
	}
	if len(n.fell) > 0 {
		t.Errorf("these fell: %v", n.fell)
	}
}

func TestNoSumFallsWhilePartitionsChangeHands(t *testing.T) {
	const partitions = 4
	log := slog.New(slog.DiscardHandler)
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	first, second := &never{d: detector(t, kafka.Brokers()...)}, &never{d: detector(t, kafka.Brokers()...)}
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := stream.EnsureTopic(t.Context(), cl, schema.FlowsTopic, partitions, 1, nil); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour)
	fill := func() { // each partition with the next scan
		t.Helper()
		at = at.Add(time.Minute)
		for p := range partitions {
			r := &kgo.Record{Topic: schema.FlowsTopic, Partition: int32(p), Value: scan(p, at), Timestamp: at}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	stopFirst := run(t, first)
	wait(t, "the first has read all", func() bool { return first.look().Records == partitions })
	stopSecond := run(t, second)
	wait(t, "they share", func() bool {
		return len(first.look().Consumer.Partitions) == 2 && len(second.look().Consumer.Partitions) == 2
	})
	fill()
	kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID, Count: 1})
	wait(t, "one has lost its partitions, and got some again", func() bool {
		return first.look().Consumer.Lost+second.look().Consumer.Lost > 0 &&
			len(first.look().Consumer.Partitions)+len(second.look().Consumer.Partitions) == partitions
	})
	fill()
	stopSecond()
	wait(t, "the first has all again", func() bool {
		at := first.look().Consumer.Partitions
		return len(at) == partitions && !slices.ContainsFunc(at, func(p stream.PartitionStats) bool { return p.Next != 3 })
	})
	stopFirst()
	for _, n := range []*never{first, second} {
		s := n.look()
		if len(n.fell) > 0 {
			t.Errorf("these fell: %v", n.fell)
		}
		if s.Detect.Sources != 0 || s.Detect.Bytes != 0 {
			t.Errorf("%d sources of %d bytes are held without a partition", s.Detect.Sources, s.Detect.Bytes)
		}
		if s.Detect.Consumed != 300*s.Records || s.BadRecords != s.Records || s.Records < 2 {
			t.Errorf("%d flows of %d records, %d of them bad at the end", s.Detect.Consumed, s.Records, s.BadRecords)
		}
	}
	if got := first.look().Records + second.look().Records; got < 3*partitions {
		t.Errorf("%d records were read, %d written", got, 3*partitions)
	}
}

// run runs the detector of n, and looks at its sums all the time.
func run(t *testing.T, n *never) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, looked := make(chan error, 1), make(chan struct{}) // 1: it may end before it is stopped
	go func() { ended <- n.d.Run(ctx) }()
	go func() {
		defer close(looked)
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			n.look()
			<-tick.C
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-looked
		if err := <-ended; err != nil {
			t.Errorf("the detector ended with: %v", err)
		}
		n.look()
	})
	t.Cleanup(stop)
	return stop
}

// wait waits for what another goroutine is about to do.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}
