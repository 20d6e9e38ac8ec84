package cmd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream/embedded"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// programs is the folder of the four binaries.
var programs string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if programs, err = build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programs)
		os.Exit(code)
	}))
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "scanhound-programs-"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./ingest", "./detector", "./alerter", "./scanhound").CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("build the programs: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, nil
}

func TestHelpIsWhatItWas(t *testing.T) {
	for _, line := range []string{
		"ingest", "detector", "alerter",
		"scanhound", "scanhound demo", "scanhound decode", "scanhound replay", "scanhound clean", "scanhound explain", "scanhound rules",
	} {
		t.Run(line, func(t *testing.T) {
			words := strings.Fields(line)
			r := runToEnd(t, words[0], append(words[1:], "--help")...)
			if r.code != 0 || r.stderr != "" {
				t.Errorf("code %d, stderr %q", r.code, r.stderr)
			}
			golden := filepath.Join("testdata", strings.ReplaceAll(line, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(r.stdout), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), r.stdout); diff != "" {
				t.Errorf("-update rewrites it (-golden +now):\n%s", diff)
			}
		})
	}
}

func TestThreeProcessesWithOneSettingsFileTellOfEveryScanOnceAndEndWithNothingLost(t *testing.T) {
	w := newWorld(t)
	in, det, al := w.launch("ingest"), w.launch("detector"), w.launch("alerter")
	for _, p := range []*process{in, det, al} {
		p.becomesReady()
	}
	rec := record(t, "softflowd-v9")
	play(t, in, rec.datagrams)
	w.settles()

	checkTruth(t, lastOfEach(t, w.alerts()))
	checkMetrics(t, in,
		`datagrams_total{fate="received"}`, `decoded_total{what="records_flows"}`, `decoded_total{what="templates_new"}`,
		`oriented_total{rule="flags"}`, "swapped_total", `flows_total{fate="produced"}`, "templates", `log_messages_total{level="info"}`)
	checkMetrics(t, det,
		"records_total", `flows_total{fate="counted"}`, `alerts_total{fate="produced"}`, `scans_total{state="open"}`, `kept_silent_total{guard="same_target"}`, "sources")
	checkMetrics(t, al, "records_total", `alerts_total{fate="published"}`)
	if got := in.metrics()[`scanhound_ingest_flows_total{fate="produced"}`]; got != float64(rec.flows) {
		t.Errorf("ingest produced %v flows of %d", got, rec.flows)
	}
	for _, p := range []*process{in, det, al} {
		p.describesItself(w)
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d after SIGTERM", p.name, code)
		}
	}
	if n := len(flowsIn(t, w)); n != rec.flows {
		t.Errorf("%d flows are in Kafka, %d were sent", n, rec.flows)
	}
}

func TestWhatIngestHasReceivedWhenItIsToldToEndIsInKafka(t *testing.T) {
	w := newWorld(t)
	in := w.launch("ingest")
	in.becomesReady()
	var datagrams [][]byte
	for i := range 300 { // what the smallest usual socket buffer holds, and more than one batch
		datagrams = append(datagrams, ordinary(time.Now(), byte(i>>8), byte(i)))
	}
	send(t, in.listens(), datagrams)
	if code := in.terminate(); code != 0 {
		t.Errorf("ended with %d", code)
	}
	if got, want := len(flowsIn(t, w)), 300*len(hosts); got != want {
		t.Errorf("%d flows of %d are in Kafka", got, want)
	}
}

