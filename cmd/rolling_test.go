package cmd_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// scanners scan without a pause: every 100 ms a new one in each partition, whose only
// record is enough for an alert.
type scanners struct {
	w    *world
	cl   *kgo.Client
	stop chan struct{}
	done chan struct{}

	mu   sync.Mutex
	sent map[netip.Addr]time.Time
}

const scannedPartitions = 4 // of the topic of flows; those of the settings file

func (w *world) scanners() *scanners {
	w.t.Helper()
	s := &scanners{w: w, stop: make(chan struct{}), done: make(chan struct{}), sent: map[netip.Addr]time.Time{}}
	s.cl = w.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if _, err := kadm.NewClient(s.cl).CreateTopic(w.t.Context(), scannedPartitions, 1, nil, schema.FlowsTopic); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.cl.Close)
	return s
}

func (s *scanners) begin() {
	go func() {
		defer close(s.done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			for p := range scannedPartitions {
				if err := s.cl.ProduceSync(context.Background(), s.scan(n, p)).FirstErr(); err != nil {
					s.w.t.Errorf("write flows: %v", err)
					return
				}
			}
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
		}
	}()
}

// scan is a record of one scanner's flows to 30 hosts.
func (s *scanners) scan(n, partition int) *kgo.Record {
	now := time.Now()
	source := netip.AddrFrom4([4]byte{10, 128 | byte(partition), byte(n >> 8), byte(n)})
	s.mu.Lock()
	s.sent[source] = now
	s.mu.Unlock()
	var b []byte
	for i := range byte(30) {
		b = schema.AppendFlow(b, &schema.Flow{
			Received: schema.TimeOf(now), Start: schema.TimeOf(now), End: schema.TimeOf(now), Proto: schema.TCP,
			Src: schema.Side{Addr: source, Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN},
			Dst: schema.Side{Addr: netip.AddrFrom4([4]byte{10, 1, byte(n), i}), Port: 8099},
		})
	}
	return &kgo.Record{Topic: schema.FlowsTopic, Partition: int32(partition), Value: b}
}

// end ends the scans. Each must have led to one alert, like in a detector that reads all
// flows at once and that nobody disturbs. It returns how late the latest was.
func (s *scanners) end() (latest time.Duration) {
	t := s.w.t
	t.Helper()
	close(s.stop)
	<-s.done
	s.w.waits(schema.DetectorGroup, schema.FlowsTopic)
	reference := s.w.launch("detector", "--internal=10.0.0.0/8", "--detector-group=reference", "--alerts-topic=reference")
	s.w.waits("reference", schema.FlowsTopic)
	want := byMessage(t, s.w.alertsInKafka("reference"))
	if diff := cmp.Diff(want, byMessage(t, s.w.alertsInKafka(schema.AlertsTopic))); diff != "" {
		t.Errorf("alerts differ from those of a detector that nobody disturbs (-undisturbed +here):\n%.4000s", diff)
	}
	if code := reference.terminate(); code != 0 {
		t.Errorf("the reference ended with %d", code)
	}
	late := map[netip.Addr]time.Duration{}
	for _, r := range s.w.records(schema.AlertsTopic) {
		a := parse(t, r.Value)
		if _, ok := late[a.Source]; !ok {
			late[a.Source] = r.Timestamp.Sub(s.sent[a.Source])
			latest = max(latest, late[a.Source])
		}
	}
	if len(late) != len(s.sent) {
		t.Errorf("%d of %d scanners have an alert", len(late), len(s.sent))
	}
	return latest
}

// holds is how many partitions a detector has, restored or not.
func holds(p *process) int {
	n := 0
	for name := range p.metrics() {
		if strings.HasPrefix(name, "scanhound_detector_lag_records{") {
			n++
		}
	}
	return n
}

func TestARollingRestartLosesNoAlertAndDelaysNoneByMoreThan15Seconds(t *testing.T) {
	w := newWorld(t)
	s := w.scanners()
	flags := []string{"--internal=10.0.0.0/8"}
	var all []*process
	for range 3 {
		all = append(all, w.launch("detector", flags...))
	}
	shared := func() bool {
		return holds(all[0])+holds(all[1])+holds(all[2]) == scannedPartitions && min(holds(all[0]), holds(all[1]), holds(all[2])) == 1
	}
	eventually(t, "they share the partitions", shared)
	s.begin()
	for i, p := range all {
		checkMetrics(t, p, `rebalances_total{what="assigned"}`)
		if code := p.terminate(); code != 0 {
			t.Errorf("a detector ended with %d", code)
		}
		others := slices.Delete(slices.Clone(all), i, i+1)
		eventually(t, "the others have all", func() bool { return holds(others[0])+holds(others[1]) == scannedPartitions })
		all[i] = w.launch("detector", flags...)
		eventually(t, "they share the partitions again", shared)
		all[i].becomesReady()
	}
	revoked := 0.0
	for _, p := range all {
		revoked += p.metrics()[`scanhound_detector_rebalances_total{what="revoked"}`]
	}
	if revoked == 0 {
		t.Error("the last one has got its partition from nobody")
	}
	latest := s.end()
	t.Logf("the latest alert came after %v", latest)
	if latest > 15*time.Second {
		t.Errorf("an alert came after %v", latest)
	}
	for _, p := range all {
		if code := p.terminate(); code != 0 {
			t.Errorf("a detector ended with %d", code)
		}
	}
}

func TestADetectorThatSleepsBeyondItsSessionDoesNoHarmWhenItWakes(t *testing.T) {
	w := newWorld(t)
	s := w.scanners()
	flags := []string{"--internal=10.0.0.0/8", "--consumer-session-timeout=6s", "--checkpoint-interval=1s"}
	sleeper, other := w.launch("detector", flags...), w.launch("detector", flags...)
	shared := func() bool { return holds(sleeper) == scannedPartitions/2 && holds(other) == scannedPartitions/2 }
	eventually(t, "they share the partitions", shared)
	s.begin()
	w.commits(schema.DetectorGroup)
	if err := sleeper.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	fell := time.Now()
	eventually(t, "the other has all", func() bool { return holds(other) == scannedPartitions })
	t.Logf("the other had all after %v", time.Since(fell))
	other.becomesReady()
	if err := sleeper.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sleeper has lost its partitions, and got some again", func() bool {
		return sleeper.metrics()[`scanhound_detector_rebalances_total{what="lost"}`] == 1 && shared()
	})
	s.end()
	for _, p := range []*process{sleeper, other} {
		if code := p.terminate(); code != 0 {
			t.Errorf("a detector ended with %d", code)
		}
	}
}
