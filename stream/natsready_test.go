package stream_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

const someSubject = "alerts.scan.vertical.low.lab"

// as is a connection of a user who may publish and subscribe to these.
func as(t *testing.T, opts server.Options, publish, subscribe []string) *stream.NATS {
	t.Helper()
	p := &server.Permissions{Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe}}
	opts.StoreDir = t.TempDir()
	opts.Users = []*server.User{{Username: "alerter", Password: "x", Permissions: p}, {Username: "admin", Password: "x"}}
	s := guarded(t, opts)
	dial := func(user string) *stream.NATS {
		cfg := defaults.Of[stream.NATSConfig]()
		cfg.URL, cfg.User, cfg.Password = []string{s.ClientURL()}, user, "x"
		n, err := stream.DialNATS(cfg, quiet())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		connects(t, n)
		return n
	}
	if err := dial("admin").EnsureStream(soon(t)); err != nil {
		t.Fatal(err)
	}
	return dial("alerter")
}

func TestANATSThatTakesNoAlertsIsNotReadyThoughItIsConnected(t *testing.T) {
	inbox := []string{"_INBOX.>"}
	for name, c := range map[string]struct {
		publish, subscribe []string
		says               string
	}{
		"may not publish":     {[]string{"$JS.API.>"}, inbox, "Permissions Violation for Publish to"},
		"may not be answered": {[]string{">"}, []string{"other"}, "Permissions Violation for Subscription to"},
		"may":                 {[]string{"alerts.scan.>"}, inbox, ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := as(t, server.Options{}, c.publish, c.subscribe)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			if c.says == "" {
				ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
			}
			defer cancel()
			err := n.Takes(ctx, someSubject)
			if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "allow this user")) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

func TestAskingStoresNothingAndSeesThatTheStreamIsGone(t *testing.T) {
	n := as(t, server.Options{}, []string{">"}, []string{">"})
	if err := n.Takes(soon(t), someSubject); err != nil {
		t.Fatal(err)
	}
	s, err := n.JetStream().Stream(soon(t), "SCAN_ALERTS")
	if err != nil {
		t.Fatal(err)
	}
	if m := s.CachedInfo().State.Msgs; m != 0 {
		t.Errorf("%d messages are stored", m)
	}
	if err := n.JetStream().DeleteStream(soon(t), "SCAN_ALERTS"); err != nil {
		t.Fatal(err)
	}
	if err := n.Takes(soon(t), someSubject); err == nil || !strings.Contains(err.Error(), "JetStream is off in this server or for this account, or the stream has no leader, or was deleted") {
		t.Errorf("it says %v", err)
	}
}

func TestWhatListensToCriticalAlertsIsNotWokenByQuestions(t *testing.T) {
	n := as(t, server.Options{}, []string{">"}, []string{">"})
	heard := make(chan string, 10)
	for _, subject := range schema.SevereSubjects {
		if _, err := n.Conn().Subscribe(subject, func(m *nats.Msg) { heard <- m.Subject }); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Takes(soon(t), someSubject); err != nil {
		t.Fatal(err)
	}
	if err := n.JetStream().DeleteStream(soon(t), schema.SevereStream(schema.AlertStream)); err != nil {
		t.Fatal(err)
	}
	if err := n.Takes(soon(t), someSubject); err == nil || !strings.Contains(err.Error(), "copies of severe alerts are not stored") {
		t.Errorf("without their stream it says %v", err)
	}
	if err := n.Conn().FlushWithContext(soon(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case subject := <-heard:
		t.Errorf("a question was asked on %s", subject)
	default:
	}
}

func TestAUserWhoMayOnlyPublishUsesTheStreamAsItIs(t *testing.T) {
	n := as(t, server.Options{}, []string{"alerts.scan.>", "alerts.high.>", "alerts.critical.>"}, []string{"_INBOX.>"})
	if err := n.EnsureStream(soon(t)); err != nil {
		t.Error(err)
	}
}
