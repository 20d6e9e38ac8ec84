package detector

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// group is a Kafka in which whole detectors read flows.
type group struct {
	t          *testing.T
	brokers    []string
	cl         *kgo.Client
	log        *lines
	name       string // what the names of its topics end in
	partitions int
	began      time.Time
}

func newGroup(t *testing.T, partitions int) *group {
	t.Helper()
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return groupIn(t, partitions, kafka.Brokers())
}

func groupIn(t *testing.T, partitions int, brokers []string) *group {
	t.Helper()
	g := &group{t: t, log: new(lines), brokers: brokers, partitions: partitions, began: time.Now().Add(-time.Hour).Truncate(time.Second)}
	g.name = fmt.Sprintf(".%s.%d", strings.ReplaceAll(t.Name(), "/", "."), time.Now().UnixNano())
	g.cl = g.client()
	g.makeFlows()
	return g
}

// onEachKafka runs the test against the Kafka in the process and, if SCANHOUND_KAFKA
// names a broker, against Apache Kafka.
func onEachKafka(t *testing.T, partitions int, test func(*testing.T, *group)) {
	t.Run("embedded", func(t *testing.T) { test(t, newGroup(t, partitions)) })
	t.Run("apache", func(t *testing.T) {
		address := os.Getenv("SCANHOUND_KAFKA")
		if address == "" {
			t.Skip("SCANHOUND_KAFKA names no broker")
		}
		test(t, groupIn(t, partitions, strings.Split(address, ",")))
	})
}

func (g *group) client(opts ...kgo.Opt) *kgo.Client {
	g.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(g.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(cl.Close)
	return cl
}

func (g *group) makeFlows() {
	g.t.Helper()
	wait(g.t, "the topic can be made", func() bool { // after one of its name was deleted
		_, err := stream.EnsureTopic(g.t.Context(), g.cl, schema.FlowsTopic+g.name, int32(g.partitions), 1, nil)
		return err == nil
	})
}

func (g *group) remove(topic string) {
	g.t.Helper()
	if _, err := kadm.NewClient(g.cl).DeleteTopics(g.t.Context(), topic+g.name); err != nil {
		g.t.Fatal(err)
	}
	wait(g.t, topic+" is gone", func() bool {
		have, err := kadm.NewClient(g.cl).ListTopics(g.t.Context())
		return err == nil && !have.Has(topic+g.name)
	})
}

// fill writes a scan of a source of its own to each partition.
func (g *group) fill(n int) {
	g.t.Helper()
	at := g.began.Add(time.Duration(n) * time.Minute)
	cl := g.client() // a topic that was made anew has another id
	for p := range g.partitions {
		r := &kgo.Record{Topic: schema.FlowsTopic + g.name, Partition: int32(p), Value: scan(p+16*n, at), Timestamp: at}
		if err := cl.ProduceSync(g.t.Context(), r).FirstErr(); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *group) detector(change ...func(*Config)) *Detector {
	g.t.Helper()
	cfg := defaults.Of[Config]()
	cfg.Kafka.Brokers, cfg.Consumer.CommitInterval = g.brokers, 0
	cfg.FlowsTopic, cfg.Alerts.Topic, cfg.StateTopic, cfg.Group = cfg.FlowsTopic+g.name, cfg.Alerts.Topic+g.name, cfg.StateTopic+g.name, cfg.Group+g.name
	for _, c := range change {
		c(&cfg)
	}
	d, err := New(cfg, service.New("detector", slog.New(slog.NewTextHandler(g.log, nil))))
	if err != nil {
		g.t.Fatal(err)
	}
	return d
}

func (g *group) run(d *Detector) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // 1: it may end before it is stopped
	go func() { ended <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			g.t.Errorf("the detector ended with: %v", err)
		}
	})
	g.t.Cleanup(stop)
	return stop
}

// owner runs a detector until it has read that many records and holds its state.
func (g *group) owner(records uint64) {
	g.t.Helper()
	d := g.detector()
	stop := g.run(d)
	wait(g.t, "all is read and restored", func() bool {
		return d.Stats().Records >= records && len(d.held()) == g.partitions && d.restoring() == nil
	})
	stop()
}

// opens is the id of each alert that was opened, sorted: twice if it was said twice.
func (g *group) opens() (ids []string) {
	g.t.Helper()
	topic := schema.AlertsTopic + g.name
	cl := g.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ends, err := kadm.NewClient(cl).ListEndOffsets(g.t.Context(), topic)
	if err != nil {
		g.t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	for left > 0 {
		for _, r := range cl.PollFetches(g.t.Context()).Records() {
			left--
			a, err := schema.ParseAlert(r.Value)
			if err != nil {
				g.t.Fatal(err)
			}
			if a.State == schema.Open {
				ids = append(ids, a.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// once wants that many alerts, each opened once.
func (g *group) once(alerts int) {
	g.t.Helper()
	if ids := g.opens(); len(ids) != alerts || len(slices.Compact(slices.Clone(ids))) != alerts {
		g.t.Errorf("alerts %v, want %d, each opened once", ids, alerts)
	}
}

func (g *group) logs(words ...string) {
	g.t.Helper()
	for _, w := range words {
		if !g.log.has(w) {
			g.t.Errorf("the log does not say %q", w)
		}
	}
}

func TestADeletedStateTopicIsBuiltAgainFromTheFlows(t *testing.T) {
	onEachKafka(t, 2, func(t *testing.T, g *group) {
		g.fill(0)
		g.owner(2)
		g.remove(schema.StateTopic)
		g.fill(1)
		g.owner(4)
		g.once(4)
		g.logs("parts of the state are not kept, and are built from the flows of the window", "from=", "the first flows of it are counted", "stamped="+g.began.Format("2006-01-02T15:04:05"))
	})
}

func TestADeletedFlowsTopicLosesWhatWasNotReadAndKeepsTheState(t *testing.T) {
	onEachKafka(t, 2, func(t *testing.T, g *group) {
		g.fill(0)
		g.owner(2)
		g.fill(1) // nobody reads it
		g.remove(schema.FlowsTopic)
		g.makeFlows()
		g.fill(2)
		d := g.detector()
		stop := g.run(d)
		wait(t, "what is there is read", func() bool { return d.Stats().Records >= 2 && d.restoring() == nil && len(d.held()) == 2 })
		if n := d.Stats().Detect.Sources; n != 4 {
			t.Errorf("%d sources are held, want those of the state and those of now", n)
		}
		stop()
		g.once(4)
		g.logs("the topic of the flows was made anew", "what was not read of the former one is lost", "read_until=")
	})
}
