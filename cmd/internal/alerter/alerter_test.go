package alerter_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// running is an alerter under way between a Kafka and a NATS of its own.
type running struct {
	*alerter.Alerter
	cfg  alerter.Config
	log  *slog.Logger
	nats *stream.NATS

	server *embedded.NATSServer
}

func start(t *testing.T, change ...func(*alerter.Config)) *running {
	t.Helper()
	r := prepare(t, change...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // 1: it may end before the test asks
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the alerter ended with: %v", err)
		}
	})
	return r
}

// prepare makes an alerter that does not run yet.
func prepare(t *testing.T, change ...func(*alerter.Config)) *running {
	t.Helper()
	r := &running{cfg: defaults.Of[alerter.Config](), log: slog.New(slog.DiscardHandler)}
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, r.log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	server, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	r.server = server
	r.cfg.Kafka.Brokers, r.cfg.NATS.URL, r.cfg.Site = kafka.Brokers(), []string{server.URL()}, "lab"
	if r.nats, err = stream.DialNATS(r.cfg.NATS, r.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.nats.Close)
	r.prepareTopic(t)
	for _, c := range change {
		c(&r.cfg)
	}
	if r.Alerter, err = alerter.New(r.cfg, service.New("alerter", r.log)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) prepareTopic(t *testing.T) {
	t.Helper()
	cl, err := r.cfg.Kafka.Dial(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := stream.EnsureTopic(soon(t), cl, r.cfg.AlertsTopic, 1, 1, nil); err != nil {
		t.Fatal(err)
	}
}

// write writes records to the alerts topic, whatever they are.
func (r *running) write(t *testing.T, values ...string) {
	t.Helper()
	cl, err := r.cfg.Kafka.Dial(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range values {
		if err := cl.ProduceSync(soon(t), &kgo.Record{Topic: r.cfg.AlertsTopic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// wait waits until the alerter has read n records and knows what became of each.
func (r *running) wait(t *testing.T, n uint64) alerter.Stats {
	t.Helper()
	ctx := soon(t)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if s := r.Stats(); s.Records == n && s.Bad+s.Skipped+s.Published+s.Refused == n {
			return s
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not all is read and published: %+v", r.Stats())
		}
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestWhatANewerDetectorWroteComesToNATSByteForByte(t *testing.T) {
	r := start(t)
	sent := []string{
		// A field of tomorrow, in every place; a kind, a severity and a state that nobody knows yet.
		`{"id":"aa","revision":1,"state":"paused","kind":"slow-loris","severity":"dire","first_seen":1789000000,"hosts":{"count":5,"ranks":[1,2]},"actor":{"name":"Zoë","score":1.50}}`,
		// Other spaces, another order, numbers and letters in another form than ours.
		"\n{ \"from_tomorrow\" : [ { } , null , 2e3 ],\t\"severity\":\"low\",\"kind\":\"sw\\u0065ep\",\"site\":\"berlin\",\"revision\":2,\"id\":\"aa\" }\r\n",
	}
	r.write(t, sent...)
	if s := r.wait(t, 2); s.Published != 2 || s.Bad != 0 || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
	st, err := r.nats.JetStream().Stream(soon(t), schema.AlertStream)
	if err != nil {
		t.Fatal(err)
	}
	for i, subject := range []string{"alerts.scan.lab.a.aa", "alerts.scan.lab.a.aa"} {
		m, err := st.GetMsg(soon(t), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != sent[i] {
			t.Errorf("written  %q\nreceived %q", sent[i], m.Data)
		}
		if id := m.Header.Get("Nats-Msg-Id"); m.Subject != subject || id != fmt.Sprintf("aa.%d", i+1) {
			t.Errorf("message %d is %s on %s", i+1, id, m.Subject)
		}
	}
}

func TestEveryRecordIsCountedOnceWhateverItIs(t *testing.T) {
	r := start(t, func(c *alerter.Config) { c.Skip = stream.Skip{{Partition: 0, First: 9, Last: 9}} })
	good := `{"id":"aa","revision":1,"kind":"sweep","severity":"low"}`
	r.write(t,
		good,
		"garbage", "", "[]", `{"id":"","revision":1,"kind":"sweep","severity":"low"}`, // no alert
		`{"id":"bb","revision":1,"kind":"","severity":"low"}`, `{"id":"bb","revision":1,"kind":"a.>","severity":"low"}`, // no subject
		`{"id":"cc","revision":1,"kind":"sweep","severity":"low","reason":"`+strings.Repeat("x", 300<<10)+`"}`, // more than the stream takes
		good, // once more
		`{"id":"dd","revision":1,"kind":"sweep","severity":"low"}`, // left out
	)
	s := r.wait(t, 10)
	if s.Published != 2 || s.Duplicates != 1 || s.Bad != 6 || s.Skipped != 1 || s.Refused != 1 || s.Retries != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestAnAlerterEndsWithoutNATSIfItIsToldToAndOnlyThen(t *testing.T) {
	r := prepare(t, func(c *alerter.Config) { c.NATS.GiveUpAfter = time.Second })
	ended := make(chan error)
	go func() { ended <- r.Run(soon(t)) }()
	r.write(t, `{"id":"aa","revision":1,"kind":"sweep","severity":"low"}`)
	r.wait(t, 1)
	select {
	case err := <-ended:
		t.Fatal("ended while NATS was there: ", err)
	case <-time.After(1500 * time.Millisecond):
	}
	r.server.Close()
	err := <-ended
	if service.ExitCode(err) != 4 || !strings.Contains(err.Error(), "nats-give-up-after") {
		t.Errorf("exit code %d: %v", service.ExitCode(err), err)
	}
}
