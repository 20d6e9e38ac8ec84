package service

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// repeatEvery is how often a warning or an error that repeats is written. Ten
// seconds keep a fault of hours readable and are short for who waits for its end.
const repeatEvery = 10 * time.Second

// repeats is a handler that writes a warning or an error at once and then, for
// as long as it repeats, its latest record every repeatEvery, with the number of
// those left out. Level and message make it the same: messages are constants, so
// nothing that arrives from outside can make a new one.
type repeats struct {
	next  slog.Handler
	state *repeatState // shared by all With and WithGroup
}

type repeatState struct {
	counts [4]atomic.Uint64 // every record, by levelIndex

	mu     sync.Mutex
	recent map[message]*recent // written or left out in the last repeatEvery
}

type message struct {
	level slog.Level
	text  string
}

// recent is a message whose next record waits until its timer fires.
type recent struct {
	timer   *time.Timer
	leftOut uint64
	latest  slog.Record // of those left out, with the handler for it
	handler slog.Handler
}

func newRepeats(next slog.Handler) *repeats {
	return &repeats{next, &repeatState{recent: map[message]*recent{}}}
}

func (r *repeats) Enabled(ctx context.Context, level slog.Level) bool {
	return r.next.Enabled(ctx, level)
}

func (r *repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &repeats{r.next.WithAttrs(attrs), r.state}
}

func (r *repeats) WithGroup(name string) slog.Handler {
	return &repeats{r.next.WithGroup(name), r.state}
}

func (r *repeats) Handle(ctx context.Context, record slog.Record) error {
	r.state.counts[levelIndex(record.Level)].Add(1)
	if record.Level >= slog.LevelWarn && r.state.leaveOut(r.next, record) {
		return nil
	}
	return r.next.Handle(ctx, record)
}

// leaveOut says whether record comes too soon after one like it, and keeps it
// for the time when it does not.
func (s *repeatState) leaveOut(handler slog.Handler, record slog.Record) bool {
	m := message{record.Level, record.Message}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, repeated := s.recent[m]
	if !repeated {
		s.recent[m] = &recent{timer: time.AfterFunc(repeatEvery, func() { s.due(m) })}
		return false
	}
	e.leftOut++
	e.latest, e.handler = record.Clone(), handler
	return true
}

// due writes what was left out of m since it was last written; where nothing
// was, m repeats no more and is forgotten.
func (s *repeatState) due(m message) {
	s.mu.Lock()
	e := s.recent[m]
	if e == nil { // flush was quicker than the timer
		s.mu.Unlock()
		return
	}
	was := *e
	if e.leftOut == 0 {
		delete(s.recent, m)
	} else {
		e.leftOut, e.handler = 0, nil
		e.timer.Reset(repeatEvery)
	}
	s.mu.Unlock()
	was.write()
}

// write writes the latest record left out, if there is one.
func (e *recent) write() {
	if e.leftOut == 0 {
		return
	}
	if e.leftOut > 1 {
		e.latest.AddAttrs(slog.Uint64("left_out", e.leftOut-1))
	}
	// Like slog itself: a log line that cannot be written has nowhere to go.
	_ = e.handler.Handle(context.Background(), e.latest)
}

// flush writes all that is left out now and forgets it.
func (s *repeatState) flush() {
	s.mu.Lock()
	all := s.recent
	s.recent = map[message]*recent{}
	s.mu.Unlock()
	for _, e := range all {
		e.timer.Stop()
		e.write()
	}
}

var levels = [4]string{"debug", "info", "warn", "error"}

func levelIndex(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return 0
	case l < slog.LevelWarn:
		return 1
	case l < slog.LevelError:
		return 2
	default:
		return 3
	}
}
