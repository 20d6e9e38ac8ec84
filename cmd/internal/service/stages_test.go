package service

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func quiet() *Service { return New("sample", slog.New(slog.DiscardHandler)) }

// until waits for ctx, then takes a while to hand on what it has.
func until(drain time.Duration, then func()) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(drain)
		then()
		return ctx.Err()
	}
}

func TestStagesStopFromFirstToLastEachWhenTheOneBeforeHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string // each stage appends while all others are blocked
		begin := time.Now()
		stage := func(name string, drain time.Duration) Stage {
			return Stage{name, func(ctx context.Context) error {
				<-ctx.Done()
				events = append(events, name+" is asked at "+time.Since(begin).String())
				time.Sleep(drain)
				events = append(events, name+" returns at "+time.Since(begin).String())
				return nil
			}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := quiet().Serve(ctx, stage("read", time.Second), stage("detect", 2*time.Second), stage("publish", time.Second)); err != nil {
			t.Error(err)
		}
		want := []string{
			"read is asked at 1s", "read returns at 2s",
			"detect is asked at 2s", "detect returns at 4s",
			"publish is asked at 4s", "publish returns at 5s",
		}
		if d := cmp.Diff(want, events); d != "" {
			t.Error(d)
		}
	})
}

func TestAStageThatReturnsStopsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := 0
		err := quiet().Serve(t.Context(),
			Stage{"read", until(0, func() { stopped++ })},
			Stage{"file", func(context.Context) error { time.Sleep(time.Second); return nil }},
			Stage{"publish", until(0, func() { stopped++ })},
		)
		if err != nil || stopped != 2 {
			t.Errorf("%d stopped, error %v", stopped, err)
		}
	})
}

func TestTheErrorIsThatOfTheStageThatFailedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		err := quiet().Serve(t.Context(),
			Stage{"read", func(ctx context.Context) error { <-ctx.Done(); return errors.New("nobody takes it") }},
			Stage{"publish", func(context.Context) error { return Unreachable(refused) }},
		)
		if !errors.Is(err, refused) || err.Error() != "publish: refused" || ExitCode(err) != exitUnreachable {
			t.Errorf("error %v, exit code %d", err, ExitCode(err))
		}
	})
}

func TestAStageThatFailsWhileItIsStoppedFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := quiet().Serve(ctx, Stage{"publish", func(ctx context.Context) error { <-ctx.Done(); return errors.New("commit: no") }})
		if err == nil || err.Error() != "publish: commit: no" {
			t.Errorf("error %v", err)
		}
	})
}

func TestACancelledContextIsAFailureUnlessTheStageWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := quiet().Serve(t.Context(), Stage{"read", func(context.Context) error { return context.Canceled }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestTheDeadlineIsOneForAllAndTheErrorNamesTheStageThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet()
		s.config.ShutdownTimeout = 10 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		release := make(chan struct{})
		err := s.Serve(ctx,
			Stage{"read", until(6*time.Second, func() {})},
			Stage{"detect", func(context.Context) error { <-release; return nil }},
			Stage{"publish", until(0, func() { close(release) })}, // cancelled too, else release would never come
		)
		if err == nil || err.Error() != "stage detect did not stop within 10s" || time.Since(begin) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

func TestAFailureIsNotForgottenWhenAnotherStageHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		begin := time.Now()
		err := quiet().Serve(t.Context(),
			Stage{"read", func(context.Context) error { <-release; return nil }},
			Stage{"publish", func(context.Context) error { return Unreachable(errors.New("refused")) }},
		)
		if err == nil || err.Error() != "publish: refused; then stage read did not stop within 25s" || ExitCode(err) != exitUnreachable {
			t.Errorf("error %v", err)
		}
		if time.Since(begin) != shutdownTimeout {
			t.Errorf("after %v", time.Since(begin))
		}
	})
}

func TestAPartHasTheDeadlineOfItsService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet()
		s.config.ShutdownTimeout = 3 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Part("ingest").Serve(ctx, Stage{"read", until(time.Minute, func() {})})
		if err == nil || err.Error() != "stage read did not stop within 3s" {
			t.Error(err)
		}
		time.Sleep(time.Hour) // the stage is left behind, the test leaves nothing
	})
}

func TestAPartServesInsideAnotherService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := New("demo", slog.New(slog.NewTextHandler(&log, nil)))
		ready := func() string { _, text := s.readiness(); return text }
		ingest, detector := s.Part("ingest"), s.Part("detector")
		ingest.Ready("kafka", func() error { return errors.New("is away") })
		if want := "demo: is starting\ningest: kafka: is away\n"; ready() != want {
			t.Errorf("before: %q", ready())
		}
		run := func(p *Service) Stage {
			return Stage{p.name, func(ctx context.Context) error {
				return p.Serve(ctx, Stage{"work", until(time.Second, func() {})})
			}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			if ready() != "ingest: kafka: is away\n" {
				t.Errorf("while it runs: %q", ready())
			}
			cancel()
		}()
		if err := s.Serve(ctx, run(ingest), run(detector)); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "msg=stopped program=ingest") {
			t.Error(log.String())
		}
		wantMetrics(t, s, `
			scanhound_ingest_log_messages_total{level="info"} 3
			scanhound_detector_log_messages_total{level="info"} 3`)
	})
}