func TestADetectorThatIsKilledIsReplacedByOneThatSaysTheSameAndNothingTwice(t *testing.T) {
	w := newWorld(t)
	in, al := w.launch("ingest"), w.launch("alerter")
	// With a name of its own a new one need not wait until the group has given the dead one up.
	killed := w.launch("detector", "--consumer-instance-id=detector-0")
	rec := record(t, "softflowd-v5")
	half := len(rec.datagrams) / 2
	for _, p := range []*process{in, al, killed} {
		p.becomesReady()
	}
	play(t, in, rec.datagrams[:half])
	w.commits("scanhound-detector.v1") // or it would begin at the beginning
	send(t, in.listens(), rec.datagrams[half:half+40])
	killed.kill()
	before := len(w.alertsInKafka("scanhound.alerts.v1"))
	if before == 0 {
		t.Fatal("nothing was said before the kill: it shows nothing")
	}
	play(t, in, rec.datagrams[half+40:])
	next := w.launch("detector", "--consumer-instance-id=detector-0")
	next.becomesReady()
	w.settles()
	if next.metrics()[`scanhound_detector_alerts_total{fate="said_before"}`] == 0 {
		t.Error("the new one has not rebuilt what the killed one knew")
	}

	// The reference reads the same topic from its beginning, and nobody kills it.
	reference := w.launch("detector", "--detector-group=reference", "--alerts-topic=reference")
	reference.becomesReady()
	w.waits("reference", "scanhound.flows.v1")
	want := w.alertsInKafka("reference")
	if diff := cmp.Diff(byMessage(t, want), byMessage(t, w.alerts())); diff != "" {
		t.Errorf("alerts on NATS differ from those without a kill (-without +with):\n%.4000s", diff)
	}
	checkTruth(t, lastOfEach(t, want))
	for _, p := range []*process{in, al, next, reference} {
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", p.name, code)
		}
	}
}

func TestAnAlerterThatIsKilledIsReplacedByOneThatLosesNothingAndSaysNothingTwice(t *testing.T) {
	w := newWorld(t)
	in, det := w.launch("ingest"), w.launch("detector")
	killed := w.launch("alerter", "--consumer-instance-id=alerter-0")
	rec := record(t, "softflowd-ipfix")
	for _, p := range []*process{in, det, killed} {
		p.becomesReady()
	}
	half := len(rec.datagrams) / 2
	play(t, in, rec.datagrams[:half])
	eventually(t, "the alerter has published something", func() bool {
		return killed.metrics()[`scanhound_alerter_alerts_total{fate="published"}`] > 0
	})
	killed.kill()
	play(t, in, rec.datagrams[half:])
	next := w.launch("alerter", "--consumer-instance-id=alerter-0")
	next.becomesReady()
	w.settles()
	got := w.alerts()
	if diff := cmp.Diff(byMessage(t, w.alertsInKafka("scanhound.alerts.v1")), byMessage(t, got)); diff != "" {
		t.Errorf("what is on NATS is not what is in Kafka (-kafka +nats):\n%.4000s", diff)
	}
	checkTruth(t, lastOfEach(t, got))
	for _, p := range []*process{in, det, next} {
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", p.name, code)
		}
	}
}

func TestAnIngestThatIsRestartedOnItsPortLosesNothingOfWhatWasNotSentMeanwhile(t *testing.T) {
	w := newWorld(t)
	det, al := w.launch("detector"), w.launch("alerter")
	in := w.launch("ingest")
	for _, p := range []*process{in, det, al} {
		p.becomesReady()
	}
	rec := record(t, "softflowd-v5") // no templates that a restart would forget
	half := len(rec.datagrams) / 2
	send(t, in.listens(), rec.datagrams[:half])
	port := in.listens()
	if code := in.terminate(); code != 0 {
		t.Errorf("ingest ended with %d", code)
	}
	again := w.launch("ingest", "--listen="+port.String())
	again.becomesReady()
	play(t, again, rec.datagrams[half:])
	w.settles()
	if got := len(flowsIn(t, w)); got != rec.flows {
		t.Errorf("%d flows of %d are in Kafka", got, rec.flows)
	}
	checkTruth(t, lastOfEach(t, w.alerts()))
}

