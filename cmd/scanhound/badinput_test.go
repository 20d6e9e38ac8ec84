package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

var scanner = netip.MustParseAddr("198.51.100.7")

func TestADatagramThatIsWrongIsCountedUnderItsNameAndTheNextOneIsRead(t *testing.T) {
	r := start(t, settingsOf(t, fakeKafka(t)))
	before := decoded(r.idle(t).ingest.Decoded)
	flows := uint64(0)
	for _, c := range wrongDatagrams() {
		flows += c.more["records_flows"]
		r.send(t, c.b)
		now := decoded(r.idle(t).ingest.Decoded)
		c.more["datagrams"], c.more["datagrams_"+c.outcome.String()] = 1, 1
		if diff := cmp.Diff(c.more, difference(now, before)); diff != "" {
			t.Errorf("%s is not counted as that (-want +got):\n%s", c.name, diff)
		}
		before = now
	}
	r.send(t, make([]byte, 9217))
	if c := r.idle(t); c.ingest.UDP.Truncated != 1 {
		t.Errorf("a datagram that is longer than any is counted %d times", c.ingest.UDP.Truncated)
	}
	r.send(t, horizontalScan(time.Now().Add(-time.Hour), 30))
	c := r.idle(t)
	checkConservation(t, &c)
	if got, want := c.detector.Detect.Consumed, flows+30; got != want {
		t.Errorf("%d flows came through, %d were good", got, want)
	}
	r.alerted(t, scanner)
}

// wrong is a datagram, its outcome, and what else is counted of it.
type wrong struct {
	name    string
	b       []byte
	outcome netflow.Outcome
	more    map[string]uint64
}

type counters = map[string]uint64

