package cmd_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream/embedded"
)

// world is a Kafka and a NATS in this process, and a settings file for the
// programs that are run against them.
type world struct {
	t        *testing.T
	settings string
	brokers  []string
	nats     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, brokers: kafkaServer(t).Brokers(), nats: natsServer(t)}
	w.settings = settingsFile(t, w.brokers, w.nats)
	return w
}

func kafkaServer(t *testing.T) *embedded.KafkaServer {
	t.Helper()
	k, err := embedded.Kafka(embedded.KafkaConfig{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func natsServer(t *testing.T) string {
	t.Helper()
	n, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n.URL()
}

// settingsFile writes the one file of all three programs.
func settingsFile(t *testing.T, brokers []string, natsURL string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	text := fmt.Sprintf(`admin: 127.0.0.1:0 # admin
listen: ["127.0.0.1:0"]
kafka:
  brokers: [%s]
flows:
  partitions: 4
nats:
  url: [%q]
  stream:
    max-age: 1h
    duplicates: 30m
site: lab
log-format: json
`, strings.Join(brokers, ", "), natsURL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// launch starts a program with the settings file and flags.
func (w *world) launch(name string, flags ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, name: name, stderr: new(output), done: make(chan struct{})}
	p.cmd = command(name, append([]string{"--settings=" + w.settings}, flags...)...)
	p.cmd.Stderr = p.stderr
	p.start()
	return p
}

// settles waits until the detectors and alerters have committed all there is.
func (w *world) settles() {
	w.t.Helper()
	w.waits("scanhound-detector.v1", "scanhound.flows.v1")
	w.waits("scanhound-alerter.v1", "scanhound.alerts.v1")
}

// waits returns when group has committed the end of every partition of topic.
func (w *world) waits(group, topic string) {
	w.t.Helper()
	eventually(w.t, group+" has read all of "+topic, func() bool {
		ends, committed, ok := w.offsets(group, topic)
		return ok && maps.Equal(ends, committed)
	})
}

// stable waits until nobody is about to join: kfake keeps a member for ever that dies while
// it waits for its answer (its group.reply sets no timer then). Apache Kafka does not.
func (w *world) stable(group string) { w.inState(group, "Stable", "Empty", "Dead") }

// joined is stable with a member at least, of a group whose member has just been started.
func (w *world) joined(group string) { w.inState(group, "Stable") }

func (w *world) inState(group string, states ...string) {
	w.t.Helper()
	cl := kadm.NewClient(w.client())
	defer cl.Close()
	eventually(w.t, group+" is stable", func() bool {
		groups, err := cl.DescribeGroups(w.t.Context(), group)
		return err == nil && slices.Contains(states, groups[group].State)
	})
}

// commits waits until group has committed anything.
func (w *world) commits(group string) {
	w.t.Helper()
	eventually(w.t, group+" has committed", func() bool {
		_, committed, ok := w.offsets(group, "scanhound.flows.v1")
		return ok && slices.Max(slices.Collect(maps.Values(committed))) > 0
	})
}

// offsets are those of a topic's ends and of a group, by partition; ok is false
// while one of the two does not exist.
func (w *world) offsets(group, topic string) (ends, committed map[int32]int64, ok bool) {
	w.t.Helper()
	cl := kadm.NewClient(w.client())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	ends, err := endOffsets(ctx, cl, topic)
	if err != nil {
		return nil, nil, false
	}
	of, err := cl.FetchOffsets(ctx, group)
	if err != nil {
		return nil, nil, false
	}
	committed = map[int32]int64{}
	for partition := range ends {
		committed[partition] = 0
	}
	of.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic {
			committed[o.Partition] = max(o.At, 0)
		}
	})
	return ends, committed, true
}

func endOffsets(ctx context.Context, cl *kadm.Client, topic string) (map[int32]int64, error) {
	last, err := cl.ListEndOffsets(ctx, topic)
	if err == nil {
		err = last.Error()
	}
	ends := map[int32]int64{}
	last.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, err
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.brokers...))...)
	if err != nil {
		w.t.Fatal(err)
	}
	return cl
}

// records returns all that is in a topic now.
func (w *world) records(topic string) (records []*kgo.Record) {
	w.t.Helper()
	cl := w.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	ends, err := endOffsets(ctx, kadm.NewClient(cl), topic)
	if err != nil {
		w.t.Fatalf("look up %s: %v", topic, err)
	}
	left := int64(0)
	for _, n := range ends {
		left += n
	}
	for int64(len(records)) < left {
		fetched := cl.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			w.t.Fatalf("read %s: %v", topic, err)
		}
		records = append(records, fetched.Records()...)
	}
	return records
}

func (w *world) alertsInKafka(topic string) (alerts []schema.Alert) {
	w.t.Helper()
	for _, r := range w.records(topic) {
		alerts = append(alerts, parse(w.t, r.Value))
	}
	return alerts
}

// flowsIn returns all flows in Kafka.
func flowsIn(t *testing.T, w *world) (flows []schema.Flow) {
	t.Helper()
	for _, r := range w.records("scanhound.flows.v1") {
		for b := r.Value; len(b) > 0; {
			var f schema.Flow
			n, err := schema.ReadFlow(b, &f)
			if err != nil {
				t.Fatal(err)
			}
			flows = append(flows, f)
			b = b[n:]
		}
	}
	return flows
}

// alerts takes all that the stream holds, as a SIEM's durable consumer does, and
// checks that each message is the only one of its id.
func (w *world) alerts() (alerts []schema.Alert) {
	t := w.t
	t.Helper()
	nc, err := nats.Connect(w.nats)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := js.CreateOrUpdateConsumer(ctx, schema.AlertStream, jetstream.ConsumerConfig{
		Durable: "siem", FilterSubject: schema.AlertSubjects, AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for pending := c.CachedInfo().NumPending; pending > 0; pending-- {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		a := parse(t, m.Data())
		if id := m.Headers().Get(jetstream.MsgIDHeader); id != a.MessageID() || seen[id] {
			t.Errorf("message %s of alert %s: seen before: %v", id, a.MessageID(), seen[id])
		}
		if want := schema.Subject(&a, "lab"); m.Subject() != want {
			t.Errorf("subject %s, want %s", m.Subject(), want)
		}
		seen[a.MessageID()] = true
		alerts = append(alerts, a)
		if err := m.DoubleAck(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return alerts
}