func TestAMistakeInTheSettingsIsToldWithItsPlaceBeforeAnythingConnects(t *testing.T) {
	for _, c := range []struct {
		name, file string
		flags      []string
		code       int
		says       []string
	}{
		{"a key that is none", "kafka-broker: x", nil, 3, []string{"FILE:1: kafka-broker is not a setting; did you mean kafka-brokers?"}},
		{"a group that is none", "log-level: info\nkafak:\n  brokers: [a:9092]\n", nil, 3, []string{"FILE:3: kafak-brokers is not a setting; did you mean kafka-brokers?"}},
		{"a key of nothing", "detct: 1", nil, 3, []string{"FILE:1: detct is not a setting"}},
		{"a value of the wrong type", "shutdown-timeout: soon", nil, 3, []string{`FILE:1: shutdown-timeout: "soon" is not accepted`, "duration"}},
		{"a value that cannot be", "kafka-brokers: [kafka]", nil, 3, []string{`FILE:1: kafka-brokers "kafka": want HOST:PORT`}},
		{"two wrong values", "log-level: loud\nkafka-brokers: [kafka]", nil, 3, []string{`FILE:1: log-level: "loud" is not accepted`, `FILE:2: kafka-brokers "kafka": want HOST:PORT`}},
		{"YAML that is none", "kafka-brokers: [a:9092", nil, 3, []string{"FILE:1: "}},
		{"no file", "", []string{"--settings=nowhere.yaml"}, 3, []string{"nowhere.yaml"}},
		{"a flag that is none", "", []string{"--kafka-broker=x"}, 2, []string{"unknown flag --kafka-broker", "kafka-brokers"}},
		{"a wrong value on the command line", "", []string{"--log-level=loud"}, 2, []string{"--log-level", "loud", "debug"}},
	} {
		for _, program := range []string{"ingest", "detector", "alerter"} {
			t.Run(c.name+" for "+program, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "settings.yaml")
				if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
				args := append([]string{"--settings=" + file}, c.flags...)
				r := runToEnd(t, program, args...)
				if r.code != c.code || r.stdout != "" {
					t.Errorf("code %d, want %d; stdout %q", r.code, c.code, r.stdout)
				}
				text := strings.ReplaceAll(r.stderr, file, "FILE")
				for _, says := range c.says {
					if !strings.Contains(text, says) {
						t.Errorf("it does not say %q, but:\n%s", says, text)
					}
				}
				if strings.Contains(text, `"level"`) { // a log line: it has begun to work
					t.Errorf("it has begun to work:\n%s", text)
				}
			})
		}
	}
}

func TestAFileThatASettingNamesAndThatIsNotThereIsToldWithThePlaceOfTheSetting(t *testing.T) {
	for setting, programs := range map[string][]string{
		"kafka-ca-file: nowhere.pem":                                          {"ingest", "detector", "alerter"},
		"kafka-password-file: nowhere.txt\nkafka-sasl: PLAIN\nkafka-user: me": {"ingest", "detector", "alerter"},
		"nats-password-file: nowhere.txt\nnats-user: me":                      {"alerter"},
		"networks: nowhere.yaml":                                              {"ingest", "detector"},
		"country-db: nowhere.mmdb":                                            {"ingest", "detector"},
		"exceptions: nowhere.yaml":                                            {"detector"},
		"rules: nowhere.yaml":                                                 {"detector"},
	} {
		for _, program := range programs {
			file := filepath.Join(t.TempDir(), "settings.yaml")
			if err := os.WriteFile(file, []byte("admin: 127.0.0.1:0\n"+setting), 0o600); err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(setting, ": ")
			r := runToEnd(t, program, "--settings="+file)
			if says := file + ":2: " + name + ": "; r.code != 3 || !strings.Contains(r.stderr, says) || !strings.Contains(r.stderr, "no such file") {
				t.Errorf("%s, %s: code %d: %s", program, setting, r.code, r.stderr)
			}
		}
	}
}

func TestWithoutKafkaEachProgramWaitsSaysWhyAndEndsWhenTold(t *testing.T) {
	nowhere := unused(t, "tcp")
	for _, name := range []string{"ingest", "detector", "alerter"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, settings: settingsFile(t, []string{nowhere}, natsServer(t))}
			waitsInVain(w.launch(name), nowhere)
		})
	}
}

func TestWithoutNATSTheAlerterWaitsSaysWhyAndEndsWhenTold(t *testing.T) {
	nowhere := unused(t, "tcp")
	k := kafkaServer(t)
	w := &world{t: t, settings: settingsFile(t, k.Brokers(), "nats://"+nowhere)}
	waitsInVain(w.launch("alerter"), nowhere)
}

