package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// shippedNATS runs a server as deploy/nats has it, on a port of its own.
func shippedNATS(t *testing.T) string {
	t.Helper()
	return shippedServer(t, "").ClientURL()
}

// shippedServer has the user of a file too, unless its name is empty.
func shippedServer(t *testing.T, further string) *server.Server {
	t.Helper()
	for name, value := range map[string]string{
		"NATS_STORE": t.TempDir(), "ADMIN_PASSWORD": "admin-pw", "ALERTER_PASSWORD": "alerter-pw", "SIEM_PASSWORD": "siem-pw", "LIVE_PASSWORD": "live-pw",
		"TELEGRAF_PASSWORD": "telegraf-pw",
	} {
		t.Setenv(name, value)
	}
	path := "../deploy/nats/nats-server.conf"
	if further != "" {
		path = withUser(t, path, further)
	}
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o.Host, o.Port, o.HTTPHost, o.HTTPPort, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, "", 0, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server is not ready")
	}
	return s
}

// withUser is the configuration with one user more, in front of the others of the first account.
func withUser(t *testing.T, config, user string) string {
	t.Helper()
	text, err := os.ReadFile(config)
	more, err2 := os.ReadFile(user)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	head, tail, ok := strings.Cut(string(text), "users: [\n")
	if !ok {
		t.Fatalf("%s has no users", config)
	}
	path := filepath.Join(t.TempDir(), "nats-server.conf")
	if err := os.WriteFile(path, []byte(head+"users: [\n"+string(more)+tail), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// natsUser is a client of the shipped server; what it may not do comes on denied.
type natsUser struct {
	t      *testing.T
	nc     *nats.Conn
	js     jetstream.JetStream
	denied chan error
}

func natsLogin(t *testing.T, url, user string) *natsUser {
	t.Helper()
	u := &natsUser{t: t, denied: make(chan error, 100)}
	var err error
	if u.nc, err = nats.Connect(url, nats.UserInfo(user, user+"-pw"), nats.CustomInboxPrefix("_INBOX_"+user), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		u.denied <- err
	})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.nc.Close)
	if u.js, err = jetstream.New(u.nc); err != nil {
		t.Fatal(err)
	}
	return u
}

// mayNot publishes, and wants to be refused.
func (u *natsUser) mayNot(subject string) {
	u.t.Helper()
	for len(u.denied) > 0 {
		<-u.denied
	}
	if err := errors.Join(u.nc.PublishRequest(subject, "_INBOX_"+"nobody.1", []byte("{}")), u.nc.FlushTimeout(patience)); err != nil {
		u.t.Fatal(err)
	}
	select {
	case err := <-u.denied:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			u.t.Errorf("%s: %v", subject, err)
		}
	case <-time.After(patience):
		u.t.Errorf("may publish to %s", subject)
	}
}

func (u *natsUser) mayNotHear(subject string) {
	u.t.Helper()
	for len(u.denied) > 0 {
		<-u.denied
	}
	_, err := u.nc.SubscribeSync(subject)
	if err == nil {
		err = u.nc.FlushTimeout(patience)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	select {
	case err := <-u.denied:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			u.t.Errorf("%s: %v", subject, err)
		}
	case <-time.After(patience):
		u.t.Errorf("may subscribe to %s", subject)
	}
}