// wrongDatagrams are those that a collector meets, in this order: the first of
// the templates comes behind its data.
func wrongDatagrams() []wrong {
	random := make([]byte, 300)
	for i, r := 0, rand.New(rand.NewPCG(4, 4)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	two := newV5(time.Now().Add(-time.Hour))
	for range 2 {
		two.add(v5record{src: netip.MustParseAddr("192.0.2.1"), dst: netip.MustParseAddr("192.0.2.2"), dstPort: 80, packets: 9, bytes: 900})
	}
	addresses := words(0, 16, 256, 2, 8, 4, 12, 4) // a v9 set with template 256: source, destination
	return []wrong{
		{"an empty datagram", nil, netflow.Short, counters{}},
		{"one byte", []byte{0}, netflow.Short, counters{}},
		{"random bytes", random, netflow.UnknownVersion, counters{"version_other": 1}},
		{"sFlow of a version before 5", words(0, 4, 0, 1, 49320, 1), netflow.UnknownVersion, counters{"version_sflow": 1}},
		{"sFlow cut in its header", words(0, 5, 0, 1, 49320, 1), netflow.Short, counters{}},
		{"v1 that holds nothing of what it says", append(words(1, 3), make([]byte, 12)...), netflow.Foreign, counters{}},
		{"v7 that holds nothing of what it says", append(words(7, 2), make([]byte, 20)...), netflow.Foreign, counters{}},
		{"NetFlow v8", append(words(8), make([]byte, 66)...), netflow.UnknownVersion, counters{"version_8": 1}},
		{"v5 cut in its header", two.bytes()[:23], netflow.Short, counters{}},
		{"v5 cut in its second record", two.bytes()[:24+48+47], netflow.Truncated,
			counters{"records": 2, "records_flows": 1, "records_overclaimed": 1}},
		{"v9 cut in its header", v9()[:19], netflow.Short, counters{}},
		{"IPFIX cut in its header", ipfix()[:15], netflow.Short, counters{}},
		{"IPFIX cut behind its header", ipfix(words(2, 16, 256, 2, 8, 4, 12, 4))[:20], netflow.Truncated,
			counters{"sets": 1, "sets_template": 1, "sets_truncated": 1}},
		{"data before its template", v9(words(256, 12, 1, 2, 3, 4), addresses), netflow.NoTemplate,
			counters{"sets": 2, "sets_no_template": 1, "sets_no_template_bytes": 8, "sets_template": 1, "templates": 1, "templates_new": 1,
				"records": 1, "records_flows": 1}}, // it has waited
		{"half a record", v9(words(256, 8, 1, 2)), netflow.Truncated,
			counters{"sets": 1, "sets_data": 1, "records": 1, "records_cut": 1}},
		{"the 36 bytes that hang others: a template of no fields, and data of it", v9(words(0, 8, 257, 0), words(257, 8, 1, 2)), netflow.Malformed,
			counters{"sets": 2, "sets_template": 1, "templates": 1, "templates_zero_length": 1, "sets_no_template": 1, "sets_no_template_bytes": 4}},
		{"a template of records without bytes, and data of it", ipfix(words(2, 16, 258, 2, 8, 0, 12, 0), words(258, 8, 1, 2)), netflow.Malformed,
			counters{"sets": 2, "sets_template": 1, "templates": 1, "templates_zero_length": 1, "sets_no_template": 1, "sets_no_template_bytes": 4}},
		{"a set of no length", v9(words(256, 0)), netflow.Malformed, counters{"sets": 1, "sets_malformed": 1}},
	}
}

// words are numbers of 16 bits, as all lengths and ids of v9 and IPFIX are.
func words(of ...uint16) (b []byte) {
	for _, w := range of {
		b = binary.BigEndian.AppendUint16(b, w)
	}
	return b
}

func v9(sets ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(words(9, uint16(len(sets))), uptime)
	b = binary.BigEndian.AppendUint32(b, uint32(time.Now().Unix()))
	return slices.Concat(append(b, make([]byte, 8)...), slices.Concat(sets...))
}

func ipfix(sets ...[]byte) []byte {
	b := slices.Concat(words(10, 0), make([]byte, 12), slices.Concat(sets...))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint32(b[4:], uint32(time.Now().Unix()))
	return b
}

func TestWhatIsNoFlowInTheFlowsTopicIsCountedAndTheRestIsRead(t *testing.T) {
	c := settingsOf(t, fakeKafka(t))
	r := start(t, c)
	r.send(t, later(time.Now().Add(-2*time.Hour))...)
	before := r.idle(t).detector // and the topic is there

	at := schema.TimeOf(time.Now().Add(-2 * time.Hour))
	good := schema.AppendFlow(nil, &schema.Flow{
		Received: at, Start: at, End: at, Proto: schema.TCP,
		Src: schema.Side{Addr: netip.MustParseAddr("192.0.2.1"), Packets: 9, Bytes: 900},
		Dst: schema.Side{Addr: netip.MustParseAddr("192.0.2.2"), Port: 80},
	})
	unreadable := []byte{2, 0x0f, 0} // as long as it says, of a wire type that does not exist
	partitions := write(t, c.ingest.Kafka.Brokers, c.ingest.Flows.Topic,
		[]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffgarbage"),
		slices.Concat(good, []byte{100, 1, 2}),
		slices.Concat(good, unreadable, good),
		nil,
	)
	r.send(t, horizontalScan(time.Now().Add(-time.Hour), 30))
	r.alerted(t, scanner)
	type seen struct{ records, badFlows, badRecords, consumed uint64 }
	want := seen{4 * partitions, 3 * partitions, 2 * partitions, 3*partitions + 30}
	var got seen
	if !soon(func() bool {
		now := r.detector.Stats()
		got = seen{now.Records - before.Records, now.BadFlows, now.BadRecords, now.Detect.Consumed - before.Detect.Consumed}
		got.records-- // that of the scan
		return got == want
	}) {
		t.Errorf("the detector has counted %+v, want %+v", got, want)
	}
}

func TestWhatIsNoAlertInTheAlertsTopicIsCountedAndTheRestIsPublished(t *testing.T) {
	c := settingsOf(t, fakeKafka(t))
	r := start(t, c)
	r.send(t, horizontalScan(time.Now().Add(-3*time.Hour), 30))
	r.idle(t) // and the topic is there
	partitions := write(t, c.ingest.Kafka.Brokers, c.detector.Alerts.Topic,
		[]byte("garbage"), nil, []byte(`{"id":"","revision":1}`), []byte(`{"id":"x","revision":"one"}`), []byte(`[]`))
	// After two hours of quiet another port is another scan: the first is closed, a second opened.
	r.send(t, sweep(time.Now().Add(-time.Hour), 30, 23))
	if !soon(func() bool { return len(r.told()) == 2 }) {
		t.Error("behind the garbage no alert was published")
	}
	var bad uint64
	if !soon(func() bool { bad = r.alerter.Stats().Bad; return bad == 5*partitions }) {
		t.Errorf("%d records are counted as no alert, %d were written", bad, 5*partitions)
	}
	if s := r.alerter.Stats(); s.Records != s.Bad+s.Published+s.Refused {
		t.Errorf("the alerter's counts do not add up: %+v", s)
	}
}

func TestAnExporterWhoseClockIsAWeekAheadIsLeftOutAndDoesNotMoveTime(t *testing.T) {
	r := start(t, settingsOf(t, fakeKafka(t)))
	r.send(t, later(time.Now().Add(7*24*time.Hour))...)
	r.send(t, horizontalScan(time.Now().Add(7*24*time.Hour), 30))
	if c := r.idle(t); c.detector.Detect.Early != 8*30+30 || c.detector.Detect.Counted != 0 || len(r.told()) != 0 {
		t.Errorf("%d flows are too early, %d are counted, %d alerts; want 270, 0, 0",
			c.detector.Detect.Early, c.detector.Detect.Counted, len(r.told()))
	}
	r.send(t, horizontalScan(time.Now().Add(-time.Hour), 30))
	c := r.idle(t)
	checkConservation(t, &c)
	if c.detector.Detect.Late != 0 || c.detector.Detect.Counted != 30 {
		t.Errorf("%d flows are too late, %d are counted; want 0, 30", c.detector.Detect.Late, c.detector.Detect.Counted)
	}
	r.alerted(t, scanner)
}

// horizontalScan is a datagram of the scanner's SYNs, one to each of so many hosts.
func horizontalScan(at time.Time, hosts int) []byte { return sweep(at, hosts, 22) }

// sweep is a datagram of lone SYNs to a port of so many hosts.
func sweep(at time.Time, hosts int, port uint16) []byte {
	d := newV5(at)
	for i := range hosts {
		d.add(v5record{
			src: scanner, dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}),
			srcPort: 40000, dstPort: port, packets: 1, bytes: 44, flags: schema.SYN,
		})
	}
	return d.bytes()
}

