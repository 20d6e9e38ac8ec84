package service

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signalError is why a context ended: somebody asked the process to end.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string {
	if e.signal == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}

// code is what a shell says of a process that the signal killed.
func (e signalError) code() int { return 128 + int(e.signal) }

// hasTerminal says whether a terminal can go away, which is what SIGHUP then means. To all
// others it says that there may be files to read again, and must not end who has none.
func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = tty.Close() // it was only read
	return true
}

// catchSignals returns a context that the first SIGTERM or SIGINT ends. The
// second calls exit: to restore the default action would not do, because the
// kernel does not kill process 1 of a container for a signal it does not handle.
// Without a terminal, SIGHUP is for those who ask for it.
func catchSignals(exit func(code int)) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	// Two: both signals may come before the goroutine has looked once.
	signals := make(chan os.Signal, 2)
	if !hasTerminal() {
		signal.Ignore(syscall.SIGHUP)
	}
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	released, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-released:
				return
			case caught := <-signals:
				e := signalError{caught.(syscall.Signal)}
				if ctx.Err() != nil {
					exit(e.code())
				}
				cancel(e)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		<-done
		cancel(context.Canceled)
	}
}
