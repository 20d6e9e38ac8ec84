package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// calledBack is the two halves of a session that a host opens to port 4444 of
// the scanner, as a router reports them.
func calledBack(at time.Time, host netip.Addr) []byte {
	d := newV5(at)
	there := v5record{src: host, dst: scanner, srcPort: 51000, dstPort: 4444, packets: 40, bytes: 9000,
		flags: schema.SYN | schema.ACK | schema.PSH}
	back := there
	back.src, back.dst, back.srcPort, back.dstPort = there.dst, there.src, there.dstPort, there.srcPort
	d.add(there)
	d.add(back)
	return d.bytes()
}

// probedElsewhere is a target of horizontalScan that lies in another partition than the scanner.
func probedElsewhere(t *testing.T) netip.Addr {
	t.Helper()
	for i := range 30 {
		a := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if schema.Partition(a, demoPartitions) != schema.Partition(scanner, demoPartitions) {
			return a
		}
	}
	t.Fatal("all targets share the scanner's partition")
	return netip.Addr{}
}

func TestATargetThatCallsItsScannerBackFromAnotherPartitionIsACriticalAlertOnNATS(t *testing.T) {
	onEachKafka(t, func(t *testing.T, brokers []string) {
		c := settingsOf(t, brokers)
		r := start(t, c)
		r.send(t, horizontalScan(time.Now().Add(-time.Hour), 30))
		waitFor(t, "ingest knows who scans", func() bool { return r.ingest.Stats().Alerted.Sources == 1 })
		victim, never := probedElsewhere(t), netip.MustParseAddr("203.0.113.200")
		r.send(t, calledBack(time.Now().Add(-50*time.Minute), never), calledBack(time.Now().Add(-49*time.Minute), victim))
		chain := r.idle(t)
		checkConservation(t, &chain)
		// Both halves of both sessions are copied, and the one that is news is told once.
		if in, det := chain.ingest.Copies, chain.detector.Detect; in != 4 || det.Copies != 4 || det.Counted != 30+4 {
			t.Errorf("%d copies made, %d of them asked about, %d flows counted; want 4, 4, 34", in, det.Copies, det.Counted)
		}
		told := r.told()
		if len(told) != 1 {
			t.Fatalf("%d alerts, want one", len(told))
		}
		last := told[0][len(told[0])-1]
		want := schema.Endpoint{Addr: victim, Port: 4444, Proto: "TCP", Back: true}
		if last.Source != scanner || last.Severity != schema.Critical || len(last.Answered) != 1 || last.Answered[0] != want || len(told[0]) != 2 {
			t.Errorf("%d revisions, the last: %s; answered %v", len(told[0]), appendLine(nil, &last), last.Answered)
		}
		for name, want := range map[string]float64{"scanhound_ingest_copies_total": 4, "scanhound_ingest_alerted_sources": 1} {
			if got := metric(t, r, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		// The alert closes, and a session from a target after that goes on with it.
		r.send(t, later(time.Now().Add(time.Minute))...)
		waitFor(t, "the alert has closed", func() bool { return r.told()[0][len(r.told()[0])-1].State == schema.Close })
		other := victim.Next()
		for schema.Partition(other, demoPartitions) == schema.Partition(scanner, demoPartitions) {
			other = other.Next()
		}
		r.send(t, calledBack(time.Now(), other))
		if c := r.idle(t); c.ingest.Copies != 6 || c.detector.Detect.Reopened != 1 {
			t.Errorf("%d copies, %d of them after the close, %d alerts go on", c.ingest.Copies, c.ingest.Copies-4, c.detector.Detect.Reopened)
		}
		told = r.told()
		if again := told[0][len(told[0])-1]; len(told) != 1 || again.State != schema.Update || again.Severity != schema.Critical ||
			len(again.Answered) != 2 || again.Answered[1].Addr != other {
			t.Errorf("%d alerts, the last revision: %s", len(told), appendLine(nil, &again))
		}
	})
}

// metric is the sum of all values of one metric.
func metric(t *testing.T, r *running, name string) (sum float64) {
	t.Helper()
	families, err := r.service.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestIngestGoesOnWithoutTheAlertsTopicAndLearnsFromItOnceItIsThere(t *testing.T) {
	onEachKafka(t, func(t *testing.T, brokers []string) {
		c := settingsOf(t, brokers)
		c.ingest.Alerts.Topic += ".later"
		r := start(t, c)
		r.send(t, horizontalScan(time.Now().Add(-time.Hour), 30), calledBack(time.Now().Add(-50*time.Minute), probedElsewhere(t)))
		chain := r.idle(t)
		checkConservation(t, &chain)
		if s := chain.ingest; s.Alerted.Learned != 0 || s.Copies != 0 || s.Flows.Produced != 32 {
			t.Errorf("%d alerts, %d copies, %d flows", s.Alerted.Learned, s.Copies, s.Flows.Produced)
		}
		makeTopic(t, brokers, c.ingest.Alerts.Topic)
		alert, err := schema.AppendAlert(nil, &schema.Alert{ID: "a", Revision: 1, State: schema.Open, Source: scanner, LastSeen: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		write(t, brokers, c.ingest.Alerts.Topic, []byte("garbage"), nil, alert)
		waitFor(t, "ingest has learned", func() bool { return r.ingest.Stats().Alerted.Sources == 1 })
		if s := r.ingest.Stats().Alerted; s.Learned != 1 || s.Bad != 2 || metric(t, r, "scanhound_ingest_alerts_read_total") != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWithoutAnAlertsTopicIngestMakesNoCopies(t *testing.T) {
	c := settingsOf(t, fakeKafka(t))
	c.ingest.Alerts.Topic = ""
	r := start(t, c)
	r.send(t, horizontalScan(time.Now().Add(-time.Hour), 30))
	r.idle(t)
	r.send(t, calledBack(time.Now().Add(-50*time.Minute), probedElsewhere(t)))
	chain := r.idle(t)
	checkConservation(t, &chain)
	if s := chain.ingest; s.Copies != 0 || s.Alerted.Learned != 0 {
		t.Errorf("%d copies, %d alerts read", s.Copies, s.Alerted.Learned)
	}
}

func makeTopic(t *testing.T, brokers []string, name string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	// A real broker says that it has made a topic before it answers for it.
	waitFor(t, "the topic is there", func() bool {
		topics, err := admin.ListTopics(t.Context(), name)
		return err == nil && topics.Error() == nil && len(topics[name].Partitions) == 1 && topics[name].Partitions[0].Leader >= 0
	})
}
