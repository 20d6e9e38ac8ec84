package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/segmentio/encoding/json"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream/embedded"
)

// loneNATS is a NATS in a process of its own, so that it can be killed: see runNATS.
type loneNATS struct {
	t    *testing.T
	dir  string
	port int
	*process
}

const natsFolder, natsPort = "CHAOS_NATS_FOLDER", "CHAOS_NATS_PORT"

func runNATS(folder string) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	port, err := strconv.ParseUint(os.Getenv(natsPort), 10, 16)
	if err != nil {
		return err
	}
	n, err := embedded.NATS(embedded.NATSConfig{Dir: folder, Listen: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))})
	if err != nil {
		return err
	}
	<-end
	n.Close()
	return nil
}

func (n *loneNATS) url() string { return "nats://127.0.0.1:" + strconv.Itoa(n.port) }

func (n *loneNATS) start() {
	n.t.Helper()
	n.process = &process{t: n.t, name: "nats", stderr: new(output), done: make(chan struct{})}
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env = []string{natsFolder + "=" + n.dir, natsPort + "=" + strconv.Itoa(n.port)}
	n.cmd.Stderr = n.stderr
	n.process.start()
	eventually(n.t, "NATS answers", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url(), "nats://"))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// receiver is a webhook's: it takes alerts while it is well.
type receiver struct {
	mu   sync.Mutex
	ill  string // "" well; "503"; "hangs up"
	seen map[string]int
}

func (r *receiver) is(ill string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ill = ill
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
	case r.ill == "503":
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.ill == "hangs up":
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
	default:
		for line := range bytes.Lines(body) {
			r.seen[messageOf(line)]++
		}
	}
}

// messageOf is the name of a revision in its native form, or what stands there instead.
func messageOf(line []byte) string {
	h, err := schema.ReadAlertHeader(line)
	if err != nil {
		return string(line)
	}
	return h.MessageID()
}

// behind is what stands behind the topic of the alerts: an alerter, a NATS, a file, a webhook.
type behind struct {
	*world
	r       *rand.Rand
	lone    *loneNATS
	web     *receiver
	file    string
	flags   []string
	alerter *process
	topic   string
	want    map[string]schema.Alert // by message id
}

func newBehind(t *testing.T, seed uint64) *behind {
	t.Helper()
	b := &behind{r: rand.New(rand.NewPCG(seed, 15)), world: newWorld(t), web: &receiver{seen: map[string]int{}}, want: map[string]schema.Alert{}}
	b.lone = &loneNATS{t: t, dir: t.TempDir(), port: lowPort(t)}
	b.lone.start()
	b.nats = b.lone.url()
	server := &http.Server{Handler: b.web, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }() // until Close
	t.Cleanup(func() { _ = server.Close() })
	dir := t.TempDir()
	b.file = filepath.Join(dir, "alerts.json")
	outputs := filepath.Join(dir, "outputs.yaml")
	text := fmt.Sprintf("- {name: file, to: %s, format: native}\n- {name: web, to: http://%s/alerts, format: native}\n", b.file, l.Addr())
	if err := os.WriteFile(outputs, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.topic = fmt.Sprintf("behind-%d-%x", seed, time.Now().UnixNano())
	cl := b.client()
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 3, 1, nil, b.topic); err != nil {
		t.Fatal(err)
	}
	b.flags = []string{"--alerts-topic=" + b.topic, "--alerter-group=" + b.topic, "--nats-url=" + b.nats, "--outputs=" + outputs, "--consumer-commit-interval=200ms"}
	b.alerter = b.launch("alerter", b.flags...)
	return b
}

// says writes revisions of alerts, some of them severe, to Kafka, over d.
func (b *behind) says(d time.Duration) {
	cl := b.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	defer cl.Close()
	severities := []schema.Severity{schema.Low, schema.Medium, schema.High, schema.Critical}
	const alerts, revisions = 60, 5
	for n := range alerts * revisions {
		i, revision := n%alerts, n/alerts
		at := time.Date(2026, 11, 27, 8, revision, 0, 0, time.UTC)
		a := schema.Alert{
			ID: fmt.Sprintf("%032x", uint64(i+1)*0x9e3779b97f4a7c15), Revision: uint32(revision + 1), State: schema.Update, Kind: schema.Block,
			Severity: severities[min(i%4, revision)], Source: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), FirstSeen: at, LastSeen: at,
		}
		switch {
		case revision == 0:
			a.State = schema.Open
		case revision == revisions-1 && i%3 == 0:
			a.State = schema.Close
		}
		text, err := schema.AppendAlert(nil, &a)
		if err != nil {
			b.t.Error(err)
			return
		}
		b.want[a.MessageID()] = a
		r := &kgo.Record{Topic: b.topic, Partition: int32(i % 3), Value: text}
		if err := cl.ProduceSync(b.t.Context(), r).FirstErr(); err != nil {
			b.t.Error(err)
			return
		}
		time.Sleep(d / alerts / revisions)
	}
}

