package detector

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// trial is one partition of flows whose owners come and go. Its records are here, its
// alerts and its state in Kafka.
type trial struct {
	t       *testing.T
	d       *Detector
	kafka   *embedded.KafkaServer
	log     *lines
	at      stream.Assignment
	records []*kgo.Record
	writer  *kgo.Client // to the state topic
}

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

func newTrial(t *testing.T, seed uint64) *trial {
	t.Helper()
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	x := &trial{t: t, kafka: kafka, log: new(lines)}
	x.d = x.detector()
	x.records = days(rand.New(rand.NewPCG(seed, 1)))
	x.at = stream.Assignment{Topic: schema.FlowsTopic, Committed: -1, High: int64(len(x.records)), TopicID: [16]byte{1}}
	return x
}

// detector is a program that is connected, and reads no flows by itself.
func (x *trial) detector(change ...func(*Config)) *Detector {
	x.t.Helper()
	cfg := defaults.Of[Config]()
	cfg.Kafka.Brokers, cfg.Topics.Partitions = x.kafka.Brokers(), 1
	cfg.Checkpoint = time.Microsecond // parts are written as fast as Kafka takes them
	for _, c := range change {
		c(&cfg)
	}
	d, err := New(cfg, service.New("detector", slog.New(slog.NewTextHandler(x.log, nil))))
	if err != nil {
		x.t.Fatal(err)
	}
	if err := d.connect(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		d.alerts.Load().Close()
		d.store.Load().Close()
	})
	return d
}

// days are records of ten flows: scans of every shape that come and go within two days,
// and ordinary traffic.
func days(r *rand.Rand) (records []*kgo.Record) {
	began := time.Now().Add(-30 * time.Hour).Truncate(time.Second)
	at := began
	for len(records) < 400 {
		who := netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(8))})
		kind, size := r.IntN(4), 10<<r.IntN(4)
		if r.IntN(8) == 0 {
			at = at.Add(time.Duration(r.IntN(90)) * time.Minute)
		}
		base, port := r.IntN(1<<12), uint16(20+r.IntN(4))
		var b []byte
		for i := range size {
			at = at.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
			when := schema.TimeOf(at)
			f := schema.Flow{
				Received: when, Start: when, End: when, Proto: schema.TCP,
				Src: schema.Side{Addr: who, Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN},
				Dst: schema.Side{Addr: address(base + i), Port: port},
			}
			switch kind {
			case 1:
				f.Dst.Addr, f.Dst.Port = address(base), uint16(1+i)
			case 2:
				f.Dst.Addr, f.Dst.Port = address(base+i%20), uint16(1+i/20)
			case 3: // a session of somebody
				f.Src.Addr, f.Src.TCPFlags, f.Src.Packets = address(1<<16+r.IntN(3000)), schema.SYN|schema.ACK|schema.FIN, 5
				f.Dst = schema.Side{Addr: address(r.IntN(30)), Port: 443, Packets: 5, Bytes: 3000, TCPFlags: schema.SYN | schema.ACK | schema.FIN}
			}
			b = schema.AppendFlow(b, &f)
			if i%10 == 9 {
				records = append(records, &kgo.Record{Topic: schema.FlowsTopic, Value: b, Offset: int64(len(records)), Timestamp: at})
				b = nil
			}
		}
	}
	return records
}

func address(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(i))
	return netip.AddrFrom4(b)
}

// want is what a detector says that never stops.
func (x *trial) want() (alerts []string) { return x.wantOf(x.records) }

func (x *trial) wantOf(records []*kgo.Record) (alerts []string) {
	x.t.Helper()
	state, err := detect.New(x.d.cfg.Detect)
	if err != nil {
		x.t.Fatal(err)
	}
	w := worker{d: x.d, at: x.at, state: state, kept: newCheckpoints(time.Now())}
	w.at.Committed = -1
	for _, r := range records {
		if err := w.count([]*kgo.Record{r}); err != nil {
			x.t.Fatal(err)
		}
		for i := range w.say {
			alerts = append(alerts, wire(x.t, &w.say[i]))
		}
	}
	return alerts
}

