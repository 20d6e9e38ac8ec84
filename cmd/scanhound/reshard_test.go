package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// moveTrial is detectors of two numbers of partitions, one after the other.
type moveTrial struct {
	from, to detector.Config
}

func newMoveTrial(t *testing.T, brokers []string, from, to int32) *moveTrial {
	t.Helper()
	cfg := defaults.Of[detector.Config]()
	unique := fmt.Sprintf(".reshard-%d-%d-%d", from, to, time.Now().UnixNano())
	cfg.Kafka.Brokers, cfg.Checkpoint, cfg.Topics.Partitions = brokers, time.Second, from
	cfg.FlowsTopic, cfg.StateTopic, cfg.Group, cfg.Alerts.Topic = cfg.FlowsTopic+unique, cfg.StateTopic+unique, cfg.Group+unique, cfg.Alerts.Topic+unique
	m := &moveTrial{from: cfg, to: cfg}
	m.to.FlowsTopic, m.to.StateTopic, m.to.Topics.Partitions = fmt.Sprintf("%s.p%d", cfg.FlowsTopic, to), fmt.Sprintf("%s.p%d", cfg.StateTopic, to), to
	made := cfg.Topics
	made.Retention = 52 * time.Hour
	if err := stream.PrepareTopic(t.Context(), cfg.Kafka, cfg.FlowsTopic, made, quiet()); err != nil {
		t.Fatal(err)
	}
	return m
}