func TestASecretIsShownNeitherInTheSettingsNorInTheLog(t *testing.T) {
	nowhere := unused(t, "tcp")
	const secret = "correct-horse"
	text := fmt.Sprintf(`admin: 127.0.0.1:0
log: {level: debug, format: json}
kafka: {brokers: [%[1]q], sasl: PLAIN, user: ada, password: %[2]s}
nats: {url: ["nats://%[1]s"], user: ada, password: %[2]s}
listen: ["127.0.0.1:0"]
`, nowhere, secret)
	w := &world{t: t, settings: filepath.Join(t.TempDir(), "settings.yaml")}
	if err := os.WriteFile(w.settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ingest", "detector", "alerter"} {
		p := w.launch(name)
		eventually(t, name+" has tried to log in", func() bool { return len(p.warnings(nowhere)) > 0 })
		for _, path := range []string{"/config", "/readyz", "/metrics", "/version", "/debug/pprof/", "/"} {
			if _, body := p.get(path); strings.Contains(body, secret) {
				t.Errorf("%s shows it at %s:\n%s", name, path, body)
			}
		}
		if _, body := p.get("/config"); !strings.Contains(body, `kafka-password: "***"`) {
			t.Errorf("/config of %s does not say that there is one:\n%s", name, body)
		}
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
		if strings.Contains(p.stderr.text(), secret) {
			t.Errorf("%s has logged it", name)
		}
	}
}

func TestACommandThatWaitsForStandardInputEndsWhenTold(t *testing.T) {
	for _, name := range []string{"decode", "replay"} {
		p := &process{t: t, name: name, stderr: new(output), done: make(chan struct{})}
		p.cmd = command("scanhound", name, "-")
		p.cmd.Stderr = p.stderr
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.cmd.Stdin = out
		p.start()
		// More than a pipe holds, so that it is running; and then nothing, so that it waits.
		flow := append(schema.AppendJSON(nil, &schema.Flow{Start: 1, End: 1, Received: 1}), '\n')
		if _, err := in.Write(bytes.Repeat(flow, 1<<20/len(flow))); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" waits for more", p.waits)
		if code := p.terminate(); code != 128+int(syscall.SIGTERM) {
			t.Errorf("%s ended with %d", name, code)
		}
		_, _ = in.Close(), out.Close() // nothing more is written
	}
}

// waitsInVain checks a program whose server at nowhere is not there.
func waitsInVain(p *process, nowhere string) {
	t := p.t
	t.Helper()
	eventually(t, p.name+" warns of "+nowhere, func() bool { return len(p.warnings(nowhere)) > 0 })
	if code, body := p.get("/livez"); code != http.StatusOK {
		t.Errorf("/livez: %d %s", code, body)
	}
	repeated := `scanhound_` + p.name + `_log_messages_total{level="warn"}`
	eventually(t, p.name+" tries again", func() bool { return p.metrics()[repeated] >= 3 })
	for message, n := range p.warnings(nowhere) {
		if n > 2 {
			t.Errorf("%q is written %d times within seconds", message, n)
		}
	}
	body := ""
	if !within(10*time.Second, func() bool {
		var code int
		code, body = p.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, nowhere) && strings.Contains(body, "check")
	}) {
		t.Errorf("/readyz of %s does not name %s and what to check, but says:\n%s", p.name, nowhere, body)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("%s ended with %d after SIGTERM", p.name, code)
	}
}

func TestASecondIngestOnThePortIsToldWhoHasIt(t *testing.T) {
	w := newWorld(t)
	in := w.launch("ingest")
	port := in.listens()
	r := runToEnd(t, "ingest", "--settings="+w.settings, "--listen="+port.String())
	for _, says := range []string{port.String(), fmt.Sprintf("ss -ulpn 'sport = :%d'", port.Port())} {
		if !strings.Contains(r.stderr, says) {
			t.Errorf("it does not say %q, but:\n%s", says, r.stderr)
		}
	}
	if r.code == 0 {
		t.Error("it ended with 0")
	}
}

