package service

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// inVain waits for what never answers.
func inVain(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("reach Kafka: connection refused (gave up: %w)", ctx.Err())
}

func TestOnlyADependencyThatDoesNotAnswerInTimeGivesItsExitCode(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	refused := errors.New("the topic is not ours")
	for name, c := range map[string]struct {
		ctx     context.Context
		limit   time.Duration
		connect func(context.Context) error
		code    int
		text    string
	}{
		"it answers":                {t.Context(), time.Minute, func(context.Context) error { return nil }, 0, ""},
		"nobody answers in time":    {t.Context(), time.Millisecond, inVain, 4, "not within 1ms, the start-timeout: reach Kafka: connection refused (gave up: context deadline exceeded)"},
		"it refuses":                {t.Context(), time.Minute, func(context.Context) error { return refused }, 1, "the topic is not ours"},
		"it refuses late":           {t.Context(), time.Millisecond, func(ctx context.Context) error { <-ctx.Done(); return refused }, 1, "the topic is not ours"},
		"the program is told to go": {gone, time.Minute, inVain, 1, "reach Kafka: connection refused (gave up: context canceled)"},
		"it waits for ever":         {gone, 0, inVain, 1, "reach Kafka: connection refused (gave up: context canceled)"},
	} {
		s := quiet()
		s.config.StartTimeout = c.limit
		err := s.Start(c.ctx, c.connect)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if ExitCode(err) != c.code || text != c.text {
			t.Errorf("%s: exit code %d, %q", name, ExitCode(err), text)
		}
	}
}

func TestWithoutALimitAStartHasNoDeadline(t *testing.T) {
	err := quiet().Start(t.Context(), func(ctx context.Context) error {
		if _, limited := ctx.Deadline(); limited {
			t.Error("it has a deadline")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAPartHasTheStartTimeoutOfItsService(t *testing.T) {
	s := quiet()
	s.config.StartTimeout = time.Millisecond
	if code := ExitCode(s.Part("part").Start(t.Context(), inVain)); code != exitUnreachable {
		t.Errorf("exit code %d", code)
	}
}
