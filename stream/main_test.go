package stream_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafka is one cluster that a test runs against.
type kafka struct {
	stream.KafkaConfig
	fake *embedded.KafkaServer // nil for Apache Kafka
}

// onEachKafka runs the test against the Kafka in the process and, if SCANHOUND_KAFKA
// names a broker, against Apache Kafka.
func onEachKafka(t *testing.T, test func(t *testing.T, k kafka)) {
	t.Run("embedded", func(t *testing.T) { test(t, fakeKafka(t, embedded.KafkaConfig{})) })
	t.Run("apache", func(t *testing.T) {
		address := os.Getenv("SCANHOUND_KAFKA")
		if address == "" {
			t.Skip("SCANHOUND_KAFKA names no broker")
		}
		cfg := defaults.Of[stream.KafkaConfig]()
		cfg.Brokers = strings.Split(address, ",")
		test(t, kafka{KafkaConfig: cfg})
	})
}

func fakeKafka(t *testing.T, cfg embedded.KafkaConfig) kafka {
	t.Helper()
	server, err := embedded.Kafka(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := defaults.Of[stream.KafkaConfig]()
	k.Brokers = server.Brokers()
	return kafka{KafkaConfig: k, fake: server}
}

// consumerConfig is the settings of a consumer that reads topic for group.
func consumerConfig(topic, group string) stream.ConsumerConfig {
	c := defaults.Of[stream.ConsumerConfig]()
	c.Topic, c.Group = topic, group
	return c
}

// topic makes a topic that no other test has, and returns its name.
func (k kafka) topic(t *testing.T, partitions int32, configs map[string]string) string {
	t.Helper()
	cl, err := k.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	name := unique(t)
	if _, err := stream.EnsureTopic(soon(t), cl, name, partitions, 1, configs); err != nil {
		t.Fatal(err)
	}
	return name
}

// unique is a name of this run of this test.
func unique(t *testing.T) string {
	return strings.NewReplacer("/", ".", "#", "-").Replace(t.Name()) + "-" + time.Now().Format("150405.000000000")
}

// soon ends long after anything that a test waits for has happened.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for what another goroutine or program is about to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx := soon(t)
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

// started runs f and returns a function that ends it and returns its error.
func started(t *testing.T, f func(context.Context) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = f(ctx)
	}()
	stop = func() error {
		cancel()
		<-ended
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// logged is a logger whose text a test can read.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
