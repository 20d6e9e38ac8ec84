package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// largestSkew is how far two clocks that are kept by NTP never are apart.
const largestSkew = 2 * time.Second

// CheckNATS logs what keeps alerts of a subject from being stored, what in the stream differs
// from the settings, and a clock that is wrong. It makes nothing. The error is that NATS
// does not answer until ctx ends.
func CheckNATS(ctx context.Context, cfg NATSConfig, subject string, log *slog.Logger) error {
	n, err := DialNATS(cfg, log)
	if err != nil {
		return err
	}
	defer n.Close()
	for err = n.Connected(); err != nil; err = n.Connected() {
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return err
		}
	}
	asking, stop := context.WithTimeout(ctx, ackTimeout)
	defer stop()
	for _, want := range n.streams() {
		if done := n.checkStream(asking, want, log); done {
			return nil
		}
	}
	if err := n.Takes(ctx, subject); err != nil {
		log.Error("alerts would not be stored", "error", err)
	}
	return nil
}

// checkStream says whether there is nothing more to ask: the stream is not there, or takes nothing.
func (n *NATS) checkStream(ctx context.Context, want alertStream, log *slog.Logger) (done bool) {
	asked := time.Now()
	s, err := n.js.Stream(ctx, want.name)
	took := time.Since(asked)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		log.Warn("the alert stream is missing; an alerter makes it, if it may", "stream", want.name)
		return true
	case err != nil:
		log.Warn("the alert stream cannot be looked at; whether it takes alerts is asked next", "error", n.because(asked, err))
	default:
		if err := n.adopt(s.CachedInfo().Config, want); err != nil {
			log.Error("alerts would not be stored", "error", err)
			return true
		}
		if ahead := s.CachedInfo().TimeStamp.Sub(asked.Add(took / 2)); ahead.Abs() > largestSkew+took {
			log.Error("the clock of NATS and that of this machine differ: let NTP set both", "ahead", ahead.Round(time.Millisecond).String(), "mend", "chronyc makestep")
		}
	}
	return false
}
