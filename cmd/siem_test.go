package cmd_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// Receivers that nobody here wrote, set up as deploy/siem says, have what was published, byte for byte.

// taker is a configuration of deploy/siem, with its places made those of this test.
type taker struct {
	t   *testing.T
	dir string
	to  string // the file that it writes
}

func newTaker(t *testing.T) *taker {
	dir := t.TempDir()
	return &taker{t, dir, filepath.Join(dir, "got")}
}

// configured writes the shipped file with each old text replaced by the new one after it.
func (r *taker) configured(name string, places ...string) string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join("../deploy/siem", name))
	if err != nil {
		r.t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(places); i += 2 {
		if !strings.Contains(text, places[i]) {
			r.t.Fatalf("%s does not say %s", name, places[i])
		}
		text = strings.ReplaceAll(text, places[i], places[i+1])
	}
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// runs starts the receiver; it ends with the test.
func (r *taker) runs(env []string, name string, args ...string) *process {
	r.t.Helper()
	p := &process{t: r.t, name: filepath.Base(name), stderr: new(output), done: make(chan struct{})}
	p.cmd = exec.Command(name, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = p.stderr, p.stderr, r.dir
	p.start()
	return p
}

// has waits until as many lines are there, and wants them to be these.
func (r *taker) has(want []string) {
	r.t.Helper()
	var got []string
	eventually(r.t, fmt.Sprintf("%d lines have arrived", len(want)), func() bool {
		b, err := os.ReadFile(r.to)
		if got = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"); err != nil || !strings.HasSuffix(string(b), "\n") {
			return false
		}
		return len(got) >= len(want)
	})
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if len(got) != len(want) {
		r.t.Errorf("%d lines, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			r.t.Errorf("line %d of %d bytes: %.300s\nwant %d bytes: %.300s", i, len(got[i]), got[i], len(want[i]), want[i])
		}
	}
}

// debian returns a program of a Debian package.
func debian(t *testing.T, program, pkg string, files ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		lacks(t, "no "+program+": Debian's package is "+pkg)
	}
	for _, file := range files {
		if found, err := filepath.Glob("/usr/lib/*/" + file); err != nil || len(found) == 0 {
			lacks(t, "no "+file+": Debian's package is "+pkg)
		}
	}
	return path
}