// ingest writes flows as ingest does, one a record.
func (m *moveTrial) ingest(t *testing.T, c *detector.Config, flows []schema.Flow) {
	t.Helper()
	writer, err := kgo.NewClient(kgo.SeedBrokers(c.Kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	var records []*kgo.Record
	for i := range flows {
		records = append(records, &kgo.Record{
			Topic: c.FlowsTopic, Partition: int32(schema.Partition(flows[i].Src.Addr, int(c.Topics.Partitions))),
			Value: schema.AppendFlow(nil, &flows[i]),
		})
	}
	if err := writer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// detect runs a detector until it has counted so many flows, and then until stop.
func (m *moveTrial) detect(t *testing.T, c detector.Config, flows int) (stop func()) {
	t.Helper()
	d, err := detector.New(c, service.New("detector", quiet()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the detector ended with: %v", err)
		}
	}
	until(t, "all flows are counted, and their alerts said", func() bool {
		s := d.Stats()
		return s.Detect.Consumed >= uint64(flows) && s.Alerts.Produced == s.Detect.Revisions-s.Silent
	})
	return stop
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for begin := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// alerts are all revisions in the Kafka of a detector.
func (m *moveTrial) alerts(t *testing.T, c *detector.Config) (all []schema.Alert) {
	t.Helper()
	ends, err := stream.LookAtEnds(t.Context(), c.Kafka, c.Alerts.Topic, quiet())
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	for _, n := range ends.Next {
		left += n
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Kafka.Brokers...), kgo.ConsumeTopics(c.Alerts.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for left > 0 && t.Context().Err() == nil {
		for _, r := range cl.PollFetches(t.Context()).Records() {
			left--
			a, err := schema.ParseAlert(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, *a)
		}
	}
	return all
}

// lastOf is what each alert came to. None may lack a revision, or have one twice.
func lastOf(t *testing.T, alerts []schema.Alert) map[string]string {
	t.Helper()
	last, count := map[string]schema.Alert{}, map[string]uint32{}
	for _, a := range alerts {
		if count[a.ID]++; a.Revision > last[a.ID].Revision {
			last[a.ID] = a
		}
	}
	text := map[string]string{}
	for id, a := range last {
		if a.Revision != count[id] {
			t.Errorf("%s: %d revisions, the last is %d", id, count[id], a.Revision)
		}
		text[id] = fmt.Sprintf("%s %s of %s/%d: %d hosts, %d ports, %d pairs, %d flows", a.State, a.Kind, a.Source, a.Prefix, a.Hosts.Count, a.Ports.Count, a.Pairs.Count, a.Flows)
	}
	return text
}

// moveFlows are scans of two hours, by IPv4 and IPv6 sources and whole /64s, and a day later
// a session in each partition, which closes them.
func moveFlows(partitions int) (first, second []schema.Flow) {
	began := schema.TimeOf(time.Now().Add(-40 * time.Hour).Truncate(time.Second))
	v6 := func(net, host byte) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: net, 15: host})
	}
	v4 := func(a, b, c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{a, b, c, d}) }
	flow := func(from, to netip.Addr, at schema.Time) schema.Flow {
		return schema.Flow{
			Received: at, Start: at, End: at, Proto: schema.TCP,
			Src: schema.Side{Addr: from, Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN},
			Dst: schema.Side{Addr: to, Port: 22},
		}
	}
	for i := range byte(120) {
		at := began.Add(time.Duration(i) * time.Minute)
		for n := range byte(10) {
			first = append(first, flow(v4(198, 51, 100, n), v4(10, n, 0, i), at), flow(v6(n, 1), v4(10, 20+n, 0, i), at), flow(v6(100+n, 1+i%40), v4(10, 40+n, 0, i), at))
		}
	}
	half := len(first) / 2
	first, second = first[:half:half], first[half:]
	missing := partitions
	has := make([]bool, partitions)
	for i := byte(1); missing > 0; i++ {
		last := flow(v4(10, 99, 0, i), v4(192, 0, 2, 1), began.Add(30*time.Hour))
		if p := schema.Partition(last.Src.Addr, partitions); !has[p] {
			has[p], missing = true, missing-1
			second = append(second, last)
		}
	}
	return first, second
}

func TestAStateMovesToAnotherNumberOfPartitionsAndEveryAlertGoesOn(t *testing.T) {
	onEachKafka(t, func(t *testing.T, brokers []string) {
		for _, n := range [][2]int32{{3, 5}, {4, 2}} {
			t.Run(fmt.Sprintf("%d to %d", n[0], n[1]), func(t *testing.T) {
				m := newMoveTrial(t, brokers, n[0], n[1])
				m.move(t)
				if again := run(t, nil, m.command()...); again.code != 1 || !strings.Contains(again.stderr, "a detector has written there already") {
					t.Errorf("once more: code %d, %s", again.code, again.stderr)
				}
			})
		}
	})
}

func TestAStateMovesToAnotherKafkaAndEveryAlertGoesOn(t *testing.T) {
	m := newMoveTrial(t, fakeKafka(t), 2, 2)
	m.to.Kafka.Brokers, m.to.FlowsTopic, m.to.StateTopic = fakeKafka(t), m.from.FlowsTopic, m.from.StateTopic
	m.move(t, "--to-kafka-brokers="+strings.Join(m.to.Kafka.Brokers, ","), "--to-flows-topic="+m.to.FlowsTopic, "--to-state-topic="+m.to.StateTopic)
}

func (m *moveTrial) command(args ...string) []string {
	return append([]string{
		"reshard", "--kafka-brokers=" + strings.Join(m.from.Kafka.Brokers, ","), "--quiet=1s", fmt.Sprint("--to=", m.to.Topics.Partitions),
		"--flows-topic=" + m.from.FlowsTopic, "--state-topic=" + m.from.StateTopic, "--detector-group=" + m.from.Group, "--alerts-topic=" + m.from.Alerts.Topic,
	}, args...)
}

// move moves the state in the middle of all flows, and compares what is said with what one
// process says that reads them all.
func (m *moveTrial) move(t *testing.T, args ...string) {
	t.Helper()
	first, second := moveFlows(int(m.to.Topics.Partitions))
	one, err := detect.New(m.from.Detect)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append([]schema.Alert(nil), one.Observe(first, 0)...), one.Observe(second, 1)...)
	if n := len(lastOf(t, want)); n < 25 {
		t.Fatalf("%d alerts", n)
	}

	m.ingest(t, &m.from, first)
	stopOld := m.detect(t, m.from, len(first))
	if opened := m.alerts(t, &m.from); len(opened) == 0 {
		t.Fatal("no alert is open while the state moves")
	}
	var stdout, stderr screen
	code := make(chan int, 1)
	go func() {
		code <- runWith(t.Context(), nil, &stdout, &stderr, m.command(args...)...)
	}()
	until(t, "the topics are made", func() bool { return strings.Contains(stdout.text(), "Restart every ingest") || len(code) > 0 })
	m.ingest(t, &m.to, second) // while the old detectors still serve
	if c := <-code; c != 0 || !strings.Contains(stdout.text(), "2. Restart every detector with --flows-topic="+m.to.FlowsTopic) {
		t.Fatalf("code %d: %s%s", c, stdout.text(), stderr.text())
	}
	stopOld()
	stopNew := m.detect(t, m.to, len(second))
	stopNew()
	got := m.alerts(t, &m.from)
	if len(args) > 0 {
		got = append(got, m.alerts(t, &m.to)...)
	}
	if d := gocmp.Diff(lastOf(t, want), lastOf(t, got)); d != "" {
		t.Errorf("(-one process +moved)\n%.4000s", d)
	}
}
