package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Trouble is what keeps somebody from using a server that answers, for /readyz. The zero
// value is none. Any goroutine may call it.
type Trouble struct {
	mu   sync.Mutex
	last error
	at   time.Time
}

// troubleFor is how long an error is taken for the state of things when nothing was heard
// since: whoever tries again does so sooner.
const troubleFor = 20 * time.Second

// Now is the last error, if it is not over.
func (t *Trouble) Now() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || time.Since(t.at) > troubleFor {
		return nil
	}
	return t.last
}

// note notes what a try came to; nil ends the trouble.
func (t *Trouble) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.at = err, time.Now()
}

// refusedPause is how long one waits before it asks again for what was refused: somebody
// has to give permission.
const refusedPause = 2 * time.Second

// Insist calls f until it succeeds, as long as Kafka only refuses what f asks for: who has
// no permission yet needs no restart when somebody gives it. What Kafka says stands in the log
// and in t. The error is that of f when it is another one, or when ctx ends.
func Insist(ctx context.Context, t *Trouble, log *slog.Logger, f func(context.Context) error) error {
	defer t.note(nil)
	for {
		err := f(ctx)
		if err == nil || !refused(err) {
			return err
		}
		err = advised(err)
		t.note(err)
		log.Error("Kafka refuses what is needed; it is asked again", "error", err)
		if pause(ctx, refusedPause); ctx.Err() != nil {
			return fmt.Errorf("%w (gave up: %w)", err, ctx.Err())
		}
	}
}

// refused says whether it takes somebody's permission.
func refused(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) ||
		errors.Is(err, kerr.ClusterAuthorizationFailed)
}

// advised is err, and what to do about it.
func advised(err error) error { return fmt.Errorf("%w: %s", err, advice(err)) }
