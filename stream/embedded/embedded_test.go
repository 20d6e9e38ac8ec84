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
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return k, cl
}

func TestTheKafkaInTheProcessGoesOnFromItsFolder(t *testing.T) {
	cfg := embedded.KafkaConfig{Dir: t.TempDir() + "/kafka", Topics: map[string]int32{"a": 3, "b": 1}, Keep: time.Hour}
	k, cl := open(t, cfg)
	for _, age := range []time.Duration{2 * time.Hour, 0} {
		if err := cl.ProduceSync(soon(t), &kgo.Record{Topic: "b", Value: []byte("x"), Timestamp: time.Now().Add(-age)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
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
	start, err := adm.ListStartOffsets(soon(t), "b")
	if err != nil || start["b"][0].Offset != 1 {
		t.Errorf("starts at %+v, %v: want the record that is too old gone", start, err)
	}
	end, err := adm.ListEndOffsets(soon(t), "b")
	if err != nil || end["b"][0].Offset != 2 {
		t.Errorf("ends at %+v, %v: want both written", end, err)
	}
	got, err := adm.FetchOffsets(soon(t), "group")
	if o, ok := got.Lookup("b", 0); err != nil || !ok || o.At != 2 {
		t.Errorf("committed %+v, %v: want 2", got, err)
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
	if _, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir(), Port: port}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("NATS: %v", err)
	}
}
