package cmd_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/scanhound/scanhound/schema"
)

// served is all of it in one process, which keeps its data in dir.
type served struct {
	*world
	dir string
	*process
}

// serve starts it, on what an earlier one has left in dir, and waits until it is ready.
func serve(t *testing.T, dir string, flags ...string) *served {
	t.Helper()
	s := begin(t, dir, flags...)
	s.becomesReady()
	return s
}

// begin waits until its servers run.
func begin(t *testing.T, dir string, flags ...string) *served {
	t.Helper()
	p := &process{t: t, name: "scanhound", stderr: new(output), done: make(chan struct{})}
	p.cmd = command("scanhound", append([]string{
		"serve", "--data=" + dir, "--listen=127.0.0.1:0", "--nats-listen=127.0.0.1:0", "--admin=127.0.0.1:0",
		"--flows-partitions=4", "--checkpoint-interval=1s", "--site=lab",
	}, flags...)...)
	p.cmd.Stderr = p.stderr
	p.start()
	open := p.line("the folder is open")
	s := &served{&world{t: t, brokers: []string{fmt.Sprint(open["kafka"])}, nats: fmt.Sprint(open["nats"])}, dir, p}
	s.settings = settingsFile(t, s.brokers, s.nats)
	return s
}

func TestOneProcessThatIsKilledAgainAndAgainSaysWhatOneSaysThatIsNot(t *testing.T) {
	dir := t.TempDir()
	outputs, lines := filepath.Join(t.TempDir(), "outputs.yaml"), filepath.Join(t.TempDir(), "alerts.json")
	if err := os.WriteFile(outputs, []byte("- {name: disk, to: "+lines+", format: native}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk := "--outputs=" + outputs
	rec := record(t, "softflowd-v5")
	third := len(rec.datagrams)/3 + 1
	s := serve(t, dir, disk)
	play(t, s.process, rec.datagrams[:third])
	s.kill() // what was played is in Kafka; the rest is somewhere on its way
	s = serve(t, dir, disk)
	play(t, s.process, rec.datagrams[third:2*third])
	s.settles()
	var more [][]byte
	for i := range ahead {
		more = append(more, ordinary(time.Now(), 0, byte(i)))
	}
	send(t, s.listens(), more)
	s.kill() // while it writes
	s = begin(t, dir, disk)
	s.line("receiving")
	s.kill() // while it restores
	s = serve(t, dir, disk)
	play(t, s.process, rec.datagrams[2*third:])
	s.settles()
	if n := s.metrics()["scanhound_detector_restored_total"]; n == 0 {
		t.Error("it has restored nothing: it shows nothing")
	}
	if n := len(flowsIn(t, s.world)); n < rec.flows || n > rec.flows+ahead*len(hosts) {
		t.Errorf("%d flows are in Kafka, %d were acknowledged", n, rec.flows)
	}

	// The reference reads the same flows once, and nobody kills it.
	reference := s.launch("detector", "--detector-group=reference", "--alerts-topic=reference", "--state-topic=reference.state")
	reference.becomesReady()
	s.world.waits("reference", "scanhound.flows.v1")
	got := s.alerts() // checks that each stands there once
	if diff := cmp.Diff(byMessage(t, s.alertsInKafka("reference")), byMessage(t, got)); diff != "" {
		t.Errorf("alerts on NATS differ from those without a kill (-without +with):\n%.4000s", diff)
	}
	checkTruth(t, lastOfEach(t, got))
	checkLines(t, lines, byMessage(t, got))
	if code := reference.terminate(); code != 0 {
		t.Errorf("the reference ended with %d", code)
	}
	if code := s.terminate(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// checkLines waits until every revision stands in a file, at least once.
func checkLines(t *testing.T, path string, want map[string]string) {
	t.Helper()
	eventually(t, "every alert stands in the file", func() bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for line := range bytes.Lines(text) {
			// A line that a kill has cut off is followed by the whole of it.
			if a, err := schema.ParseAlert(line); err == nil {
				there[a.MessageID()] = true
			}
		}
		for id := range want {
			if !there[id] {
				return false
			}
		}
		return len(want) > 0
	})
}

func TestOneProcessHasTheMetricsAndPagesOfAllThreeAndItsFolderForItselfAlone(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir)
	all := s.metrics()
	for _, name := range []string{"scanhound_ingest_templates", "scanhound_detector_sources", `scanhound_alerter_alerts_total{fate="published"}`, "scanhound_kafka_limit_bytes"} {
		if _, has := all[name]; !has {
			t.Errorf("no metric is named %s", name)
		}
	}
	if n := all[`scanhound_kafka_topic_bytes{topic="scanhound.templates.v1"}`]; n == 0 {
		t.Error("the topic of templates takes no bytes")
	}
	for _, page := range []string{"/exporters", "/rules", "/config"} {
		if code, _ := s.get(page); code != http.StatusOK {
			t.Errorf("%s answers %d", page, code)
		}
	}
	r := runToEnd(t, "scanhound", "serve", "--data="+dir)
	if want := fmt.Sprintf("another process uses %s, process %d: end it, or give another folder", dir, s.cmd.Process.Pid); r.code != 3 || !strings.Contains(r.stderr, want) {
		t.Errorf("a second one on the folder ended with %d, want 3 and %q:\n%s", r.code, want, r.stderr)
	}
	if code := s.terminate(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

func TestSubscribersOfOneProcessNeedTheirPasswordAndWriteNoAlerts(t *testing.T) {
	s := serve(t, t.TempDir(), "--nats-user=siem", "--nats-password=secret")
	if nc, err := nats.Connect(s.nats); err == nil {
		nc.Close()
		t.Error("it lets in who has no password")
	}
	refused := make(chan error, 1)
	nc, err := nats.Connect(s.nats, nats.UserInfo("siem", "secret"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish("alerts.scan.vertical.high.lab", []byte("forged")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !strings.Contains(err.Error(), "Permissions Violation") {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it takes an alert from a subscriber")
	}
}
