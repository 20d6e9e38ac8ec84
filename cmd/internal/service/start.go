package service

import (
	"context"
	"errors"
	"fmt"
)

// Start calls connect, which waits for what the program depends on for as long as
// its context allows: for ever, unless the setting start-timeout says otherwise.
// When that has passed, the error is that of connect with the [ExitCode] of
// [Unreachable]. What connect opens must not hold on to its context.
func (s *Service) Start(ctx context.Context, connect func(context.Context) error) error {
	limit := s.config.StartTimeout
	if limit == 0 {
		return connect(ctx)
	}
	starting, stop := context.WithTimeout(ctx, limit)
	defer stop()
	err := connect(starting)
	if ctx.Err() == nil && starting.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return Unreachable(fmt.Errorf("not within %v, the start-timeout: %w", limit, err))
	}
	return err
}
