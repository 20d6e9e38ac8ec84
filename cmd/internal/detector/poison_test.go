package detector

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// poisonPort is the port of flows that make withBug panic.
const poisonPort = 6666

// withBug is the program with a bug that one flow meets.
type withBug struct {
	service.Config
	Detector Config `embed:""`
}

func (c *withBug) Run(ctx context.Context, s *service.Service) error {
	d, err := New(c.Detector, s)
	if err != nil {
		return err
	}
	d.observe = func(state *detect.Detector, flows []schema.Flow, offset int64) []schema.Alert {
		alerts := state.Observe(flows, offset)
		for i := range flows {
			if flows[i].Dst.Port == poisonPort {
				panic("BUG: on purpose") // when the flows are half counted
			}
		}
		return alerts
	}
	return s.Serve(ctx, service.Stage{Name: "detector", Run: d.Run})
}

// runWithBug is the main of withBug, which is this test's binary.
func runWithBug(flags []string) int {
	os.Args = append(os.Args[:1], flags...)
	return service.Main(settings.Program{Name: "detector", Help: "Has a bug.", Admin: "127.0.0.1:0"}, new(withBug))
}

// launch starts withBug as a process of its own; ended is closed when it has ended.
func (x *trial) launch(flags ...string) (cmd *exec.Cmd, stderr *bytes.Buffer, ended chan struct{}) {
	x.t.Helper()
	flags = append(flags, "--admin=127.0.0.1:0", "--log-format=json", "--kafka-brokers="+x.kafka.Brokers()[0], "--checkpoint-interval=1s", "--consumer-instance-id=detector-0")
	cmd = exec.Command(os.Args[0])
	cmd.Env = []string{"DETECTOR_WITH_A_BUG=" + strings.Join(flags, " ")}
	stderr, ended = new(bytes.Buffer), make(chan struct{})
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its code is looked at
	}()
	x.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
	return cmd, stderr, ended
}

// produce writes the trial's records to Kafka, all to one partition.
func (x *trial) produce() *kadm.Client {
	x.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(x.kafka.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(cl.Close)
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(x.t.Context(), 1, 1, nil, schema.FlowsTopic); err != nil {
		x.t.Fatal(err)
	}
	for _, r := range x.records {
		sent := kgo.Record{Topic: schema.FlowsTopic, Value: r.Value, Timestamp: r.Timestamp}
		if err := cl.ProduceSync(x.t.Context(), &sent).FirstErr(); err != nil {
			x.t.Fatal(err)
		}
	}
	return admin
}

func TestARecordThatMakesABugPanicEndsTheProgramAndTheSettingThatItNamesGetsPastIt(t *testing.T) {
	x := newTrial(t, 1)
	clean := slices.Clone(x.records)
	x.poison(150)
	x.poison(151)
	admin := x.produce()
	skip := ""
	for _, want := range []string{"--skip-offsets=0:150", "--skip-offsets=0:150-151"} {
		cmd, stderr, ended := x.launch(strings.Fields(skip)...)
		<-ended
		log := stderr.String()
		if code := cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("ended with %d", code)
		}
		lines := strings.Split(strings.TrimSpace(log), "\n")
		last := lines[len(lines)-1]
		if !strings.Contains(last, want+" ") || !strings.Contains(last, "partition 0 of topic "+schema.FlowsTopic) {
			t.Fatalf("the last line does not say %s: %s", want, last)
		}
		if !strings.Contains(log, "poison_test.go") {
			t.Errorf("the log has no stack:\n%s", log)
		}
		skip = want
	}
	cmd, stderr, ended := x.launch(skip)
	wait(t, "all is read", func() bool {
		of, err := admin.FetchOffsets(t.Context(), schema.DetectorGroup)
		o, ok := of.Lookup(schema.FlowsTopic, 0)
		return err == nil && ok && o.At == int64(len(x.records))
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if n := strings.Count(stderr.String(), "skip-offsets says so"); n == 0 {
		t.Errorf("nothing is said of what is left out:\n%s", stderr)
	}
	want := x.wantOf(slices.Concat(clean[:150], clean[152:]))
	got := x.said()
	slices.Sort(want)
	slices.Sort(got)
	if d := gocmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("%d alerts (-without the records +with them left out)\n%.3000s", len(want), d)
	}
}

// poison puts a record that withBug cannot take in the place of one; what else it holds is a scan.
func (x *trial) poison(at int) {
	r := *x.records[at]
	when := schema.TimeOf(r.Timestamp)
	f := schema.Flow{Received: when, Start: when, End: when, Proto: schema.TCP, Src: schema.Side{Addr: address(7), Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN}}
	r.Value = nil
	for port := range uint16(60) {
		f.Dst = schema.Side{Addr: address(9), Port: poisonPort - port}
		r.Value = schema.AppendFlow(r.Value, &f)
	}
	x.records[at] = &r
}

func TestARecordThatIsLeftOutIsCountedAndTheOthersAreRead(t *testing.T) {
	x := newTrial(t, 2)
	d := x.detector(func(c *Config) {
		c.Skip = stream.Skip{{Partition: 0, First: 3, Last: 4}}
	})
	o := x.open(d).prepare()
	o.step(10, true, true)
	if s := d.Stats(); s.Records != 10 || s.Skipped != 2 || s.Detect.Consumed != 80 {
		t.Errorf("%d records, %d left out, %d flows", s.Records, s.Skipped, s.Detect.Consumed)
	}
	o.crash()
}
