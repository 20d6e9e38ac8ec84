package stream_test

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// alert is revision rev of the n-th alert, from partition n of the flows.
func alert(n, rev int) schema.Alert {
	return schema.Alert{
		ID: fmt.Sprintf("%016x", n), Revision: uint32(rev), State: schema.Open, Kind: schema.Vertical, Severity: schema.Medium,
		Source: netip.MustParseAddr("198.51.100.7"), FirstSeen: arrival.Std(), LastSeen: arrival.Std(),
		Origin: schema.Origin{Topic: schema.FlowsTopic, Partition: int32(n)},
	}
}

func openAlerts(t *testing.T, k kafka, topic string) *stream.AlertProducer {
	t.Helper()
	p, err := stream.OpenAlertProducer(soon(t), k.KafkaConfig, stream.AlertWriterConfig{Topic: topic}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestTheAlertsOfAPartitionAreWrittenInOrderToOnePartition(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		const partitions = 3
		topic := k.topic(t, partitions, nil)
		p := openAlerts(t, k, topic)
		for rev := 1; rev <= 3; rev++ {
			for n := range 10 {
				a := alert(n, rev)
				a.Origin.Partition = 0 // says nothing of where it is written
				if err := p.Produce(soon(t), int32(n), []schema.Alert{a, alert(n+10, rev)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if s := p.Stats(); s.Produced != 60 || s.Refused != 0 || s.Failures != 0 {
			t.Errorf("stats %+v", s)
		}
		next := map[string]uint32{}
		for partition, records := range readAll(t, k, topic, 60) {
			for _, r := range records {
				a, err := schema.ParseAlert(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				next[a.ID]++
				n, err := strconv.ParseInt(a.ID, 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				if string(r.Key) != a.ID || int32(n%10%partitions) != partition || a.Revision != next[a.ID] {
					t.Errorf("partition %d: key %s, revision %d", partition, r.Key, a.Revision)
				}
				want := alert(int(n), int(a.Revision))
				want.Origin.Partition = a.Origin.Partition
				if diff := cmp.Diff(&want, a, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
					t.Error(diff)
				}
			}
		}
	})
}

func TestAlertsOfAPartitionThatCannotBeAreNotWritten(t *testing.T) {
	k := fakeKafka(t, embedded.KafkaConfig{})
	p := openAlerts(t, k, k.topic(t, 3, nil))
	if err := p.Produce(soon(t), -1, []schema.Alert{alert(0, 1)}); err == nil || !strings.HasPrefix(err.Error(), "BUG: ") {
		t.Errorf("error %v", err)
	}
	if s := p.Stats(); s != (stream.AlertStats{}) {
		t.Errorf("stats %+v", s)
	}
}

func TestAnAlertThatKafkaWillNeverTakeIsLeftOut(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		p := openAlerts(t, k, k.topic(t, 2, map[string]string{"max.message.bytes": "2000"}))
		// Not even compressed does it fit.
		large := alert(0, 1)
		for i := range 3000 {
			large.Evidence.Targets = append(large.Evidence.Targets, netip.AddrFrom4([4]byte{byte(i * 7), byte(i * 13), byte(i >> 4), byte(i * 31)}))
		}
		if err := p.Produce(soon(t), 0, []schema.Alert{large, alert(1, 1)}); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Produced != 1 || s.Refused != 1 {
			t.Errorf("stats %+v, want one of each", s)
		}
	})
}

func TestProduceWaitsForKafkaUntilItsContextEnds(t *testing.T) {
	dir := t.TempDir()
	k := fakeKafka(t, embedded.KafkaConfig{Dir: dir})
	topic := k.topic(t, 1, nil)
	p := openAlerts(t, k, topic)
	if err := p.Produce(soon(t), 0, []schema.Alert{alert(0, 1)}); err != nil {
		t.Fatal(err)
	}
	port := port(t, k)
	k.fake.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := p.Produce(ctx, 0, []schema.Alert{alert(0, 2)})
	if err == nil || !strings.Contains(err.Error(), topic) {
		t.Errorf("without a broker: %v", err)
	}
	if s := p.Stats(); s.Failures != 1 {
		t.Errorf("stats %+v", s)
	}
	fakeKafka(t, embedded.KafkaConfig{Dir: dir, Port: port})
	if err := p.Produce(soon(t), 0, []schema.Alert{alert(0, 2)}); err != nil {
		t.Errorf("with a broker again: %v", err)
	}
}