var behindFaults = []struct {
	name string
	do   func(*behind, time.Duration)
}{
	{"NATS killed", func(b *behind, away time.Duration) { b.lone.kill(); time.Sleep(away); b.lone.start() }},
	{"NATS ended", func(b *behind, away time.Duration) { b.lone.terminate(); time.Sleep(away); b.lone.start() }},
	{"alerter killed", func(b *behind, _ time.Duration) {
		b.joins()
		b.alerter.kill()
		b.alerter = b.launch("alerter", b.flags...)
	}},
	{"alerter ended", func(b *behind, _ time.Duration) {
		b.joins()
		b.alerter.terminate()
		b.alerter = b.launch("alerter", b.flags...)
	}},
	{"webhook says 503", func(b *behind, away time.Duration) { b.web.is("503"); time.Sleep(away); b.web.is("") }},
	{"webhook hangs up", func(b *behind, away time.Duration) { b.web.is("hangs up"); time.Sleep(away); b.web.is("") }},
}

// joins waits until the alerter and its outputs are members: see stable.
func (b *behind) joins() {
	b.t.Helper()
	b.alerter.becomesReady()
	for _, group := range []string{b.topic, b.topic + ".file", b.topic + ".web"} {
		b.joined(group)
	}
}

// verdict compares what each has with what was said.
func (b *behind) verdict() {
	t := b.t
	t.Helper()
	for _, group := range []string{b.topic, b.topic + ".file", b.topic + ".web"} {
		b.waits(group, b.topic)
	}
	want := map[string]int{}
	severe := 0
	active := map[string]uint32{}
	for id, a := range b.want {
		want[id] = 1
		severe += len((&schema.AlertHeader{ID: a.ID, Severity: a.Severity}).SevereSubjects(""))
		if a.Revision == 5 && a.State != schema.Close {
			active[a.Source.String()] = 5
		}
	}
	nc, err := nats.Connect(b.nats)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b.holds(js, schema.AlertStream, len(want))
	b.holds(js, schema.SevereStream(schema.AlertStream), severe)
	eventually(t, "nothing waits for the bucket", func() bool { return b.alerter.metrics()["scanhound_alerter_scanners_waiting"] == 0 })
	kv, err := js.KeyValue(t.Context(), "active_scanners")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]uint32{}
	keys, err := kv.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key := range keys.Keys() {
		entry, err := kv.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		var s struct{ Alerts []struct{ Revision uint32 } }
		if err := json.Unmarshal(entry.Value(), &s); err != nil || len(s.Alerts) != 1 {
			t.Fatalf("%s: %s, %v", key, entry.Value(), err)
		}
		have[key] = s.Alerts[0].Revision
	}
	// What waited to be written when the alerter was killed comes with its next revision: that is a few at most.
	stale := 0
	for source, revision := range active {
		if have[source] != revision {
			stale++
		}
	}
	for source := range have {
		if active[source] == 0 {
			stale++
		}
	}
	if stale > 6 || len(active) != 40 {
		t.Errorf("the bucket differs in %d sources of %d", stale, len(active))
	}
	t.Logf("the bucket differs in %d sources", stale)
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	inFile := map[string]int{}
	for line := range bytes.Lines(text) {
		inFile[messageOf(line)]++
	}
	b.web.mu.Lock()
	defer b.web.mu.Unlock()
	for name, got := range map[string]map[string]int{"file": inFile, "webhook": b.web.seen} {
		for id := range want {
			if got[id] == 0 {
				t.Errorf("the %s lacks %s", name, id)
			}
		}
		for id, n := range got {
			if want[id] == 0 {
				t.Errorf("the %s has %q, which nobody said", name, id)
			}
			if n > 20 {
				t.Errorf("the %s has %s %d times", name, id, n)
			}
		}
	}
	if rss := b.alerter.metrics()["process_resident_memory_bytes"]; rss > 400<<20 {
		t.Errorf("the alerter takes %.0f MB", rss/(1<<20))
	}
}

// holds: the stream has so many messages, each once.
func (b *behind) holds(js jetstream.JetStream, name string, n int) {
	b.t.Helper()
	s, err := js.Stream(b.t.Context(), name)
	if err != nil {
		b.t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range s.CachedInfo().State.LastSeq {
		m, err := s.GetMsg(b.t.Context(), i+1)
		if err != nil {
			b.t.Fatal(err)
		}
		id := m.Header.Get(jetstream.MsgIDHeader)
		if seen[id] {
			b.t.Errorf("%s has %s twice", name, id)
		}
		seen[id] = true
	}
	if len(seen) != n {
		b.t.Errorf("%s has %d messages, want %d", name, len(seen), n)
	}
}

func TestWhateverFailsBehindKafkaEachRevisionComesOnce(t *testing.T) {
	first := max(*seed, 1)
	for s := first; s < first+uint64(max(*seeds, 1)); s++ {
		t.Run(fmt.Sprint("seed ", s), func(t *testing.T) {
			t.Parallel()
			b := newBehind(t, s)
			faults, away, spread := slices.Clone(behindFaults), time.Second, 6*time.Second
			b.r.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
			if *seeds > 0 || *seed > 0 {
				spread = 20 * time.Second
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.says(spread)
			}()
			defer func() { <-done }()
			for i, f := range faults {
				away := away
				if i == 0 && (*seeds > 0 || *seed > 0) {
					away = 30 * time.Second
				}
				t.Logf("seed %d: %s, %v", s, f.name, away)
				f.do(b, away)
				time.Sleep(time.Duration(b.r.IntN(1000)) * time.Millisecond)
			}
			<-done
			b.verdict()
		})
	}
}
