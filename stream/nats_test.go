package stream_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func natsServer(t *testing.T, cfg embedded.NATSConfig) *embedded.NATSServer {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := embedded.NATS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dialNATS(t *testing.T, url string) *stream.NATS {
	t.Helper()
	cfg := defaults.Of[stream.NATSConfig]()
	cfg.URL = []string{url}
	n, err := stream.DialNATS(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func withStream(t *testing.T, url string) *stream.NATS {
	t.Helper()
	n := dialNATS(t, url)
	if err := n.EnsureStream(soon(t)); err != nil {
		t.Fatal(err)
	}
	return n
}

// raw is an alert as it comes from Kafka.
func raw(t *testing.T, a schema.Alert) stream.RawAlert {
	t.Helper()
	data, err := schema.AppendAlert(nil, &a)
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.ReadAlert(data)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func alerts(t *testing.T, from, to, rev int) []stream.RawAlert {
	t.Helper()
	var list []stream.RawAlert
	for n := from; n < to; n++ {
		list = append(list, raw(t, alert(n, rev)))
	}
	return list
}

func stored(t *testing.T, n *stream.NATS) jetstream.StreamState {
	t.Helper()
	s, err := n.JetStream().Stream(soon(t), schema.AlertStream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State
}

func TestAnAlertPublishedTwiceIsStoredOnce(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	p := n.Publisher("lab")
	for range 2 {
		if err := p.Publish(soon(t), alerts(t, 0, 600, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Publish(soon(t), alerts(t, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Published != 1201 || s.Duplicates != 600 || s.Refused != 0 || s.Retries != 0 {
		t.Errorf("stats %+v", s)
	}
	if s := stored(t, n); s.Msgs != 601 {
		t.Errorf("%d messages stored, want 601", s.Msgs)
	}
	s, err := n.JetStream().Stream(soon(t), schema.AlertStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(soon(t), 601)
	if err != nil {
		t.Fatal(err)
	}
	a, err := schema.ParseAlert(m.Data)
	if err != nil || m.Subject != "alerts.scan.lab.0.0000000000000000" || m.Header.Get("Nats-Msg-Id") != a.MessageID() || a.Revision != 2 {
		t.Errorf("message %+v, %v", m, err)
	}
}

func TestSevereAlertsStandInAStreamOfTheirOwnToo(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	p := n.Publisher("lab")
	var list []stream.RawAlert
	for i, severity := range []schema.Severity{schema.Low, schema.Medium, schema.High, schema.Critical, schema.Critical} {
		a := alert(7, i+1)
		a.Severity = severity
		list = append(list, raw(t, a))
	}
	for range 2 { // the second time after a crash
		if err := p.Publish(soon(t), list); err != nil {
			t.Fatal(err)
		}
	}
	if s := p.Stats(); s.Published != 10 || s.Duplicates != 5 || s.Copies != 10 {
		t.Errorf("stats %+v", s)
	}
	if s := stored(t, n); s.Msgs != 5 || s.NumSubjects != 1 {
		t.Errorf("%d messages of %d subjects, want 5 of one", s.Msgs, s.NumSubjects)
	}
	s, err := n.JetStream().Stream(soon(t), schema.SevereStream(schema.AlertStream))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range s.CachedInfo().State.Msgs {
		m, err := s.GetMsg(soon(t), i+1)
		if err != nil {
			t.Fatal(err)
		}
		a, err := schema.ParseAlert(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d", strings.TrimSuffix(m.Subject, ".lab.0."+a.ID), a.Revision))
	}
	if want := "alerts.high 3, alerts.high 4, alerts.critical 4, alerts.high 5, alerts.critical 5"; strings.Join(got, ", ") != want {
		t.Errorf("copies %v, want %s", got, want)
	}
}

func TestAnAlertIsPublishedAsItCame(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	text := ` {"severity":"dire" , "from_tomorrow":{"a":[1.50, 2e3]},"kind":"creep","revision":2,"id":"ab","site":"x.y"} ` + "\n"
	a, err := stream.ReadAlert([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Publisher("lab").Publish(soon(t), []stream.RawAlert{a}); err != nil {
		t.Fatal(err)
	}
	s, err := n.JetStream().Stream(soon(t), schema.AlertStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(soon(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != text || m.Subject != "alerts.scan.lab.a.ab" || m.Header.Get("Nats-Msg-Id") != "ab.2" {
		t.Errorf("published %q on %s as %s, want %q", m.Data, m.Subject, m.Header.Get("Nats-Msg-Id"), text)
	}
}

func TestAlertsArePublishedOnceThoughNATSRestartsInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	server := natsServer(t, embedded.NATSConfig{Dir: dir})
	n := withStream(t, server.URL())
	p := n.Publisher("lab")
	if err := p.Publish(soon(t), alerts(t, 0, 100, 1)); err != nil {
		t.Fatal(err)
	}
	u := server.URL()
	server.Close()
	eventually(t, "the loss is noticed", func() bool { return n.Connected() != nil })
	if err := n.Connected(); !strings.Contains(err.Error(), u) {
		t.Errorf("not connected: %v, want the server named", err)
	}
	ended := make(chan error, 1) // 1: the publisher does not wait for the test
	some, ctx := alerts(t, 50, 150, 1), soon(t)
	go func() { ended <- p.Publish(ctx, some) }()
	eventually(t, "the publisher tries again", func() bool { return p.Stats().Retries > 0 })
	natsServer(t, embedded.NATSConfig{Dir: dir, Listen: netip.MustParseAddrPort(strings.TrimPrefix(u, "nats://"))})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Published != 200 || s.Duplicates < 50 || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
	if s := stored(t, n); s.Msgs != 150 {
		t.Errorf("%d messages stored, want 150", s.Msgs)
	}
}

func TestAPublisherStartedBeforeNATSWaitsForIt(t *testing.T) {
	dir := t.TempDir()
	first := natsServer(t, embedded.NATSConfig{Dir: dir}) // chooses a port
	u := first.URL()
	first.Close()
	n := dialNATS(t, u)
	ended := make(chan error, 1) // 1: the publisher does not wait for the test
	some := alerts(t, 0, 10, 1)
	go func() {
		if err := n.EnsureStream(soon(t)); err != nil {
			ended <- err
			return
		}
		ended <- n.Publisher("").Publish(soon(t), some)
	}()
	natsServer(t, embedded.NATSConfig{Dir: dir, Listen: netip.MustParseAddrPort(strings.TrimPrefix(u, "nats://"))})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if s := stored(t, n); s.Msgs != 10 {
		t.Errorf("%d messages stored", s.Msgs)
	}
}

func TestPublishGivesUpWhenItsContextEnds(t *testing.T) {
	server := natsServer(t, embedded.NATSConfig{})
	n := withStream(t, server.URL())
	server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	p := n.Publisher("")
	if err := p.Publish(ctx, alerts(t, 0, 3, 1)); err == nil || !strings.Contains(err.Error(), "publish 3 alerts") {
		t.Errorf("error %v", err)
	}
	if s := p.Stats(); s.Published != 0 || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
	if err := n.EnsureStream(ctx); err == nil || !strings.Contains(err.Error(), "check nats-url") {
		t.Errorf("error %v", err)
	}
}

func TestAnAlertThatNATSWillNeverTakeIsLeftOut(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	p := n.Publisher("")
	large, huge := alert(0, 1), alert(1, 1) // more than the stream takes, more than the server takes
	large.Reason, huge.Reason = strings.Repeat("x", 300<<10), strings.Repeat("x", 2<<20)
	list := append(alerts(t, 2, 5, 1), raw(t, large), raw(t, huge))
	if err := p.Publish(soon(t), list); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Published != 3 || s.Refused != 2 || s.Retries != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestAStreamThatWasDeletedIsMadeAgain(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	if err := n.JetStream().DeleteStream(soon(t), schema.AlertStream); err != nil {
		t.Fatal(err)
	}
	p := n.Publisher("")
	if err := p.Publish(soon(t), alerts(t, 0, 5, 1)); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Published != 5 || s.Refused != 0 || s.Retries != 5 {
		t.Errorf("stats %+v", s)
	}
}

func TestAnAlertForWhichThereIsNoStreamIsLeftOut(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	// Somebody has changed the stream under us.
	if _, err := n.JetStream().UpdateStream(soon(t), jetstream.StreamConfig{Name: schema.AlertStream, Subjects: []string{"other"}, DenyDelete: true}); err != nil {
		t.Fatal(err)
	}
	p := n.Publisher("")
	if err := p.Publish(soon(t), alerts(t, 0, 5, 1)); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Published != 0 || s.Refused != 5 {
		t.Errorf("stats %+v, want all refused", s)
	}
}

func TestAStreamThatExistsIsUsedOrSaidToBeUnfit(t *testing.T) {
	for _, c := range []struct {
		name string
		have jetstream.StreamConfig
		want string // in the error; "" for none
	}{
		{"as it should be", jetstream.StreamConfig{Name: schema.AlertStream, Subjects: []string{schema.AlertSubjects}}, ""},
		{"wider subjects", jetstream.StreamConfig{Name: schema.AlertStream, Subjects: []string{"other", "alerts.>"}}, ""},
		{"other subjects", jetstream.StreamConfig{Name: schema.AlertStream, Subjects: []string{"other"}}, "add alerts.scan.>"},
		{"no acknowledgements", jetstream.StreamConfig{Name: schema.AlertStream, Subjects: []string{schema.AlertSubjects}, NoAck: true}, "no_ack"},
		{"subjects of another stream", jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"alerts.scan.berlin.>"}}, "another stream has subjects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := dialNATS(t, natsServer(t, embedded.NATSConfig{}).URL())
			if _, err := n.JetStream().CreateStream(soon(t), c.have); err != nil {
				t.Fatal(err)
			}
			err := n.EnsureStream(soon(t))
			if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestAStreamThatDiffersFromTheSettingsIsLoggedByItsName(t *testing.T) {
	cfg := defaults.Of[stream.NATSConfig]()
	cfg.URL = []string{natsServer(t, embedded.NATSConfig{}).URL()}
	cfg.Name = "OURS"
	var log logged
	n, err := stream.DialNATS(cfg, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	have := jetstream.StreamConfig{Name: "OURS", Subjects: []string{schema.AlertSubjects}, MaxAge: time.Hour, Duplicates: time.Minute}
	if _, err := n.JetStream().CreateStream(soon(t), have); err != nil {
		t.Fatal(err)
	}
	if err := n.EnsureStream(soon(t)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"stream=OURS what=duplicates has=1m0s settings=2h0m0s\n",
		"stream=OURS what=max-age has=1h0m0s settings=168h0m0s\n",
	} {
		if !log.has(line) {
			t.Errorf("not logged: %s", line)
		}
	}
	if log.has("what=replicas") {
		t.Error("replicas are as the settings say, and are said to differ")
	}
}

func TestTheStreamIsMadeAsTheSettingsSay(t *testing.T) {
	cfg := defaults.Of[stream.NATSConfig]()
	cfg.URL = []string{natsServer(t, embedded.NATSConfig{}).URL()}
	cfg.MaxAge, cfg.Duplicates, cfg.MaxBytes = time.Hour, time.Minute, 1<<20
	ensure := func() (*stream.NATS, error) {
		n, err := stream.DialNATS(cfg, quiet())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		return n, n.EnsureStream(soon(t))
	}
	cfg.Replicas = 3
	if _, err := ensure(); err == nil || !strings.Contains(err.Error(), "set nats-stream-replicas to 1") {
		t.Errorf("three replicas on one server: %v", err)
	}
	cfg.Replicas = 1
	n, err := ensure()
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.JetStream().Stream(soon(t), schema.AlertStream)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().Config; got.MaxAge != time.Hour || got.Duplicates != time.Minute || got.MaxBytes != 1<<20 || got.MaxMsgSize != 256<<10 || !got.DenyDelete {
		t.Errorf("made %+v", got)
	}
	cfg.Replicas = 3
	if _, err := ensure(); err != nil {
		t.Errorf("a stream that differs in replicas only: %v, want it used as it is", err)
	}
}
