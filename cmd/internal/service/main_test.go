package service

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Tests change the folder; the golden files stay.
var testdata, _ = filepath.Abs("testdata")

// A child process of a test is the sample program itself.
const asProgram = "SERVICE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(sampleProgram, &sample{}))
	}
	goleak.VerifyTestMain(m)
}

var sampleProgram = Program{
	Name:  "sample",
	Help:  "Samples things, for tests.",
	Admin: "127.0.0.1:0",
	Others: []any{&struct {
		Retention time.Duration
		Routes    map[string]string
	}{}},
	Variables: []string{"SCANHOUND_HOME"},
}

// sample is a program with every kind of setting.
type sample struct {
	Config
	Kafka    sampleKafka       `embed:"" prefix:"kafka-" group:"Kafka:"`
	Minimum  int               `default:"3" help:"Least of the two."`
	Maximum  uint16            `default:"9" help:"Most of the two."`
	Mode     string            `default:"fast" enum:"fast,exact" help:"How to sample."`
	Ports    []int             `default:"22,23" help:"Ports to sample."`
	Networks []netip.Prefix    `help:"Networks to sample."`
	Windows  []time.Duration   `default:"1m,24h" help:"Windows to sample in."`
	Exporter []netip.Addr      `help:"Exporters to sample."`
	Sites    map[string]string `help:"Site of each exporter."`
	Token    string            `secret:"" help:"What opens the door."`
	Key      sampleKey         `secret:"" help:"What opens the safe."`
	Limit    *int              `help:"Most that is sampled."`
	Do       string            `default:"return" env:"-" help:"What to do once it runs."`

	service *Service
}

// sampleKey quotes what it refuses, as parsers do.
type sampleKey string

func (k *sampleKey) UnmarshalText(text []byte) error {
	if len(text) > 8 {
		return fmt.Errorf("%s is no key", text)
	}
	*k = sampleKey(text)
	return nil
}

type sampleKafka struct {
	Brokers []string      `default:"localhost:9092" help:"Where to begin."`
	Linger  time.Duration `default:"20ms" help:"How long a batch may wait."`
	Batch   int           `default:"100" help:"Records in a batch."`
}

func (k sampleKafka) Validate() error {
	var wrong []error
	if k.Linger > time.Minute {
		wrong = append(wrong, fmt.Errorf("linger: %v is more than 1m", k.Linger))
	}
	if k.Batch < 1 {
		wrong = append(wrong, errors.New("batch: want at least 1"))
	}
	if len(k.Brokers) > 1 && k.Batch == 1 {
		wrong = append(wrong, errors.New("one record a batch needs one broker"))
	}
	return errors.Join(wrong...)
}

func (c *sample) Validate() error {
	if c.Minimum > int(c.Maximum) {
		return fmt.Errorf("minimum: %d is more than maximum (%d)", c.Minimum, c.Maximum)
	}
	return c.Config.Validate()
}

func (c *sample) Run(ctx context.Context, s *Service) error {
	c.service = s
	switch c.Do {
	case "return":
		return nil
	case "print":
		_, err := io.WriteString(s.Stdout, "data\n")
		s.Log.Info("log")
		return err
	case "fail":
		return errors.New("read the disk: it is gone")
	case "unreachable":
		return fmt.Errorf("start: %w", Unreachable(errors.New("kafka does not answer")))
	case "misconfigured":
		return s.Misconfigured("token", errors.New("opens nothing"))
	case "serve": // until it is told to stop
		return s.Serve(ctx, Stage{"wait", func(ctx context.Context) error {
			fmt.Fprintln(s.Stdout, "ready")
			<-ctx.Done()
			return nil
		}})
	case "hang":
		return s.Serve(ctx, Stage{"hang", func(context.Context) error {
			fmt.Fprintln(s.Stdout, "ready")
			select {}
		}})
	case "wait": // as a command that does not serve
		fmt.Fprintln(s.Stdout, "ready")
		<-ctx.Done()
		return ctx.Err()
	default:
		return errors.New("do what?")
	}
}

// outcome is what a program left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// call runs the sample program inside the test.
func call(t *testing.T, cli *sample, environ []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), sampleProgram, cli, Process{args, environ, strings.NewReader(""), &stdout, &stderr})
	return outcome{code, stdout.String(), stderr.String()}
}

// inFolder makes an empty folder the current one and puts settings.yaml there.
func inFolder(t *testing.T, settings string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "settings.yaml", settings)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// golden compares got with a file of testdata, or rewrites that with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(testdata, name)
	if *update {
		write(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what -update would write:\n%s", path, got)
	}
}
