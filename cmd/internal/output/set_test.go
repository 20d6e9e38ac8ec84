package output

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// bench is a Kafka with alerts, and the outputs of a file.
type bench struct {
	t    *testing.T
	from Source
	path string // of the outputs file
	cl   *kgo.Client
	log  *slog.Logger
}

func newBench(t *testing.T, outputs string) *bench {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	b := &bench{t: t, log: log, path: filepath.Join(t.TempDir(), "outputs.yaml")}
	b.from = Source{Kafka: defaults.Of[stream.KafkaConfig](), Topic: schema.AlertsTopic, Group: "alerter"}
	b.from.Consumer = defaults.Of[stream.ConsumerConfig]()
	b.from.Kafka.Brokers = kafka.Brokers()
	if b.cl, err = b.from.Kafka.Dial(log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cl.Close)
	if _, err := stream.EnsureTopic(t.Context(), b.cl, b.from.Topic, 3, 1, nil); err != nil {
		t.Fatal(err)
	}
	b.list(outputs)
	return b
}

func (b *bench) list(outputs string) {
	b.t.Helper()
	if err := os.WriteFile(b.path, []byte(outputs), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// start runs the outputs; stop ends them as SIGTERM would.
func (b *bench) start() (set *Set, stop func()) {
	b.t.Helper()
	set, err := New(Config{Outputs: b.path}, b.from, service.New("alerter", b.log))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- set.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("the outputs ended with: %v", err)
		}
	})
	b.t.Cleanup(stop)
	return set, stop
}

// say writes n alerts, with the revisions from the given one on.
func (b *bench) say(from, n int) {
	b.t.Helper()
	for i := from; i < from+n; i++ {
		text, err := schema.AppendAlert(nil, alert(fmt.Sprintf("id%04d", i), uint32(i)))
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: b.from.Topic, Value: text}).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (o *Set) named(name string) *output {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all[name]
}

func (b *bench) until(what string, is func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatal("not within a minute: ", what)
		}
	}
}

// receiver is a webhook that is down until it is up, and counts what it takes by id.
type receiver struct {
	up  atomic.Bool
	mu  sync.Mutex
	ids map[string]int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	if !r.up.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(string(body)) {
		_, id, _ := strings.Cut(line, `"event":{`)
		_, id, _ = strings.Cut(id, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		r.ids[id]++
	}
}

func (r *receiver) distinct() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func lines(t *testing.T, path string) (all []string) {
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// A receiver that is away holds up no other output, across a restart too, and has everything
// once it is back.
func TestAReceiverThatIsAwayHoldsUpNobodyAndMissesNothing(t *testing.T) {
	away := &receiver{ids: map[string]int{}}
	server := httptest.NewServer(away)
	defer server.Close()
	path := filepath.Join(t.TempDir(), "alerts.json")
	b := newBench(t, fmt.Sprintf("- {name: web, to: %s}\n- {name: disk, to: %s, format: native}\n", server.URL, path))
	set, stop := b.start()
	b.say(1, 40)
	b.until("the file has them all", func() bool { return len(lines(t, path)) >= 40 })
	b.until("the webhook is tried", func() bool { return set.named("web").waits.Load() })
	stop()
	if n := set.named("web").count[sent].Load(); n != 0 || set.named("disk").count[sent].Load() != 40 {
		t.Errorf("%d sent to a receiver that is away", n)
	}
	_, _ = b.start()
	b.say(41, 10)
	b.until("the file goes on", func() bool { return len(lines(t, path)) >= 50 })
	away.up.Store(true)
	b.until("the webhook has them all", func() bool { return away.distinct() == 50 })
	if all := lines(t, path); len(all) != 50 {
		t.Errorf("%d lines: some are there twice, though nothing was killed", len(all))
	}
}

// What the file says next is in force without a restart, and an output that stays goes on where it was.
func TestAChangedListIsInForceWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, "- {name: one, to: "+filepath.Join(dir, "one")+"}\n")
	set, _ := b.start()
	b.say(1, 5)
	b.until("one has five", func() bool { return len(lines(t, filepath.Join(dir, "one"))) == 5 })
	b.list("- {name: one, to: " + filepath.Join(dir, "one") + "}\n- {name: two, to: " + filepath.Join(dir, "two") + ", format: cef}\n")
	b.until("two begins at the beginning", func() bool {
		set.files.Refresh()
		all := lines(t, filepath.Join(dir, "two"))
		return len(all) == 5 && strings.HasPrefix(all[0], "CEF:0|")
	})
	b.say(6, 1)
	b.until("both go on", func() bool {
		return len(lines(t, filepath.Join(dir, "one"))) == 6 && len(lines(t, filepath.Join(dir, "two"))) == 6
	})
	b.list("- {name: one, to: nowhere}\n")
	set.files.Refresh()
	b.say(7, 1)
	b.until("a list that cannot be used changes nothing", func() bool { return set.files.Broken() > 0 && len(lines(t, filepath.Join(dir, "two"))) == 7 })
}
