package service

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Probe asks now and then whether something that the program depends on answers,
// so that /readyz can say so without waiting.
type Probe struct {
	ask  func(context.Context) error
	last atomic.Pointer[error]
}

const (
	probeEvery   = 5 * time.Second
	probeFirst   = 250 * time.Millisecond // until the first yes: a start is not to wait for the next turn
	probeTimeout = 3 * time.Second
)

var errNotAsked = errors.New("has not been asked yet")

// Probe registers a check that says what ask last said. Somebody must run it.
func (s *Service) Probe(name string, ask func(context.Context) error) *Probe {
	p := &Probe{ask: ask}
	p.last.Store(&errNotAsked)
	s.Ready(name, func() error { return *p.last.Load() })
	return p
}

// Run asks at once and then every five seconds until ctx ends.
func (p *Probe) Run(ctx context.Context) error {
	every := time.NewTicker(probeFirst)
	defer every.Stop()
	for {
		asking, stop := context.WithTimeout(ctx, probeTimeout)
		err := p.ask(asking)
		stop()
		p.last.Store(&err)
		if err == nil {
			every.Reset(probeEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}