// hostile are alerts whose texts try to end a line, a field or a string, and a long one.
func (w *world) hostile() (bodies []string) {
	w.t.Helper()
	for i, reason := range []string{
		"25 failed targets", `a "quoted" \ back\\slash|pipe=equals`, "two\nlines\r\n<34>1 - forged", "umlaut ü, 漢字, \u2028, \u0000nul", "{{ .Field }} ${jndi:x} %msg% $(id)", strings.Repeat("long ", 8000),
	} {
		at := time.Date(2026, 11, 27, 12, i, 0, 0, time.UTC)
		a := &schema.Alert{
			ID: fmt.Sprintf("%032x", 0xa0+i), Revision: uint32(i + 1), State: schema.Open, Reason: reason, Kind: schema.Horizontal, Severity: schema.High, MITRE: []string{"T1046"},
			Source: netip.MustParseAddr("198.51.100.7"), FirstSeen: at, LastSeen: at.Add(time.Minute), ASName: reason,
			Verdict: schema.Verdict{Rule: "horizontal", Threshold: 25, Confidence: "high"},
		}
		a.Enclose(at)
		b, err := schema.AppendAlert(nil, a)
		if err != nil {
			w.t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	cl := w.client(kgo.UnknownTopicRetries(-1))
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopics(w.t.Context(), 3, 1, nil, schema.AlertsTopic); err != nil {
		w.t.Fatal(err)
	}
	for _, body := range bodies {
		if err := cl.ProduceSync(w.t.Context(), &kgo.Record{Topic: schema.AlertsTopic, Value: []byte(body)}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	return bodies
}

func TestRsyslogReadsTheAlertsFromKafka(t *testing.T) {
	program := debian(t, "rsyslogd", "rsyslog, rsyslog-kafka", "rsyslog/imkafka.so")
	w := newWorld(t)
	sent := w.hostile()
	r := newTaker(t)
	conf := r.configured("rsyslog-kafka.conf", "/var/spool/rsyslog", r.dir, "kafka.example.org:9092", w.brokers[0], "/var/log/scanhound/alerts.json", r.to)
	r.runs(nil, program, "-n", "-f", conf, "-i", filepath.Join(r.dir, "pid"))
	r.has(sent)
}

// overTLS is a syslog server of an authority, and what the alerter sends to it and writes to a file
// beside: both say the same. A client of another authority is not let in.
func (r *taker) overTLS(w *world, conf string, places []string, run func(conf string)) {
	r.t.Helper()
	ca, address := newAuthority(r.t), unused(r.t, "tcp")
	_, port, _ := strings.Cut(address, ":")
	server, serverKey := ca.signs("127.0.0.1")
	run(r.configured(conf, append([]string{"6514", port, "0.0.0.0", "127.0.0.1"}, append(places, "/var/log/scanhound/alerts.cef", r.to,
		"ca.pem", ca.file, "cert.pem", server, "key.pem", serverKey)...)...))
	stranger, strangerKey := newAuthority(r.t).signs("scanhound.example.org")
	ours, ourKey := ca.signs("scanhound.example.org")
	eventually(r.t, "it lets in who it knows", func() bool { return admitted(address, ca.file, ours, ourKey) })
	if !within(patience, func() bool { return !admitted(address, ca.file, stranger, strangerKey) }) {
		r.t.Error("it lets in a stranger")
	}

	beside := filepath.Join(r.dir, "beside")
	outputs := r.configured("outputs.yaml", "siem.example.org:6514", address, "/etc/scanhound/ca.pem", ca.file, "/etc/scanhound/alerter.pem", ours, "/etc/scanhound/alerter.key", ourKey,
		"/var/log/scanhound/alerts.json", beside, "format: ecs", "format: cef", "https://chat.example.org", "http://"+unused(r.t, "tcp"), "/var/lib/scanhound", r.dir)
	p := w.launch("alerter", "--outputs="+outputs)
	var want string
	eventually(r.t, "the file beside has all", func() bool {
		b, _ := os.ReadFile(beside) // it may not be there yet
		want = string(b)
		return strings.Count(want, "\n") == 6
	})
	r.has(strings.Split(strings.TrimSuffix(want, "\n"), "\n"))
	if n := p.metrics()[`scanhound_alerter_output_sent_total{output="rsyslog"}`]; n != 6 {
		r.t.Errorf("%v were sent", n)
	}
}

func TestRsyslogReceivesOverTLSFromWhomItKnows(t *testing.T) {
	program := debian(t, "rsyslogd", "rsyslog, rsyslog-openssl", "rsyslog/lmnsd_ossl.so")
	w := newWorld(t)
	w.hostile()
	r := newTaker(t)
	r.overTLS(w, "rsyslog-tls.conf", []string{"/var/spool/rsyslog", r.dir, "/etc/rsyslog.d/", ""}, func(conf string) {
		r.runs(nil, program, "-n", "-f", conf, "-i", filepath.Join(r.dir, "pid"))
	})
}

func TestSyslogNGReceivesOverTLSFromWhomItKnows(t *testing.T) {
	root := syslogNG(t)
	w := newWorld(t)
	w.hostile()
	r := newTaker(t)
	r.overTLS(w, "syslog-ng.conf", []string{"/etc/syslog-ng/", ""}, func(conf string) {
		lib := filepath.Join(root, "usr/lib")
		found, err := filepath.Glob(filepath.Join(lib, "syslog-ng/3.*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("modules %v, %v", found, err)
		}
		at := func(name string) string { return filepath.Join(r.dir, name) }
		libs := []string{filepath.Join(lib, "syslog-ng")}
		for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} { // whatever the processor
			more, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				t.Fatal(err)
			}
			libs = append(libs, more...)
		}
		r.runs([]string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":")},
			filepath.Join(root, "usr/sbin/syslog-ng"), "--foreground", "--no-caps", "--stderr", "--module-path="+found[0], "--cfgfile="+conf,
			"--persist-file="+at("persist"), "--pidfile="+at("pid"), "--control="+at("control"))
	})
}

// syslogNG is the root of Debian's syslog-ng, unpacked: it cannot be installed beside rsyslog.
func syslogNG(t *testing.T) string {
	t.Helper()
	dir := cached(t, "syslog-ng")
	if _, err := os.Stat(filepath.Join(dir, "usr/sbin/syslog-ng")); err == nil {
		return dir
	}
	for _, name := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(name); err != nil {
			lacks(t, "no syslog-ng, which is taken from Debian: "+err.Error())
		}
	}
	packages := t.TempDir()
	const download = "apt-get download -q libivykis0 libnet1 libwrap0 syslog-ng-core"
	fetched(t, packages, nil, "sh", "-c", download+" || { apt-get update -q && "+download+"; }") // where the lists are missing or old
	all, err := filepath.Glob(filepath.Join(packages, "*.deb"))
	if err != nil || len(all) != 4 {
		t.Fatalf("packages %v, %v", all, err)
	}
	for _, file := range all { // its own comes last: then all is there
		runs(t, "dpkg-deb", "-x", file, dir)
	}
	return dir
}

