package service

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAProbeSaysWhatWasLastAnsweredAndNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet()
		s.state.Store(running)
		var refuses atomic.Bool
		var asked atomic.Int32
		p := s.Probe("kafka", func(context.Context) error {
			asked.Add(1)
			if refuses.Load() {
				return errors.New("refuses")
			}
			return nil
		})
		want := func(reasons string) {
			t.Helper()
			synctest.Wait()
			if _, got := s.readiness(); got != reasons {
				t.Errorf("%q, want %q", got, reasons)
			}
		}
		want("kafka: has not been asked yet\n")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = p.Run(ctx) }()
		want("ready\n")
		refuses.Store(true)
		want("ready\n") // until it is asked again
		time.Sleep(probeEvery)
		want("kafka: refuses\n")
		refuses.Store(false)
		time.Sleep(probeEvery)
		want("ready\n")
		if n := asked.Load(); n != 3 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestAProbeOfWhatHangsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet()
		s.state.Store(running)
		p := s.Probe("kafka", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		time.Sleep(probeTimeout + time.Second)
		if _, got := s.readiness(); got != "kafka: context deadline exceeded\n" {
			t.Errorf("got %q", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
