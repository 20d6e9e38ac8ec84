package embedded_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/scanhound/scanhound/stream/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, cfg embedded.KafkaConfig) (*embedded.KafkaServer, *kgo.Client) {
	t.Helper()
	k, err := embedded.Kafka(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, client(t, k)
}

// client writes to the partition that a record names, and as many bytes as it is given.
func client(t *testing.T, k *embedded.KafkaServer) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce writes one record to partition 0; without a value it deletes its key.
func produce(t *testing.T, cl *kgo.Client, topic, key, value string) {
	t.Helper()
	r := &kgo.Record{Topic: topic, Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	if err := cl.ProduceSync(soon(t), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// ends are the first offset of partition 0, and the one after the last.
func ends(t *testing.T, cl *kgo.Client, topic string) (first, end int64) {
	t.Helper()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(soon(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	all, err := adm.ListEndOffsets(soon(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	return starts[topic][0].Offset, all[topic][0].Offset
}

// committed is the offset of the group in partition 0, or -1.
func committed(t *testing.T, cl *kgo.Client, topic string) int64 {
	t.Helper()
	got, err := kadm.NewClient(cl).FetchOffsets(soon(t), "group")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := got.Lookup(topic, 0); ok {
		return o.At
	}
	return -1
}

func TestTheKafkaInTheProcessGoesOnFromItsFolder(t *testing.T) {
	cfg := embedded.KafkaConfig{Dir: t.TempDir() + "/kafka", Topics: map[string]int32{"a": 3, "b": 1}}
	k, cl := open(t, cfg)
	produce(t, cl, "b", "", "x")
	produce(t, cl, "b", "", "y")
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "b", Partition: 0, At: 2})
	if err := kadm.NewClient(cl).CommitAllOffsets(soon(t), "group", offsets); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	k.Close()
	k.Close() // once more does no harm

	cfg.Topics["a"] = 7
	_, cl = open(t, cfg)
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(soon(t), "a", "b")
	if err != nil || len(topics["a"].Partitions) != 3 || len(topics["b"].Partitions) != 1 {
		t.Errorf("topics %+v, %v: want 3 and 1 partitions, as before", topics, err)
	}
	if first, end := ends(t, cl, "b"); first != 0 || end != 2 {
		t.Errorf("it has offsets %d to %d, want both written", first, end)
	}
	if at := committed(t, cl, "b"); at != 2 {
		t.Errorf("committed %d, want 2", at)
	}
}

func TestTheNATSInTheProcessGoesOnFromItsFolder(t *testing.T) {
	cfg := embedded.NATSConfig{Dir: t.TempDir() + "/nats"}
	for i := range 2 {
		s, err := embedded.NATS(cfg)
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		str, err := js.CreateOrUpdateStream(soon(t), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
		if err != nil {
			t.Fatal(err)
		}
		if n := str.CachedInfo().State.Msgs; n != uint64(i) {
			t.Errorf("%d messages, want %d", n, i)
		}
		if _, err := js.Publish(soon(t), "s", nil); err != nil {
			t.Fatal(err)
		}
		nc.Close()
		s.Close()
		s.Close()
	}
}

func TestAPortInUseIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if _, err := embedded.Kafka(embedded.KafkaConfig{Port: port}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Kafka: %v", err)
	}
	if _, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir(), Listen: l.Addr().(*net.TCPAddr).AddrPort()}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("NATS: %v", err)
	}
}