func TestTheShippedNATSLetsEachDoItsWorkAndNoMore(t *testing.T) {
	w := newWorld(t)
	w.nats = shippedNATS(t)
	if _, err := nats.Connect(w.nats); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("who does not log in: %v", err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("alerter-pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	live := natsLogin(t, w.nats, "live")
	heard, err := live.nc.SubscribeSync("alerts.scan.>")
	if err == nil {
		err = live.nc.FlushTimeout(patience)
	}
	if err != nil {
		t.Fatal(err)
	}
	sent := w.writeAlerts(3)
	p := w.launch("alerter", "--nats-url="+w.nats, "--nats-user=alerter", "--nats-password-file="+password, "--site=lab")
	p.becomesReady()

	// A SIEM takes what was published, byte for byte, from a consumer that the admin has made.
	admin, siem := natsLogin(t, w.nats, "admin"), natsLogin(t, w.nats, "siem")
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if _, err := admin.js.CreateConsumer(ctx, schema.AlertStream, jetstream.ConsumerConfig{Durable: "siem", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	siem.takes(ctx, sent)
	for _, want := range sent {
		m, err := heard.NextMsg(patience)
		for err == nil && len(m.Data) == 0 { // the alerter's question whether alerts would be stored
			m, err = heard.NextMsg(patience)
		}
		if err != nil || string(m.Data) != want {
			t.Errorf("live heard %v, %v", m, err)
		}
	}
	if m, err := admin.nc.RequestWithContext(ctx, "scanhound.v1.scanner.stats", nil); err != nil || !strings.Contains(string(m.Data), `"scanners":3`) {
		t.Errorf("the service says %v, %v", m, err)
	}
	if n := p.metrics()["scanhound_alerter_scanners_failed_total"]; n != 0 {
		t.Errorf("%v scanners could not be written", n)
	}

	for _, subject := range []string{
		"alerts.scan.lab.a.aa", "alerts.critical.lab.a.aa", "$KV.active_scanners.192.0.2.1", "$JS.API.STREAM.DELETE.SCAN_ALERTS", "$JS.API.STREAM.PURGE.SCAN_ALERTS",
		"$JS.API.STREAM.UPDATE.SCAN_ALERTS", "$JS.API.STREAM.MSG.DELETE.SCAN_ALERTS", "$JS.API.CONSUMER.CREATE.SCAN_ALERTS.siem", "$JS.API.CONSUMER.CREATE.SCAN_ALERTS",
		"$JS.API.CONSUMER.DURABLE.CREATE.SCAN_ALERTS.other", "$JS.API.CONSUMER.DELETE.SCAN_ALERTS.siem", "$JS.API.CONSUMER.MSG.NEXT.SCAN_ALERTS.other", "$JS.ACK.SCAN_ALERTS.other.1.1.1.1.1",
		"$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.MSG.GET.SCAN_ALERTS", "_INBOX.x", "anything",
	} {
		siem.mayNot(subject)
		live.mayNot(subject)
	}
	for _, subject := range []string{"_INBOX.>", "_INBOX_admin.>", ">", "$JS.ACK.>", "scanhound.v1.scanner.get", "$KV.active_scanners.>"} {
		siem.mayNotHear(subject)
		live.mayNotHear(subject)
	}
	alerter := natsLogin(t, w.nats, "alerter")
	for _, subject := range []string{
		"$JS.API.STREAM.DELETE.SCAN_ALERTS", "$JS.API.STREAM.PURGE.SCAN_ALERTS", "$JS.API.STREAM.UPDATE.SCAN_ALERTS", "$JS.API.STREAM.MSG.DELETE.SCAN_ALERTS", "$JS.API.STREAM.DELETE.KV_active_scanners",
		"$JS.API.CONSUMER.CREATE.SCAN_ALERTS.x", "$JS.API.CONSUMER.DELETE.SCAN_ALERTS.siem", "$JS.API.STREAM.CREATE.MINE", "other",
	} {
		alerter.mayNot(subject)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("the alerter ended with %d", code)
	}
}

// takes gets these bodies from the durable consumer of the SIEM, and acknowledges each.
func (u *natsUser) takes(ctx context.Context, want []string) {
	u.t.Helper()
	c, err := u.js.Consumer(ctx, schema.AlertStream, "siem")
	if err != nil {
		// To look a consumer up is to ask for its INFO, which it may.
		u.t.Fatal(err)
	}
	for i, body := range want {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			u.t.Fatal(err)
		}
		if string(m.Data()) != body {
			u.t.Errorf("message %d is %s, want %s", i, m.Data(), body)
		}
		if err := m.DoubleAck(ctx); err != nil {
			u.t.Errorf("acknowledge: %v", err)
		}
	}
}

// writeAlerts writes n alerts of n sources to Kafka, and returns their bytes.
func (w *world) writeAlerts(n int) (bodies []string) {
	w.t.Helper()
	for i := range n {
		bodies = append(bodies, fmt.Sprintf(`{"id":"%032x","revision":1,"state":"open","kind":"block","severity":"high","source":"198.51.100.%d"}`, i+1, i+1))
	}
	cl := w.client(kgo.UnknownTopicRetries(-1))
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopics(w.t.Context(), 1, 1, nil, schema.AlertsTopic); err != nil {
		w.t.Fatal(err)
	}
	for _, body := range bodies {
		if err := cl.ProduceSync(w.t.Context(), &kgo.Record{Topic: schema.AlertsTopic, Value: []byte(body)}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	return bodies
}
