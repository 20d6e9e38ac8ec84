package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/settings"
)

func TestLogsGoToStderrAndDataToStdout(t *testing.T) {
	got := call(t, &sample{}, nil, "--do=print")
	if got.stdout != "data\n" || !strings.Contains(got.stderr, `"msg":"log"`) {
		t.Errorf("got %+v", got)
	}
}

func TestALogIsJSONUnlessStderrIsATerminalOrSomebodyWantsText(t *testing.T) {
	if isTerminal(&bytes.Buffer{}) {
		t.Error("a buffer is taken for a terminal")
	}
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) {
		t.Error("a file is taken for a terminal")
	}
	// Where a test has no terminal, this is the nearest thing: a character device.
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if !isTerminal(device) {
		t.Error("a character device is not taken for a terminal")
	}
	if got := call(t, &sample{}, nil, "--do=print", "--log-format=text"); !strings.Contains(got.stderr, "level=INFO msg=log") {
		t.Errorf("not text: %s", got.stderr)
	}
}

func TestTheLevelDecidesWhatIsWritten(t *testing.T) {
	if got := call(t, &sample{}, []string{"SCANHOUND_LOG_LEVEL=warn"}, "--do=print"); got.stderr != "" {
		t.Errorf("an info at level warn: %s", got.stderr)
	}
	want := "sample: $SCANHOUND_LOG_LEVEL: log-level: \"loud\" is not accepted: want one of debug, info, warn, error\n"
	if got := call(t, &sample{}, []string{"SCANHOUND_LOG_LEVEL=loud"}); got.stderr != want {
		t.Errorf("got %s", got.stderr)
	}
}

// lines is a handler that keeps each record as one short line.
type lines struct{ text *bytes.Buffer }

func newLines() (*lines, *slog.Logger, *repeatState) {
	l := &lines{&bytes.Buffer{}}
	start := time.Now()
	r := newRepeats(slog.NewTextHandler(l.text, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.String("at", a.Value.Time().Sub(start).String())
			}
			return a
		},
	}))
	return l, slog.New(r), r.state
}

func (l *lines) want(t *testing.T, lines ...string) {
	t.Helper()
	if d := cmp.Diff(lines, strings.Split(strings.TrimSuffix(l.text.String(), "\n"), "\n")); d != "" {
		t.Error(d)
	}
}

func TestAWarningThatRepeatsIsWrittenAtOnceThenEveryTenSecondsWithTheNumberLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, log, state := newLines()
		for n := range 20 { // until 30 s
			log.Warn("no template", "n", n)
			time.Sleep(1500 * time.Millisecond)
		}
		time.Sleep(time.Minute) // it stops, and comes back
		log.Warn("no template", "n", "again")
		state.flush()
		out.want(t,
			`at=0s level=WARN msg="no template" n=0`,
			`at=9s level=WARN msg="no template" n=6 left_out=5`,
			`at=19.5s level=WARN msg="no template" n=13 left_out=6`,
			`at=28.5s level=WARN msg="no template" n=19 left_out=5`,
			`at=1m30s level=WARN msg="no template" n=again`,
		)
	})
}

func TestOnlyWhatHasTheSameLevelAndMessageIsARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, log, state := newLines()
		log.Warn("one")
		log.Warn("two")
		log.Error("one")
		log.With("a", 1).WithGroup("g").Warn("one", "b", 2)
		state.flush()
		out.want(t,
			"at=0s level=WARN msg=one",
			"at=0s level=WARN msg=two",
			"at=0s level=ERROR msg=one",
			"at=0s level=WARN msg=one a=1 g.b=2",
		)
	})
}

func TestInfoAndDebugAreNeverLeftOut(t *testing.T) {
	out, log, _ := newLines()
	for range 50 {
		log.Info("a flow of words")
		log.Debug("a flow of words")
	}
	if n := strings.Count(out.text.String(), "\n"); n != 100 {
		t.Errorf("%d lines of 100", n)
	}
}

func TestTheLimitForgetsAMessageThatRepeatsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, log, state := newLines()
		for n := range 1000 {
			log.Warn(fmt.Sprint("message ", n))
		}
		time.Sleep(repeatEvery + time.Second)
		state.mu.Lock()
		defer state.mu.Unlock()
		if len(state.recent) != 0 {
			t.Errorf("%d are remembered", len(state.recent))
		}
	})
}

func TestTheMetricsCountWhatTheLogLeavesOut(t *testing.T) {
	s := New("sample", slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	defer s.flush()
	for range 7 {
		s.Log.Warn("no template")
		s.Log.Error("no disk")
		s.Log.Info("news")
	}
	wantMetrics(t, s, `
		scanhound_sample_log_messages_total{level="debug"} 0
		scanhound_sample_log_messages_total{level="info"} 7
		scanhound_sample_log_messages_total{level="warn"} 7
		scanhound_sample_log_messages_total{level="error"} 7`)
}

func TestTheLastWordsOfAProgramAreNotLeftOut(t *testing.T) {
	var stderr bytes.Buffer
	p := settings.Program{Name: "sample"}
	cli := &last{}
	code := Run(t.Context(), p, cli, Process{Stderr: &stderr})
	if code != exitRuntime || strings.Count(stderr.String(), `"error":"worse","code":1`) != 1 || !strings.Contains(stderr.String(), `"left_out":1`) {
		t.Errorf("exit code %d, log:\n%s", code, stderr.String())
	}
}

type last struct{ Config }

func (*last) Run(_ context.Context, s *Service) error {
	for range 3 {
		s.Log.Error("ended", "error", "bad")
	}
	return errors.New("worse")
}

func TestWhatIsLeftOutIsWrittenWhenTheProgramEnds(t *testing.T) {
	var stderr bytes.Buffer
	code := Run(t.Context(), settings.Program{Name: "sample"}, &noisy{}, Process{Stderr: &stderr})
	for _, want := range []string{`"msg":"mine","left_out":3`, `"msg":"the part's","program":"part","left_out":3`} {
		if code != exitOK || !strings.Contains(stderr.String(), want) {
			t.Errorf("exit code %d, no %s in\n%s", code, want, stderr.String())
		}
	}
}

type noisy struct{}

func (noisy) Run(_ context.Context, s *Service) error {
	part := s.Part("part")
	for range 5 {
		s.Log.Warn("mine")
		part.Log.Warn("the part's")
	}
	return nil
}