func TestAnAdminPortInUseIsAMistakeInTheSettings(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w := newWorld(t)
	for _, name := range []string{"ingest", "detector", "alerter"} {
		r := runToEnd(t, name, "--settings="+w.settings, "--admin="+taken.Addr().String())
		if r.code != 3 || !strings.Contains(r.stderr, "--admin: admin: another program listens on "+taken.Addr().String()) {
			t.Errorf("%s ended with %d and:\n%s", name, r.code, r.stderr)
		}
	}
	text, err := os.ReadFile(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "taken.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("127.0.0.1:0 # admin"), []byte(taken.Addr().String())), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runToEnd(t, "detector", "--settings="+file); r.code != 3 || !strings.Contains(r.stderr, file+":1: admin: another program listens on") {
		t.Errorf("detector ended with %d and:\n%s", r.code, r.stderr)
	}
}

// world is a Kafka and a NATS in this process, and a settings file for the
// programs that are run against them.
type world struct {
	t        *testing.T
	settings string
	kafka    *embedded.KafkaServer
	nats     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, kafka: kafkaServer(t), nats: natsServer(t)}
	w.settings = settingsFile(t, w.kafka.Brokers(), w.nats)
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
  client-id: programs
flows:
  partitions: 4
alerts:
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
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.kafka.Brokers()...))...)
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

func parse(t *testing.T, b []byte) schema.Alert {
	t.Helper()
	a, err := schema.ParseAlert(b)
	if err != nil {
		t.Fatal(err)
	}
	return *a
}

// byMessage are the alerts by id and revision; a revision that stands twice must
// say the same.
func byMessage(t *testing.T, alerts []schema.Alert) map[string]string {
	t.Helper()
	said := map[string]string{}
	for i := range alerts {
		// Not schema's own way to write it: this compares what is said.
		b, err := json.MarshalIndent(&alerts[i], "", " ")
		if err != nil {
			t.Fatal(err)
		}
		id := alerts[i].MessageID()
		if before, ok := said[id]; ok && before != string(b) {
			t.Errorf("%s says once\n%s\nand once\n%s", id, before, b)
		}
		said[id] = string(b)
	}
	return said
}

// lastOfEach returns the highest revision of each alert; none may be missing below it.
func lastOfEach(t *testing.T, alerts []schema.Alert) []schema.Alert {
	t.Helper()
	last, revisions := map[string]schema.Alert{}, map[string]map[uint32]bool{}
	for _, a := range alerts {
		if revisions[a.ID] == nil {
			revisions[a.ID] = map[uint32]bool{}
		}
		revisions[a.ID][a.Revision] = true
		if a.Revision > last[a.ID].Revision {
			last[a.ID] = a
		}
	}
	for id, a := range last {
		if n := len(revisions[id]); n != int(a.Revision) {
			t.Errorf("%s has %d revisions, the last is %d", id, n, a.Revision)
		}
	}
	return slices.Collect(maps.Values(last))
}

// checkTruth: every scan of the lab has one alert, of its class, and nothing else has.
func checkTruth(t *testing.T, alerts []schema.Alert) {
	t.Helper()
	truth, err := lab.Truth()
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[netip.Addr]string{}, map[netip.Addr]string{}
	for _, s := range truth {
		if s.Class != "none" {
			want[s.Source] = s.Class
		}
	}
	for _, a := range alerts {
		got[a.Source] += string(a.Kind) // twice the same shows
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the alerts are not the truth (-truth +alerts):\n%s", diff)
	}
}

// process is a program under way.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stderr *output
	done   chan struct{} // closed when it has ended
}

// start starts p; what is left of it ends with the test.
func (p *process) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // terminate returns its code
	}()
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("%s said:\n%s", p.name, p.stderr.text())
		}
	})
}

func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.Env = []string{} // nil would be ours
	return cmd
}

// patience is how long anything here may take: far longer than it does.
const patience = 60 * time.Second

