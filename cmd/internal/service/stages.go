package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Stage is one part of a program's work. Run blocks. When ctx ends it takes
// nothing new, hands on what it has to the stages after it, and returns; it does
// not wait for a later stage that is gone.
type Stage struct {
	Name string
	Run  func(ctx context.Context) error
}

// Serve opens the admin port, runs the stages, and returns when all have. When
// ctx ends or any stage returns, the stages are stopped from first to last, each
// only when the one before it has returned, so that what is upstream drains into
// what is downstream.
//
// The error is that of the stage that failed first; a stage that was stopped may
// return [context.Canceled]. When stopping takes longer than the setting
// shutdown-timeout, Serve cancels all that is left and returns without waiting,
// with an error that names the stage that hangs.
func (s *Service) Serve(ctx context.Context, stages ...Stage) error {
	closeAdmin, err := s.openAdmin()
	if err != nil {
		return err
	}
	defer closeAdmin()
	s.state.Store(running)
	f := s.start(context.WithoutCancel(ctx), stages)
	s.Log.Info("started", "program", s.name, "version", Version().String())
	select {
	case <-ctx.Done():
		s.Log.Info("stopping", "reason", context.Cause(ctx).Error())
	case r := <-f.returned:
		f.note(r)
		s.Log.Info("stopping", "reason", "stage "+f.stages[r.stage].Name+" returned")
	}
	s.state.Store(stopping)
	if err := f.stop(s.timeout()); err != nil {
		return err
	}
	s.Log.Info("stopped")
	return nil
}

func (s *Service) timeout() time.Duration {
	if s.config.ShutdownTimeout == 0 {
		return shutdownTimeout
	}
	return s.config.ShutdownTimeout
}

// fleet is the stages under way. Its owner is the goroutine that calls Serve.
type fleet struct {
	s        *Service
	stages   []*sailing
	returned chan result
	failure  error // of the stage that failed first
}

type sailing struct {
	Stage
	cancel context.CancelFunc
	asked  bool // to stop
	ended  bool
}

type result struct {
	stage int
	err   error
}

func (s *Service) start(ctx context.Context, stages []Stage) *fleet {
	// A place for each: a stage can return after Serve has given up on it.
	f := &fleet{s: s, returned: make(chan result, len(stages))}
	for i, stage := range stages {
		ctx, cancel := context.WithCancel(ctx)
		f.stages = append(f.stages, &sailing{Stage: stage, cancel: cancel})
		go func() { f.returned <- result{i, stage.Run(ctx)} }()
	}
	return f
}

// stop stops the stages from first to last.
func (f *fleet) stop(within time.Duration) error {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for _, stage := range f.stages {
		stage.asked = true
		stage.cancel()
		for !stage.ended {
			select {
			case r := <-f.returned:
				f.note(r)
			case <-deadline.C:
				return f.giveUp(stage, within)
			}
		}
	}
	return f.failure
}

func (f *fleet) note(r result) {
	stage := f.stages[r.stage]
	stage.ended = true
	stage.cancel()
	switch {
	case r.err == nil, stage.asked && errors.Is(r.err, context.Canceled):
		f.s.Log.Debug("stage returned", "stage", stage.Name)
	case f.failure == nil:
		f.failure = fmt.Errorf("%s: %w", stage.Name, r.err)
	default: // most often a consequence of the first
		f.s.Log.Error("another stage failed", "stage", stage.Name, "error", r.err)
	}
}

func (f *fleet) giveUp(hangs *sailing, after time.Duration) error {
	for _, stage := range f.stages {
		stage.cancel()
	}
	text := fmt.Sprintf("stage %s did not stop within %v", hangs.Name, after)
	if f.failure != nil {
		return fmt.Errorf("%w; then %s", f.failure, text)
	}
	return errors.New(text)
}
