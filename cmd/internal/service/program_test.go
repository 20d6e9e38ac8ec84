package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/settings"
)

func TestVersionIsOneLine(t *testing.T) {
	got := call(t, &sample{}, nil, "--version")
	if got.code != exitOK || !strings.HasPrefix(got.stdout, "sample ") || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}

// tool has commands, and no admin port.
type tool struct {
	Decode decode  `cmd:"" help:"Decode files."`
	Check  inspect `cmd:"" help:"Check the settings."`
}

type decode struct {
	Files []string `arg:"" help:"Files to decode."`
	Limit int      `default:"10" help:"Most flows to print."`
}

func (d *decode) Run(_ context.Context, s *Service) error {
	if d.Files[0] == "-" {
		return errors.New("read standard input: no")
	}
	fmt.Fprintln(s.Stdout, d.Files, d.Limit)
	return nil
}

type inspect struct {
	Deep bool `help:"Look twice."`
}

func (c inspect) Run(_ context.Context, s *Service) error {
	fmt.Fprintln(s.Stdout, c.Deep)
	return nil
}

func TestACommandHasItsOwnSettingsAndIgnoresThoseOfTheOthers(t *testing.T) {
	inFolder(t, "deep: true\nlimit: 4\n")
	run := func(args ...string) outcome {
		var out, errs strings.Builder
		code := Run(t.Context(), settings.Program{Name: "tool"}, &tool{}, Process{Args: args, Stdout: &out, Stderr: &errs})
		return outcome{code, out.String(), errs.String()}
	}
	for _, c := range []struct {
		want outcome
		args []string
	}{
		{outcome{0, "[a b] 4\n", ""}, []string{"decode", "--settings=settings.yaml", "a", "b"}},
		{outcome{0, "true\n", ""}, []string{"check", "--settings=settings.yaml"}},
		{outcome{1, "", "tool: read standard input: no\n"}, []string{"decode", "-"}},
		{outcome{2, "", "tool: unexpected argument dcode, did you mean \"decode\"?\nRun \"tool --help\" for more information.\n"}, []string{"dcode"}},
		{outcome{2, "", "tool: expected one of \"decode\", \"check\"\nRun \"tool --help\" for more information.\n"}, nil},
	} {
		if d := cmp.Diff(c.want, run(c.args...), cmp.AllowUnexported(outcome{})); d != "" {
			t.Errorf("%v: %s", c.args, d)
		}
	}
}

func TestEachThingThatIsWrongHasALineThatBeginsWithTheProgramsName(t *testing.T) {
	got := call(t, &sample{}, []string{"SCANHOUND_MINIMUM=x", "SCANHOUND_MODE=slow"})
	want := `sample: $SCANHOUND_MINIMUM: minimum: "x" is not accepted: want a whole number from -9223372036854775808 to 9223372036854775807
sample: $SCANHOUND_MODE: mode: "slow" is not accepted: want one of fast, exact
`
	if d := cmp.Diff(outcome{exitSettings, "", want}, got, cmp.AllowUnexported(outcome{})); d != "" {
		t.Error(d)
	}
}

func TestVariablesThatNameNoSettingAreAWarning(t *testing.T) {
	got := call(t, &sample{}, []string{
		"SCANHOUND_MINIMUN=4", "SCANHOUND_HOME=x", "SCANHOUND_CONSOLE_SERVICE_HOST=10.0.0.1", "HOME=/",
	})
	if got.code != exitOK || !strings.Contains(got.stderr, `"level":"WARN"`) ||
		!strings.Contains(got.stderr, `["SCANHOUND_MINIMUN (nearest: SCANHOUND_MINIMUM)"]`) {
		t.Errorf("got %+v", got)
	}
}

func TestErrorsThatBeginWithASettingAreToldWithItsPlace(t *testing.T) {
	s := New("sample", slog.New(slog.DiscardHandler))
	err := s.MisconfiguredIn("kafka-", errors.Join(errors.New("ca-file: no such file"), errors.New("password-file: empty")))
	if want := "kafka-ca-file: no such file\nkafka-password-file: empty"; err.Error() != want || ExitCode(err) != exitSettings {
		t.Errorf("%q with %d, want %q with %d", err, ExitCode(err), want, exitSettings)
	}
	if s.MisconfiguredIn("kafka-", nil) != nil {
		t.Error("no error is one")
	}
}