// telegraf builds it, with the few of its plugins that are used: a tenth of the whole.
func telegraf(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds Telegraf")
	}
	const version = "v1.37.2"
	dir := cached(t, "telegraf-"+version+"-nats-http")
	program := filepath.Join(dir, "telegraf")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module scanhound.test/telegraf\n\ngo 1.26.0\n\nrequire github.com/influxdata/telegraf "+version+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fetched(t, dir, []string{"GOFLAGS=-mod=mod", "CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w",
		"-tags=custom,inputs.nats_consumer,inputs.http_listener_v2,outputs.file,parsers.value,serializers.template", "-o", program, "github.com/influxdata/telegraf/cmd/telegraf")
	return program
}

func (r *taker) telegraf(program, conf, url string) {
	r.t.Helper()
	path := r.configured(conf, "nats://nats.example.org:4222", url, "/var/log/scanhound/alerts.json", r.to)
	r.runs([]string{"LIVE_PASSWORD=live-pw", "TELEGRAF_PASSWORD=telegraf-pw"}, program, "--config", path)
}

func (w *world) alerterOfShippedNATS() *process {
	w.t.Helper()
	password := filepath.Join(w.t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("alerter-pw\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	p := w.launch("alerter", "--nats-url="+w.nats, "--nats-user=alerter", "--nats-password-file="+password)
	p.becomesReady()
	return p
}

// endsWell: all has been published, and the alerter ends in good order, before NATS does.
func (w *world) endsWell(alerter *process) {
	w.t.Helper()
	w.waits(schema.AlerterGroup, schema.AlertsTopic)
	if code := alerter.terminate(); code != 0 {
		w.t.Errorf("the alerter ended with %d", code)
	}
}

func TestTelegrafHearsWhatIsPublished(t *testing.T) {
	program := telegraf(t)
	w := newWorld(t)
	s := shippedServer(t, "")
	w.nats = s.ClientURL()
	r := newTaker(t)
	r.telegraf(program, "telegraf-live.conf", w.nats)
	eventually(t, "it listens", func() bool {
		all, err := s.Connz(&server.ConnzOptions{Subscriptions: true, User: "live", Username: true})
		return err == nil && len(all.Conns) == 1 && slices.Contains(all.Conns[0].Subs, "alerts.scan.>")
	})
	sent := w.hostile()
	alerter := w.alerterOfShippedNATS()
	r.has(sent)
	w.endsWell(alerter)
}

// What was published before it came is there too, and is acknowledged when it is in the file.
func TestTelegrafTakesEveryAlertFromJetStream(t *testing.T) {
	program := telegraf(t)
	w := newWorld(t)
	w.nats = shippedServer(t, "../deploy/siem/telegraf-user.conf").ClientURL()
	sent := w.hostile()
	alerter := w.alerterOfShippedNATS()
	admin := natsLogin(t, w.nats, "admin")
	c, err := admin.js.CreatePushConsumer(t.Context(), schema.AlertStream, jetstream.ConsumerConfig{
		Durable: "telegraf", DeliverSubject: "deliver.telegraf", DeliverGroup: "telegraf", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: schema.AlertSubjects,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := newTaker(t)
	r.telegraf(program, "telegraf-jetstream.conf", w.nats)
	r.has(sent)
	eventually(t, "all is acknowledged", func() bool {
		info, err := c.Info(t.Context())
		return err == nil && info.NumAckPending == 0 && info.AckFloor.Consumer == uint64(len(sent))
	})
	w.endsWell(alerter)
}

// A webhook's requests have several alerts each: all of them arrive. What has no taker waits.
func TestTelegrafTakesAWebhook(t *testing.T) {
	program := telegraf(t)
	w := newWorld(t)
	sent := w.hostile()
	r := newTaker(t)
	address := unused(t, "tcp")
	path := r.configured("telegraf-webhook.conf", ":8443", address, "/var/log/scanhound/alerts.json", r.to)
	r.runs(nil, program, "--config", path)
	list := filepath.Join(r.dir, "list.yaml")
	text := fmt.Sprintf("- {name: web, to: \"http://%s/scanhound\", format: native}\n- {name: lost, to: \"http://%s/elsewhere\"}\n", address, address)
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := w.launch("alerter", "--outputs="+list)
	r.has(sent)
	eventually(t, "what is not found is tried again", func() bool {
		return p.metrics()[`scanhound_alerter_output_retries_total{output="lost"}`] > 0
	})
	if n := p.metrics()[`scanhound_alerter_output_sent_total{output="lost"}`]; n != 0 {
		t.Errorf("%v were sent to where nobody takes them", n)
	}
}