// becomesReady waits until /readyz says so.
func (p *process) becomesReady() {
	p.t.Helper()
	eventually(p.t, p.name+" is ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
}

// describesItself: /version and /config say what was asked for.
func (p *process) describesItself(w *world) {
	t := p.t
	t.Helper()
	var version struct{ Program, Version, Go string }
	if _, body := p.get("/version"); json.Unmarshal([]byte(body), &version) != nil || version.Program != p.name || version.Version == "" || version.Go == "" {
		t.Errorf("/version of %s: %s", p.name, body)
	}
	_, body := p.get("/config")
	for _, says := range []string{
		"kafka-brokers: [" + w.kafka.Brokers()[0] + "]", "kafka-client-id: programs", "kafka-password: \"\"",
		w.settings + ":1", "shutdown-timeout: 25s # default",
	} {
		if !strings.Contains(strings.ReplaceAll(body, "'", ""), says) {
			t.Errorf("/config of %s does not say %s:\n%s", p.name, says, body)
		}
	}
	if strings.Contains(body, "***") {
		t.Errorf("/config of %s masks something, and nothing in it is secret:\n%s", p.name, body)
	}
}

// line waits for a log line with that message.
func (p *process) line(message string) map[string]any {
	p.t.Helper()
	var found []map[string]any
	eventually(p.t, fmt.Sprintf("%s logs %q", p.name, message), func() bool {
		found = p.lines(message)
		return len(found) > 0
	})
	return found[0]
}

func (p *process) lines(message string) (found []map[string]any) {
	p.t.Helper()
	for text := range strings.Lines(p.stderr.text()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// warnings are the messages that name a server, with how often they are written.
func (p *process) warnings(server string) map[string]int {
	found := map[string]int{}
	for text := range strings.Lines(p.stderr.text()) {
		var line struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(text), &line); err == nil && line.Level == "WARN" && strings.Contains(text, server) {
			found[line.Msg]++
		}
	}
	return found
}

// listens is where ingest receives.
func (p *process) listens() netip.AddrPort {
	p.t.Helper()
	addresses, _ := p.line("receiving")["addresses"].([]any)
	if len(addresses) == 0 {
		p.t.Fatal("ingest receives nowhere")
	}
	return netip.MustParseAddrPort(fmt.Sprint(addresses[0]))
}

// get asks the admin port.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	at := fmt.Sprint(p.line("admin port is open")["address"])
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + at + path)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// metrics are the lines of /metrics, without comments.
func (p *process) metrics() map[string]float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	all := map[string]float64{}
	for line := range strings.Lines(body) {
		at := strings.LastIndexByte(line, ' ')
		if line[0] == '#' || at < 0 {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			p.t.Fatal(err)
		}
		all[line[:at]] = v
	}
	return all
}

// checkMetrics: these count something, and all are named after the program.
func checkMetrics(t *testing.T, p *process, counted ...string) {
	t.Helper()
	all := p.metrics()
	for _, name := range counted {
		if all["scanhound_"+p.name+"_"+name] == 0 {
			t.Errorf("%s has not counted %s", p.name, name)
		}
	}
	for name := range all {
		ours := strings.HasPrefix(name, "scanhound_"+p.name+"_")
		if !ours && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s has a metric named %s", p.name, name)
		}
	}
}

// termination is how long a program may take to end when it is told to.
const termination = 5 * time.Second

// terminate sends SIGTERM and returns the exit code.
func (p *process) terminate() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(termination):
		p.t.Errorf("%s has not ended %v after SIGTERM", p.name, termination)
		p.kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// waits reports whether the process has not used the processor for a while.
func (p *process) waits() bool {
	used := func() string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if fields := strings.Fields(string(b)); err == nil && len(fields) > 14 {
			return strings.Join(fields[13:15], " ") // in ticks, see proc(5)
		}
		return ""
	}
	before := used()
	return !within(200*time.Millisecond, func() bool { return used() != before })
}

// kill is kill -9. It does nothing to a process that has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// output is what a process has written until now.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

type result struct {
	code           int
	stdout, stderr string
}