// alerted waits until the subscriber has been told of source once, and of nobody else.
func (r *running) alerted(t testing.TB, source netip.Addr) {
	t.Helper()
	if !soon(func() bool { return len(r.told()) > 0 }) {
		t.Fatalf("no alert for %s", source)
	}
	if told := r.told(); len(told) != 1 || told[0][0].Source != source {
		t.Errorf("%d alerts, the first for %s; want one for %s", len(told), told[0][0].Source, source)
	}
}

// soon asks until the answer is yes, for as long as the pipeline may take to be idle.
func soon(is func() bool) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(idleTimeout); !is(); <-look.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// write puts records with these values into every partition of a topic, and
// returns how many partitions that are.
func write(t testing.TB, brokers []string, topic string, values ...[]byte) uint64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), idleTimeout)
	defer cancel()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	if err != nil || topics.Error() != nil {
		t.Fatal(err, topics.Error())
	}
	n := len(topics[topic].Partitions)
	for partition := range n {
		for _, v := range values {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(partition), Value: v}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return uint64(n)
}

// decoded are the decoder's counters by name.
func decoded(s netflow.Stats) counters {
	all := counters{}
	s.Each(func(name string, v uint64) { all[name] = v })
	return all
}

// difference is what has been counted since before; what has not is left out.
func difference(now, before counters) counters {
	d := counters{}
	for name, v := range now {
		if v != before[name] {
			d[name] = v - before[name]
		}
	}
	return d
}
