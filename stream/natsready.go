package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/schema"
)

// codeOtherStream is the answer to a message that names a stream which is not the one of its
// subject (nats-server/server/errors.json, JSStreamNotMatchErr).
const codeOtherStream = 10060

// How long an answer about the copies may take, and how long none is asked for after it did not come.
const (
	copiesTimeout = time.Second
	copiesRest    = 5 * time.Minute
)

// nobody is the name of no stream.
const nobody = "scanhound-asks-only"

// Takes says why alerts of such a subject would not be stored, though NATS is connected: no
// stream has the subject, JetStream is off, or this user may not publish. It sends a message
// that every stream refuses, which only one that could have taken another does. Where NATS is
// not connected it says nothing: see Connected.
func (n *NATS) Takes(ctx context.Context, subject string) error {
	if !n.nc.IsConnected() {
		return nil
	}
	if err := n.trouble.Now(); err != nil {
		return err
	}
	if err := n.takes(ctx, subject); err != nil {
		return err
	}
	return n.takesCopies(ctx)
}

func (n *NATS) takes(ctx context.Context, subject string) error {
	asked := time.Now()
	_, err := n.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: nats.Header{}},
		jetstream.WithExpectStream(nobody), jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeOtherStream {
		return nil
	}
	if err == nil {
		err = errors.New("the server does not heed " + jetstream.ExpectedStreamHeader)
	}
	return fmt.Errorf("alerts are not stored by NATS: ask about %s: %w", subject, n.because(asked, err))
}

// takesCopies says that no stream has the subjects of the copies of severe alerts. Nothing is sent
// there, since it would wake whoever listens to what is critical. Who may not ask gets no answer, and
// does not ask again soon.
func (n *NATS) takesCopies(ctx context.Context) error {
	if time.Now().UnixNano() < n.silent.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, copiesTimeout)
	defer cancel()
	for _, subject := range schema.SevereSubjects {
		switch _, err := n.js.StreamNameBySubject(ctx, subject); {
		case err == nil:
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			n.silent.Store(time.Now().Add(copiesRest).UnixNano())
			return nil
		default:
			return fmt.Errorf("copies of severe alerts are not stored by NATS: no stream has the subject %s: was it deleted? restart the alerter, or make it as docs/alert.md says", subject)
		}
	}
	return nil
}

// because adds to an error of a request why it was not answered, if NATS has told since.
func (n *NATS) because(since time.Time, err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: JetStream is off in this server or for this account, or the stream has no leader, or was deleted", err)
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return err
	}
	if v := n.violation.Load(); v != nil && (v.lasts || !v.at.Before(since)) {
		return fmt.Errorf("%w: allow this user to publish to %s and to the stream's API (docs/operating.md, Permissions), and to subscribe to _INBOX.>", v.err, strings.Join(append([]string{schema.AlertSubjects}, schema.SevereSubjects...), ", "))
	}
	return err
}

// violation is what this user may not.
type violation struct {
	at    time.Time
	err   error
	lasts bool // it is of answers, for which the client subscribes once in a connection
}

func (n *NATS) noteError(err error) {
	if errors.Is(err, nats.ErrPermissionViolation) || strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
		n.violation.Store(&violation{time.Now(), err, strings.Contains(err.Error(), "Subscription")})
	}
	n.log.Warn("NATS", "error", err)
}
