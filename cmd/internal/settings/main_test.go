package settings

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Tests change the folder; the golden files stay.
var testdata, _ = filepath.Abs("testdata")

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
	SampleService
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
}

type SampleService struct {
	Admin           netip.AddrPort `group:"Service:" default:"${admin}" help:"Where health, metrics, settings and profiles are served; empty: nowhere."`
	ShutdownTimeout time.Duration  `group:"Service:" default:"25s" help:"How long stopping may take. Keep it below what the supervisor grants."`
}

func (c SampleService) Validate() error {
	if c.ShutdownTimeout <= 0 {
		return fmt.Errorf("shutdown-timeout: %v leaves no time to stop", c.ShutdownTimeout)
	}
	return nil
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
	return c.SampleService.Validate()
}

// Who is to blame, as an outcome says it.
const (
	nobody      = ""
	commandLine = "the command line alone"
	other       = "not the command line alone"
)

// outcome is what Parse made of a sample.
type outcome struct {
	*Settings
	blame  string
	stderr string // what a person would read
}

// call parses for the sample program.
func call(t *testing.T, cli any, environ []string, args ...string) outcome {
	t.Helper()
	s, err := Parse(sampleProgram, cli, args, environ)
	if err == nil {
		return outcome{Settings: s}
	}
	var wrong *Error
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	if wrong.Usage {
		return outcome{blame: commandLine, stderr: wrong.Error() + "\n"}
	}
	return outcome{blame: other, stderr: wrong.Error() + "\n"}
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
