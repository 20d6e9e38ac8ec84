package cmd_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

var (
	seeds  = flag.Int("seeds", 0, "seeds of faults; 0: the short form, one in which every kind of fault comes")
	seed   = flag.Uint64("seed", 0, "the first seed; without -seeds the only one")
	broker = flag.String("broker", "", "an Apache Kafka of tools/kafka, to use instead of a Kafka in a process of its own")
)

// chaos is the pipeline under faults: detectors, an alerter, a subscriber.
type chaos struct {
	*world
	r         *rand.Rand
	broker    restartable
	session   time.Duration
	prefix    string // of topics and groups
	cl        *kgo.Client
	steps     []step
	detectors []*process // that run
	alerter   *process
	sent      int // steps
}

const chaosPartitions = 4

// step is what five minutes of event time bring each partition.
type step struct {
	at      time.Time
	records [chaosPartitions][]byte
}

// slow scans one port in each step.
var slow = netip.MustParseAddr("10.66.0.1")

// A day of scans, and then what it takes of sessions until all of them are closed.
const scanned, quiet = 24 * 12, 20 * 12

// day is the slow scanner, scans of every shape, and sessions.
func day(r *rand.Rand) (steps []step) {
	at := time.Now().Add(-46 * time.Hour).Truncate(time.Second)
	for n := range scanned + quiet {
		s := step{at: at.Add(time.Duration(n) * 5 * time.Minute)}
		add := func(src netip.Addr, i int, dst netip.Addr, port uint16, answered bool) {
			when := schema.TimeOf(s.at.Add(time.Duration(i) * 200 * time.Millisecond))
			f := schema.Flow{
				Received: when, Start: when, End: when, Proto: schema.TCP,
				Src: schema.Side{Addr: src, Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN},
				Dst: schema.Side{Addr: dst, Port: port},
			}
			if answered {
				f.Src.TCPFlags, f.Src.Packets = schema.SYN|schema.ACK|schema.FIN, 5
				f.Dst = schema.Side{Addr: dst, Port: port, Packets: 5, Bytes: 3000, TCPFlags: f.Src.TCPFlags}
			}
			p := schema.Partition(src, chaosPartitions)
			s.records[p] = schema.AppendFlow(s.records[p], &f)
		}
		for i := range 8 {
			add(netip.AddrFrom4([4]byte{10, 2, byte(r.IntN(4)), byte(r.IntN(250))}), i, netip.AddrFrom4([4]byte{10, 1, 1, byte(r.IntN(8))}), 443, true)
		}
		if n >= scanned {
			steps = append(steps, s)
			continue
		}
		add(slow, 0, netip.MustParseAddr("10.1.0.9"), uint16(1000+n), false)
		if r.IntN(3) == 0 {
			who, kind, base := netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(24))}), r.IntN(3), byte(r.IntN(8))
			for i := range 10 << r.IntN(4) {
				switch kind {
				case 0:
					add(who, i, netip.AddrFrom4([4]byte{10, 3, base, byte(i)}), 8099, false)
				case 1:
					add(who, i, netip.AddrFrom4([4]byte{10, 3, base, 1}), uint16(1+i), false)
				case 2:
					add(who, i, netip.AddrFrom4([4]byte{10, 3, base, byte(i % 20)}), uint16(8000+i/20), false)
				}
			}
		}
		steps = append(steps, s)
	}
	return steps
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{r: rand.New(rand.NewPCG(seed, 13)), session: 2 * time.Second}
	if *broker != "" {
		c.broker, c.session = &apache{t, *broker}, 6*time.Second // brokers allow no less
	} else {
		c.broker = newLoneKafka(t)
	}
	c.world = &world{t: t, brokers: []string{c.broker.address()}, nats: natsServer(t)}
	c.settings = settingsFile(t, c.brokers, c.nats)
	c.prefix = fmt.Sprintf("chaos-%d-%x.", seed, time.Now().UnixNano())
	c.steps = day(c.r)
	c.cl = c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.UnknownTopicRetries(-1)) // a broker that starts does not know it yet
	t.Cleanup(c.cl.Close)
	if *broker == "" { // kept by the broker when it comes back
		shorter := "1000"
		if _, err := kadm.NewClient(c.cl).AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{{Name: "group.min.session.timeout.ms", Value: &shorter}}); err != nil {
			t.Fatal(err)
		}
	}
	forever := "-1"
	made, err := kadm.NewClient(c.cl).CreateTopics(t.Context(), chaosPartitions, 1, map[string]*string{"retention.ms": &forever}, c.prefix+"flows", c.prefix+"once")
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chaos) detector() {
	c.detectors = append(c.detectors, c.detectorOf("flows", ""))
}

// detectorOf reads a topic; what it writes, and its group, are named after by.
func (c *chaos) detectorOf(topic, by string) *process {
	return c.launch("detector", "--internal=10.0.0.0/8", "--checkpoint-interval=1s", "--consumer-session-timeout="+c.session.String(),
		"--flows-topic="+c.prefix+topic, "--detector-group="+c.prefix+by+"detectors",
		"--alerts-topic="+c.prefix+by+"alerts", "--state-topic="+c.prefix+by+"state")
}

func (c *chaos) startAlerter() {
	c.alerter = c.launch("alerter", "--alerts-topic="+c.prefix+"alerts", "--alerter-group="+c.prefix+"alerters", "--consumer-session-timeout="+c.session.String())
}

// write writes a step; it waits for as long as the broker is away.
func (c *chaos) write(topic string, s step) {
	var records []*kgo.Record
	for p, b := range s.records {
		if len(b) > 0 {
			records = append(records, &kgo.Record{Topic: c.prefix + topic, Partition: int32(p), Value: b, Timestamp: s.at})
		}
	}
	if err := c.cl.ProduceSync(c.t.Context(), records...).FirstErr(); err != nil && c.t.Context().Err() == nil {
		c.t.Errorf("write flows: %v", err)
	}
}