// runToEnd runs a program that is expected to end by itself.
func runToEnd(t *testing.T, name string, args ...string) result {
	t.Helper()
	cmd := command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer late.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Fatalf("%s: %v\n%s", name, err, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// eventually waits until is says so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !within(patience, is) {
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// within asks until the answer is yes, or for as long as that.
func within(d time.Duration, is func() bool) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(d); !is(); <-look.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// unused is an address of this machine on which nobody listens.
func unused(t *testing.T, network string) string {
	t.Helper()
	l, err := net.Listen(network, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// recording is a capture of the lab, moved so that it ends an hour ago.
type recording struct {
	datagrams [][]byte
	flows     int
}

func record(t *testing.T, name string) (rec recording) {
	t.Helper()
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(c lab.Capture) bool { return c.Name == name })
	pcap, err := all[at].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pcap.Close()
	type received struct {
		from netip.Addr
		at   schema.Time
	}
	var of []received
	for d, err := range flowfile.Open([]string{"-"}, pcap).Datagrams() {
		if err != nil {
			t.Fatal(err)
		}
		rec.datagrams = append(rec.datagrams, bytes.Clone(d.Payload))
		of = append(of, received{d.From.Addr(), d.Received})
	}
	var clocks flowfile.Rebaser
	shift := time.Now().Add(-time.Hour).Sub(of[len(of)-1].at.Std())
	decoder := netflow.NewDecoder(netflow.NewTemplates(netflow.DefaultConfig()), netflow.DefaultConfig())
	for i, d := range rec.datagrams {
		if err := clocks.Rebase(of[i].from, d, shift); err != nil {
			t.Fatal(err)
		}
		flows, _ := decoder.Decode(nil, of[i].from, of[i].at, d)
		rec.flows += len(flows)
	}
	return rec
}

// ahead is how many datagrams are sent before ingest has taken those before
// them: what the smallest usual socket buffer holds of them.
const ahead = 50

// play sends datagrams no faster than ingest takes them and returns when it has
// handed all of their flows to Kafka.
func play(t *testing.T, in *process, datagrams [][]byte) {
	t.Helper()
	const received = `scanhound_ingest_datagrams_total{fate="received"}`
	want := in.metrics()[received]
	for some := range slices.Chunk(datagrams, ahead) {
		send(t, in.listens(), some)
		want += float64(len(some))
		eventually(t, "ingest has received what was sent", func() bool { return in.metrics()[received] >= want })
	}
	eventually(t, "ingest has handed everything to Kafka", func() bool {
		m := in.metrics()
		return m[`scanhound_ingest_decoded_total{what="datagrams"}`] >= want &&
			m[`scanhound_ingest_flows_total{fate="produced"}`] == m[`scanhound_ingest_decoded_total{what="records_flows"}`]
	})
}

// send sends datagrams from one exporter, whose port changes.
func send(t *testing.T, to netip.AddrPort, datagrams [][]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, d := range datagrams {
		if _, err := conn.Write(d); err != nil {
			t.Fatal(err)
		}
	}
}

// hosts are the last bytes of the sources in an ordinary datagram.
var hosts = [...]byte{1, 2, 3, 4, 5}

// ordinary is a NetFlow v5 datagram of sessions with a web server.
func ordinary(at time.Time, b, c byte) []byte {
	const uptime = 3_600_000
	d := make([]byte, 24)
	binary.BigEndian.PutUint16(d[0:], 5)
	binary.BigEndian.PutUint16(d[2:], uint16(len(hosts)))
	binary.BigEndian.PutUint32(d[4:], uptime)
	binary.BigEndian.PutUint32(d[8:], uint32(at.Unix()))
	for _, host := range hosts {
		var r [48]byte
		copy(r[0:], []byte{172, 16 | b, c, host})
		copy(r[4:], []byte{192, 0, 2, 80})
		binary.BigEndian.PutUint32(r[16:], 20)
		binary.BigEndian.PutUint32(r[20:], 9000)
		binary.BigEndian.PutUint32(r[24:], uptime-1000)
		binary.BigEndian.PutUint32(r[28:], uptime-900)
		binary.BigEndian.PutUint16(r[32:], 50000)
		binary.BigEndian.PutUint16(r[34:], 443)
		r[37], r[38] = 0x1b, schema.TCP
		d = append(d, r[:]...)
	}
	return d
}
