package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// A child process of a test is the sample program itself.
const asProgram = "SERVICE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(sampleProgram, &sample{}))
	}
	goleak.VerifyTestMain(m)
}

var sampleProgram = settings.Program{
	Name:      "sample",
	Help:      "Samples things, for tests.",
	Admin:     "127.0.0.1:0",
	Variables: []string{"SCANHOUND_HOME"},
}

// sample is a program with a few settings that does what it is told.
type sample struct {
	Config
	Minimum int    `default:"3" help:"Least of the two."`
	Mode    string `default:"fast" enum:"fast,exact" help:"How to sample."`
	Token   string `secret:"" help:"What opens the door."`
	Do      string `default:"return" env:"-" help:"What to do once it runs."`

	service *Service
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
