package cmd_test

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/scanhound/scanhound/stream/embedded"
)

// fault is one thing that goes wrong.
type fault struct {
	name string
	do   func(*chaos)
}

const twice = "flows twice"

var allFaults = []fault{
	{"kill -9", (*chaos).killOne},
	{"SIGSTOP", (*chaos).sleepOne},
	{"SIGTERM", (*chaos).endOne},
	{"scale 1-3-2", (*chaos).rescale},
	{"broker restart", func(c *chaos) { c.restart(0) }},
	{"broker away", func(c *chaos) { c.restart(2 * c.session) }},
	{twice, func(*chaos) {}}, // see play
	{"state truncated", (*chaos).truncateState},
	{"state deleted", (*chaos).deleteState},
	{"full replay", (*chaos).replay},
	{"alerter kill -9", (*chaos).killAlerter},
}

// take removes one of the detectors from those that run.
func (c *chaos) take() *process {
	i := c.r.IntN(len(c.detectors))
	p := c.detectors[i]
	c.detectors = slices.Delete(c.detectors, i, i+1)
	return p
}

func (c *chaos) killOne() {
	if *broker == "" {
		c.stable(c.prefix + "detectors")
	}
	c.take().kill()
	c.detector()
}

// sleepOne has one sleep for longer than its session; it works on when it wakes.
func (c *chaos) sleepOne() {
	p := c.detectors[c.r.IntN(len(c.detectors))]
	if len(c.detectors) == 1 {
		c.detector() // who takes over
	}
	c.signal(p, syscall.SIGSTOP)
	time.Sleep(c.session * 3 / 2)
	c.signal(p, syscall.SIGCONT)
}

func (c *chaos) signal(p *process, s syscall.Signal) {
	c.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		c.t.Errorf("%v to %s: %v", s, p.name, err)
	}
}

func (c *chaos) endOne() {
	c.end(c.take())
	c.detector()
}

// end ends it in good order, which it can as long as nobody takes the broker away.
func (c *chaos) end(p *process) {
	c.t.Helper()
	if code := p.terminate(); code != 0 && *broker == "" {
		c.t.Errorf("a detector ended with %d", code)
	}
}

func (c *chaos) rescale() {
	for len(c.detectors) > 1 {
		c.end(c.take())
	}
	c.detector()
	c.detector()
	c.detectors[len(c.detectors)-1].becomesReady()
	c.end(c.take())
}

func (c *chaos) restart(away time.Duration) {
	c.broker.restart(c.r.IntN(2) == 0, away)
}

// truncateState removes all slices; who comes next has none.
func (c *chaos) truncateState() {
	ctx := c.t.Context()
	cl := kadm.NewClient(c.cl)
	ends, err := cl.ListEndOffsets(ctx, c.prefix+"state")
	if err == nil {
		_, err = cl.DeleteRecords(ctx, ends.Offsets())
	}
	if err != nil {
		c.t.Errorf("truncate the state: %v", err)
	}
	c.killOne()
}

// deleteState deletes the topic under who writes to it; who comes next makes it anew.
func (c *chaos) deleteState() {
	if _, err := kadm.NewClient(c.cl).DeleteTopics(c.t.Context(), c.prefix+"state"); err != nil {
		c.t.Errorf("delete the state: %v", err)
	}
	c.killOne()
}

// replay has the group read all flows again; the state goes in half of the times.
func (c *chaos) replay() {
	for len(c.detectors) > 0 {
		c.end(c.take())
	}
	cl := kadm.NewClient(c.cl)
	if c.r.IntN(2) == 0 {
		if _, err := cl.DeleteTopics(c.t.Context(), c.prefix+"state"); err != nil {
			c.t.Errorf("delete the state: %v", err)
		}
	}
	eventually(c.t, "the group is deleted", func() bool {
		r, err := cl.DeleteGroup(c.t.Context(), c.prefix+"detectors")
		return err == nil && r.Err == nil
	})
	c.detector()
}

func (c *chaos) killAlerter() {
	if *broker == "" {
		c.alerter.becomesReady() // it has joined
		c.joined(c.prefix + "alerters")
	}
	c.alerter.kill()
	c.startAlerter()
}

// restartable is a broker that can be taken away.
type restartable interface {
	address() string
	restart(kill bool, away time.Duration)
}

// loneKafka is a Kafka in a process of its own: this test's program, see runKafka.
type loneKafka struct {
	t    *testing.T
	dir  string
	port int
	*process
}

func newLoneKafka(t *testing.T) *loneKafka {
	t.Helper()
	k := &loneKafka{t: t, dir: t.TempDir(), port: lowPort(t)}
	k.start()
	return k
}

var lastPort atomic.Int64

// lowPort is one that no client gets while the broker is away, nor another seed.
func lowPort(t *testing.T) int {
	t.Helper()
	lastPort.CompareAndSwap(0, 20000+int64(os.Getpid()%5000))
	for {
		port := int(lastPort.Add(1))
		if port > 32000 {
			t.Fatal("no port is free")
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
}

func (k *loneKafka) address() string { return "127.0.0.1:" + strconv.Itoa(k.port) }

func (k *loneKafka) start() {
	k.t.Helper()
	k.process = &process{t: k.t, name: "kafka", stderr: new(output), done: make(chan struct{})}
	k.cmd = exec.Command(os.Args[0])
	k.cmd.Env = []string{kafkaFolder + "=" + k.dir, kafkaPort + "=" + strconv.Itoa(k.port)}
	k.cmd.Stderr = k.stderr
	k.process.start()
	eventually(k.t, "the broker answers", func() bool {
		conn, err := net.Dial("tcp", k.address())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (k *loneKafka) restart(kill bool, away time.Duration) {
	k.t.Helper()
	if kill {
		k.kill()
	} else if code := k.terminate(); code != 0 {
		k.t.Errorf("the broker ended with %d", code)
	}
	time.Sleep(away)
	k.start()
}

const kafkaFolder, kafkaPort = "CHAOS_KAFKA_FOLDER", "CHAOS_KAFKA_PORT"

// runKafka is all that this program does if the environment says so.
func runKafka(folder string) error {
	port, err := strconv.Atoi(os.Getenv(kafkaPort))
	if err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	k, err := embedded.Kafka(embedded.KafkaConfig{Dir: folder, Port: port}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	<-end
	k.Close()
	return nil
}

// apache is a broker of tools/kafka.
type apache struct {
	t  *testing.T
	at string
}

func (a *apache) address() string { return a.at }

func (a *apache) restart(kill bool, away time.Duration) {
	a.t.Helper()
	_, port, _ := strings.Cut(a.at, ":")
	cmd := exec.Command("../tools/kafka/kafka.sh", "restart", fmt.Sprint(kill), fmt.Sprint(int(away.Seconds())))
	cmd.Env = append(os.Environ(), "KAFKA_PORT="+port)
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Errorf("restart the broker: %v\n%s", err, out)
	}
}
