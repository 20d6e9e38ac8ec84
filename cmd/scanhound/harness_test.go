package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scanhound/scanhound/internal/defaults"

	"go.uber.org/goleak"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEachKafka runs the test against the Kafka in the process and, if
// SCANHOUND_KAFKA names a broker, against Apache Kafka.
func onEachKafka(t *testing.T, test func(t *testing.T, brokers []string)) {
	t.Run("embedded", func(t *testing.T) { test(t, fakeKafka(t)) })
	t.Run("apache", func(t *testing.T) {
		address := os.Getenv("SCANHOUND_KAFKA")
		if address == "" {
			t.Skip("SCANHOUND_KAFKA names no broker")
		}
		test(t, strings.Split(address, ","))
	})
}

func fakeKafka(t testing.TB) []string {
	t.Helper()
	server, err := embedded.Kafka(embedded.KafkaConfig{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server.Brokers()
}

func fakeNATS(t testing.TB) string {
	t.Helper()
	server, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server.URL()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// settingsOf are those of a pipeline that shares nothing with another test's.
func settingsOf(t testing.TB, brokers []string) *configs {
	t.Helper()
	c := demoSettings(brokers, fakeNATS(t), rules.Config{Detect: defaults.Of[detect.Config]()})
	unique := "." + strings.ReplaceAll(filepath.Base(t.Name()), "#", "-") + time.Now().Format("-150405.000000000")
	c.ingest.Flows.Topic += unique
	c.ingest.Templates.Topic += unique
	c.detector.FlowsTopic, c.detector.Group = c.ingest.Flows.Topic, c.detector.Group+unique
	c.detector.Alerts.Topic += unique
	c.ingest.Alerts.Topic = c.detector.Alerts.Topic
	c.alerter.AlertsTopic, c.alerter.Group = c.detector.Alerts.Topic, c.alerter.Group+unique
	return c
}

// running is a pipeline under way, and what its subscriber received.
type running struct {
	*pipeline
	service *service.Service
	played  *player
	stop    func() // returns when everything has ended

	mu      sync.Mutex
	alerts  []schema.Alert
	arrived map[netip.Addr]time.Time // of the first alert of a source
}

// start runs a pipeline until the test ends or stop is called.
func start(t testing.TB, c *configs) *running {
	t.Helper()
	r := &running{service: service.New("test", quiet()), played: new(player), arrived: map[netip.Addr]time.Time{}}
	var err error
	if r.pipeline, err = newPipeline(c, r.service); err != nil {
		t.Fatal(err)
	}
	r.subscriber.take = func(a *schema.Alert) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.alerts = append(r.alerts, *a)
		if _, known := r.arrived[a.Source]; !known {
			r.arrived[a.Source] = time.Now()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.service.Serve(ctx, r.stages()...) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the pipeline ended with: %v", err)
		}
	})
	t.Cleanup(r.stop)
	r.played.to = r.ingest.Addrs()[0]
	return r
}

// play sends a recording, shifted so that it ends an hour ago.
func (r *running) play(t testing.TB, rec *recording) {
	t.Helper()
	r.played.recording, r.played.end = rec, time.Now().Add(-time.Hour)
	if err := r.played.play(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// exporterSocket is where send sends from: an exporter has one port, whichever ingest it reaches.
var exporterSocket = sync.OnceValues(func() (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
})

// send sends datagrams from one exporter.
func (r *running) send(t testing.TB, datagrams ...[]byte) {
	t.Helper()
	conn, err := exporterSocket()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range datagrams {
		if _, err := conn.WriteToUDPAddrPort(d, r.played.to); err != nil {
			t.Fatal(err)
		}
		r.played.sent.Add(1)
	}
}

// idle waits until everything has come through.
func (r *running) idle(t testing.TB) chain {
	t.Helper()
	if err := r.waitUntilIdle(t.Context(), r.played); err != nil {
		var text strings.Builder
		r.report(r.played, &text)
		t.Fatalf("%v\n%s", err, text.String())
	}
	return r.chain(r.played)
}

// told returns the revisions of each alert, in the order of the first.
func (r *running) told() (byID [][]schema.Alert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := map[string]int{}
	for _, a := range r.alerts {
		i, known := at[a.ID]
		if !known {
			i = len(byID)
			at[a.ID] = i
			byID = append(byID, nil)
		}
		byID[i] = append(byID[i], a)
	}
	return byID
}

// later is ordinary flows of many sources, an hour after all that was played:
// they move event time in every partition, so that totals are told.
func later(at time.Time) (datagrams [][]byte) {
	for i := range 8 {
		b := newV5(at)
		for j := range 30 {
			b.add(v5record{
				src: netip.AddrFrom4([4]byte{192, 168, byte(i), byte(j)}), dst: netip.MustParseAddr("192.0.2.80"),
				srcPort: 50000, dstPort: 443, packets: 20, bytes: 9000, flags: schema.SYN | schema.ACK | schema.PSH | schema.FIN,
			})
		}
		datagrams = append(datagrams, b.bytes())
	}
	return datagrams
}