// play writes the next steps, each a second time if they come twice, as a producer does
// that has not heard of the first.
func (c *chaos) play(n int, twice bool) {
	for end := min(c.sent+n, len(c.steps)); c.sent < end; c.sent++ {
		c.write("flows", c.steps[c.sent])
		if twice {
			c.write("flows", c.steps[c.sent])
		}
		time.Sleep(10 * time.Millisecond) // so that the fault comes while they do
	}
}

// under plays the day; the faults come one after the other, while flows do.
func (c *chaos) under(faults []fault) {
	c.t.Helper()
	c.detector()
	c.startAlerter()
	each := len(c.steps)/(len(faults)+1) + 1
	c.play(each, false)
	c.waits(c.prefix+"detectors", c.prefix+"flows")
	for _, f := range faults {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.play(each, f.name == twice)
		}()
		c.t.Cleanup(func() { <-done })
		f.do(c)
		<-done
		if c.r.IntN(2) == 0 { // else the next comes while they recover from this one
			c.caughtUp("after " + f.name)
		}
	}
	c.play(len(c.steps), false)
	c.caughtUp("at the end")
	c.waits(c.prefix+"alerters", c.prefix+"alerts")
}

// caughtUp waits until the detectors have committed all flows.
func (c *chaos) caughtUp(when string) {
	c.t.Helper()
	var ends, committed map[int32]int64
	all := func() (ok bool) {
		ends, committed, ok = c.offsets(c.prefix+"detectors", c.prefix+"flows")
		return ok && maps.Equal(ends, committed)
	}
	if within(patience/3, all) {
		return
	}
	if *broker == "" { // see stable: it cannot always be told
		c.t.Logf("%s the detectors have committed %v of %v: the broker is restarted, in case that it keeps a dead member", when, committed, ends)
		c.broker.restart(false, 0)
	}
	if within(patience, all) {
		return
	}
	for _, p := range c.detectors {
		_, ready := p.get("/readyz")
		c.t.Log(ready)
	}
	c.t.Fatalf("%s the detectors have committed %v of %v", when, committed, ends)
}

// verdict compares with a detector that reads all that is in the topic once, to the byte,
// and with one that reads each flow once, in what was found.
func (c *chaos) verdict() (missing, more int) {
	t := c.t
	t.Helper()
	for _, s := range c.steps {
		c.write("once", s)
	}
	oracle, pure := c.detectorOf("flows", "oracle-"), c.detectorOf("once", "pure-")
	c.waits(c.prefix+"oracle-detectors", c.prefix+"flows")
	c.waits(c.prefix+"pure-detectors", c.prefix+"once")
	want, got := byMessage(t, c.alertsInKafka(c.prefix+"oracle-alerts")), map[string]string{}
	subscribed := c.alerts() // checks that each comes once
	for id, text := range byMessage(t, subscribed) {
		if got[id] = text; want[id] == "" {
			more++
		}
	}
	for id := range want {
		if got[id] == "" {
			missing++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d missing, %d more; alerts on NATS differ from those of a detector that nobody disturbs (-undisturbed +here):\n%.4000s", missing, more, diff)
	}
	if diff := cmp.Diff(byMessage(t, c.alertsInKafka(c.prefix+"alerts")), got); diff != "" {
		t.Errorf("alerts on NATS differ from those in Kafka (-Kafka +NATS):\n%.4000s", diff)
	}
	final := lastOfEach(t, subscribed)
	if diff := cmp.Diff(found(lastOfEach(t, c.alertsInKafka(c.prefix+"pure-alerts"))), found(final)); diff != "" {
		t.Errorf("what was found differs from what each flow once leads to (-once +here):\n%.4000s", diff)
	}
	if n := len(slices.DeleteFunc(slices.Clone(final), func(a schema.Alert) bool { return a.Source != slow })); n != 1 {
		t.Errorf("the slow scan has %d alerts", n)
	}
	for _, p := range append([]*process{oracle, pure, c.alerter}, c.detectors...) {
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", p.name, code)
		}
	}
	return missing, more
}

// found are the alerts, what they are of and how many they touched.
func found(alerts []schema.Alert) map[string]string {
	all := map[string]string{}
	for _, a := range alerts {
		all[a.ID] = fmt.Sprintf("%v first seen %v", a.Source, a.FirstSeen)
		if a.State == schema.Close { // else the last word is of any time
			all[a.ID] += fmt.Sprintf(": %v, %v hosts, %v ports, %v pairs", a.Kind, a.Hosts, a.Ports, a.Pairs)
		}
	}
	return all
}

func TestWhateverFailsEveryAlertIsSaidOnceAndAsIfNothingHad(t *testing.T) {
	first := max(*seed, 1)
	last := first + uint64(max(*seeds, 1)) - 1
	for s := first; s <= last; s++ {
		t.Run(fmt.Sprint("seed ", s), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			c := newChaos(t, s)
			faults := slices.Clone(allFaults)
			c.r.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
			if *seeds > 0 || *seed > 0 {
				for i := range faults { // any of them, and again
					faults[i] = allFaults[c.r.IntN(len(allFaults))]
				}
				faults = faults[:6]
			}
			var names []string
			for _, f := range faults {
				names = append(names, f.name)
			}
			t.Logf("seed %d: %s", s, strings.Join(names, ", "))
			c.under(faults)
			missing, more := c.verdict()
			t.Logf("seed %d: %v, %d missing, %d more", s, time.Since(began).Round(time.Second), missing, more)
		})
	}
}
