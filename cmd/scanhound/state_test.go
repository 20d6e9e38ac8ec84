package main

import (
	"io"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func TestTheStateInKafkaIsListed(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := embedded.Kafka(embedded.KafkaConfig{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	kafka := defaults.Of[stream.KafkaConfig]()
	kafka.Brokers = server.Brokers()
	brokers := "--kafka-brokers=" + strings.Join(server.Brokers(), ",")
	if r := run(t, nil, "state", brokers); r.code != 1 || !strings.Contains(r.stderr, "look up topic scanhound.state.v1") {
		t.Errorf("without the topic: code %d, %s", r.code, r.stderr)
	}
	if err := stream.PrepareState(t.Context(), kafka, schema.StateTopic, schema.FlowsTopic, stream.TopicConfig{Partitions: 2, Replicas: 1}, log); err != nil {
		t.Fatal(err)
	}
	store, err := stream.OpenStateStore(kafka, schema.StateTopic, schema.DetectorGroup, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	state, err := detect.New(defaults.Of[detect.Config]())
	if err != nil {
		t.Fatal(err)
	}
	at := schema.Time(1_800_000_000e9)
	state.Observe([]schema.Flow{{Received: at, Start: at, End: at, Proto: schema.TCP, Src: schema.Side{Addr: netip.MustParseAddr("192.0.2.1")}, Dst: schema.Side{Addr: netip.MustParseAddr("192.0.2.2")}}}, 0)
	for part, covered := range map[int]int64{0: 4000, 7: 4500, 8: 4500, 256: 4200} {
		sl := &stream.Slice{Part: part, Covered: covered, Alerts: 11, Written: time.Now().Add(-time.Duration(part) * time.Second), Settings: uint64(part)}
		if sl.Pack(state.AppendSlice(nil, part)); part == 8 {
			sl.Pack([]byte{1, 2, 3, 4, 5, 6, 7}) // whole, and no state
		}
		done := make(chan error)
		store.Write(t.Context(), 1, sl, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(server.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r := &kgo.Record{Topic: schema.StateTopic, Partition: 1, Key: []byte(schema.DetectorGroup + "/9"), Value: []byte{99}}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := run(t, nil, "state", brokers, "--parts")
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("code %d: %s", got.code, got.stderr)
	}
	for _, want := range []string{
		`\n +0 +0 +257 +0 +0 +0 +0 +0 *\n`,
		`\n +1 +3 +254 +2 +4m1[6-9]s +[0-3]s +4000 +4500 +\d+ +\d+ +differ +48h +\d +0 *\n`,
		`partition 1, part 9 is refused: a newer program wrote it: version 99`,
		`partition 1, part 8 is refused: its checksum is wrong; a detector builds it from the flows`,
		`\n +1 +7 +(7|8|9|10)s +4500 +11 +\d+ +\d+ +0000000000000007 +4 +48h +2027-01-15T08:00:00Z +\d +0 *\n`,
	} {
		if !regexp.MustCompile(want).MatchString(got.stdout) {
			t.Errorf("no %s in\n%s", want, got.stdout)
		}
	}
}