func wire(t *testing.T, a *schema.Alert) string {
	t.Helper()
	b, err := schema.AppendAlert(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s", a.MessageID(), b)
}

// said is what is in Kafka, in its order.
func (x *trial) said() (alerts []string) {
	x.t.Helper()
	p := x.kafka.PartitionInfo(schema.AlertsTopic, 0)
	cl, err := kgo.NewClient(kgo.SeedBrokers(x.kafka.Brokers()...), kgo.ConsumeTopics(schema.AlertsTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		x.t.Fatal(err)
	}
	defer cl.Close()
	for int64(len(alerts)) < p.HighWatermark {
		for _, r := range cl.PollFetches(x.t.Context()).Records() {
			a, err := schema.ParseAlert(r.Value)
			if err != nil {
				x.t.Fatal(err)
			}
			alerts = append(alerts, wire(x.t, a))
		}
	}
	return alerts
}

// compare wants all of it said, each revision once, and those of an alert in order. What
// one tick says of several alerts may stand in another order where a part was built anew.
func (x *trial) compare(what string) {
	x.t.Helper()
	want, got := x.want(), x.said()
	if len(want) == 0 {
		x.t.Fatal("there is nothing to say")
	}
	last := map[string]int{}
	for _, a := range got {
		id, rest, _ := strings.Cut(a, ".")
		revision, _, _ := strings.Cut(rest, " ")
		if n, _ := strconv.Atoi(revision); n != last[id]+1 {
			x.t.Errorf("%s: revision %d of %s after %d", what, n, id, last[id])
		}
		last[id]++
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := gocmp.Diff(want, got); d != "" {
		x.t.Errorf("%s: %d revisions in Kafka, %d without any crash (-without +with)\n%.3000s", what, len(got), len(want), d)
	}
}

// owner is an owner of the partition.
type owner struct {
	*worker
	x    *trial
	next int // record
}

// open makes an owner as the consumer does; what is committed is x's.
func (x *trial) open(d *Detector) *owner {
	x.t.Helper()
	a := x.at
	if a.Committed > 0 {
		a.LastStamp = x.records[a.Committed-1].Timestamp
	}
	w, err := d.worker(a)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := w.look(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	o := &owner{worker: w, x: x, next: int(max(a.Committed, a.Earliest))}
	switch r := &w.restore; {
	case r.begin >= 0:
		o.next = int(r.begin)
	case r.parts > 0 || a.Committed > a.Earliest:
		o.next = int(a.Earliest) // the trial is shorter than the window
	}
	return o
}

func (o *owner) prepare() *owner {
	o.x.t.Helper()
	if err := o.Prepare(o.x.t.Context()); err != nil {
		o.x.t.Fatal(err)
	}
	return o
}

// step processes the next records, and commits if it is told so.
func (o *owner) step(n int, commit, keep bool) {
	o.x.t.Helper()
	n = min(n, int(o.x.at.High)-o.next)
	if n == 0 {
		return
	}
	done, err := o.Process(o.x.t.Context(), o.x.records[o.next:o.next+n])
	if err != nil {
		o.x.t.Fatal(err)
	}
	o.next += n
	if commit {
		o.x.at.Committed = max(o.x.at.Committed, done)
	}
	if keep {
		o.Keep(o.x.t.Context())
	}
}

// crash leaves it as it is; what is on its way to Kafka gets there or does not.
func (o *owner) crash() {
	o.x.t.Helper()
	wait(o.x.t, "Kafka answers", func() bool { return o.kept.underWay() == 0 })
	o.d.forget(o.worker)
}

func (o *owner) end() {
	o.x.t.Helper()
	for o.next < int(o.x.at.High) {
		o.step(7, true, true)
	}
	if err := o.restoring(); err != nil {
		o.x.t.Errorf("at the end: %v", err)
	}
}

func TestWhateverAnOwnerDoesWhenItCrashesTheNextOneSaysTheRestAndNothingTwice(t *testing.T) {
	restored, rebuilt := 0, 0
	for seed := range uint64(12) {
		x := newTrial(t, seed)
		r := rand.New(rand.NewPCG(seed, 2))
		for crashes := range 12 {
			o := x.open(x.d)
			if o.restore.parts == detect.Slices {
				restored++
			} else if crashes > 0 {
				rebuilt++
			}
			if crashes == 11 {
				o.prepare().end()
				break
			}
			switch r.IntN(8) {
			case 0: // while it reads its state
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = o.Prepare(ctx) // cut off
				o.crash()
				continue
			case 1: // before its alerts are in Kafka
				o.prepare()
				for range r.IntN(20) {
					o.step(1+r.IntN(5), true, true)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				for o.next < len(x.records) {
					if _, err := o.Process(ctx, x.records[o.next:o.next+1]); err != nil {
						break // it had something to say
					}
					o.next++
				}
				o.Keep(t.Context())
				o.Close(t.Context(), stream.Revoked)
				continue
			case 2: // it ends as it should
				o.prepare()
				for range r.IntN(20) {
					o.step(1+r.IntN(5), true, true)
				}
				o.Close(t.Context(), stream.Stopped)
				continue
			}
			o.prepare()
			for range r.IntN(60) { // between any two steps, with some of it not committed
				o.step(1+r.IntN(5), r.IntN(3) == 0, r.IntN(4) > 0)
			}
			o.crash()
		}
		x.compare(fmt.Sprint("seed ", seed))
	}
	t.Logf("%d times restored, %d times rebuilt in part", restored, rebuilt)
	if restored == 0 || rebuilt == 0 {
		t.Error("not all that can happen has")
	}
}

func TestTwoOwnersOfAPartitionDoNotHarmItsState(t *testing.T) {
	for seed := range uint64(6) {
		x := newTrial(t, 100+seed)
		r := rand.New(rand.NewPCG(seed, 3))
		zombie := x.open(x.d).prepare()
		for range 20 {
			zombie.step(5, true, true)
		}
		for range 5 { // each new owner has the one before beside it, which is behind or ahead
			o := x.open(x.detector()).prepare()
			for range 1 + r.IntN(20) {
				o.step(1+r.IntN(4), true, true)
				zombie.step(1+r.IntN(4), false, true)
			}
			zombie.crash()
			zombie = o
		}
		zombie.end()
		// What two said at once stands twice, under the same name, and says the same.
		once := slices.Compact(slices.Sorted(slices.Values(x.said())))
		if d := gocmp.Diff(slices.Sorted(slices.Values(x.want())), once); d != "" {
			t.Errorf("seed %d (-without +with)\n%.3000s", seed, d)
		}
	}
}
