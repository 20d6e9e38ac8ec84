package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/schema"
)

// maxAlert is the largest alert that the stream takes. An alert has a few kB: its
// lists are samples. With footprints that no compression helps it has up to 80.
const maxAlert = 256 << 10

// EnsureStream creates the alert stream unless it exists, asking until ctx ends
// while NATS does not answer. A stream that exists is left as it is, since it may
// belong to an operator's manifest; what differs from the settings is logged, and
// it is an error only if alerts would not go into it.
func (n *NATS) EnsureStream(ctx context.Context) error {
	defer n.trouble.note(nil)
	for wait := backoff(0); ; wait = backoff(wait) {
		err := n.ensureOnce(ctx)
		if err == nil || permanent(err) || errors.Is(err, errStream) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (gave up: %w)", err, ctx.Err())
		}
		n.trouble.note(err)
		n.log.Warn("waiting for NATS", "error", err)
		pause(ctx, wait)
	}
}

// errStream is a stream that cannot be used as it is.
var errStream = errors.New("the stream cannot hold the alerts")

// Answers of the server that only its operator can change, by err_code
// (nats-server/server/errors.json).
const (
	codeSubjectOverlap = 10065 // JSStreamSubjectOverlapErr: another stream has the subjects
	codeNoReplicas     = 10074 // JSStreamReplicasNotSupportedErr: the server is not in a cluster
)

func (n *NATS) ensureOnce(ctx context.Context) error {
	if err := n.Connected(); err != nil {
		return err
	}
	for _, s := range n.streams() {
		if err := n.ensure(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// alertStream is one of those that hold alerts.
type alertStream struct {
	name, about string
	subjects    []string
	bytes       int64 // that it may take
	copies      bool  // of alerts that stand elsewhere, too
}

func (n *NATS) streams() []alertStream {
	name := n.cfg.StreamConfig.Name
	return []alertStream{
		{name, "scan alerts of scanhound", []string{schema.AlertSubjects}, n.cfg.MaxBytes, false},
		{schema.SevereStream(name), "copies of the scan alerts of scanhound that are high or critical", schema.SevereSubjects, max(n.cfg.MaxBytes/4, -1), true},
	}
}

func (n *NATS) ensure(ctx context.Context, want alertStream) error {
	c, asked := n.cfg.StreamConfig, time.Now()
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	s, err := n.js.Stream(ctx, want.name)
	switch {
	case err == nil:
		return n.adopt(s.CachedInfo().Config, want)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("create stream %s: %w: enable JetStream in the server and for this account", want.name, err)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return n.unseen(whole, want, fmt.Errorf("look up stream %s: %w", want.name, n.because(asked, err)))
	}
	_, err = n.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: want.name, Description: want.about, Subjects: want.subjects,
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld,
		MaxAge: c.MaxAge, MaxBytes: want.bytes, MaxMsgSize: maxAlert, MaxMsgs: -1, MaxConsumers: -1,
		Replicas: c.Replicas, Duplicates: c.Duplicates, DenyDelete: true,
	})
	var api *jetstream.APIError
	switch {
	case err == nil:
		n.log.Info("alert stream created", "stream", want.name, "subjects", strings.Join(want.subjects, ", "))
		return nil
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		return err // another of us was quicker: look again
	case errors.As(err, &api) && api.ErrorCode == codeSubjectOverlap && want.copies && n.takesAll(whole, want) == nil:
		n.log.Info("another stream takes the copies of severe alerts; it is used as it is", "subjects", strings.Join(want.subjects, ", "))
		return nil
	case errors.As(err, &api) && api.ErrorCode == codeSubjectOverlap:
		return fmt.Errorf("create stream %s: %w: another stream has subjects in %s: delete it, or give its name as nats-stream-name: %w", want.name, errStream, strings.Join(want.subjects, ", "), err)
	case errors.As(err, &api) && api.ErrorCode == codeNoReplicas:
		return fmt.Errorf("create stream %s: %w: %d replicas need a NATS cluster, and this server stands alone: set nats-stream-replicas to 1: %w", want.name, errStream, c.Replicas, err)
	}
	return fmt.Errorf("create stream %s with %d replicas: %w", want.name, c.Replicas, n.because(asked, err))
}

// unseen takes a stream as it is that this user may not look at, if it takes alerts: to
// publish is all that is needed.
func (n *NATS) unseen(ctx context.Context, want alertStream, err error) error {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	if also := n.takesAll(ctx, want); also != nil {
		return fmt.Errorf("%w; %w", err, also)
	}
	n.log.Warn("the alert stream may not be looked at by this user; it takes alerts, and is used as it is", "stream", want.name)
	return nil
}

// takesAll says why alerts would not be stored that are of the stream's subjects.
func (n *NATS) takesAll(ctx context.Context, want alertStream) error {
	if want.copies {
		return n.takesCopies(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	for _, subject := range want.subjects {
		if err := n.takes(ctx, strings.Replace(subject, ">", "default.0.0", 1)); err != nil {
			return err
		}
	}
	return nil
}

// adopt judges a stream that someone else has made.
func (n *NATS) adopt(have jetstream.StreamConfig, of alertStream) error {
	want := n.cfg.StreamConfig
	missing := slices.DeleteFunc(slices.Clone(of.subjects), func(subject string) bool {
		return slices.ContainsFunc(have.Subjects, func(s string) bool {
			prefix, all := strings.CutSuffix(s, ">")
			return all && strings.HasPrefix(subject, prefix)
		})
	})
	switch {
	case len(missing) > 0:
		return fmt.Errorf("stream %s: %w: its subjects are %q: add %s", have.Name, errStream, have.Subjects, strings.Join(missing, ", "))
	case have.NoAck:
		return fmt.Errorf("stream %s: %w: it acknowledges nothing: set no_ack to false", have.Name, errStream)
	}
	differs := func(what string, has, wanted any) {
		n.log.Warn("the alert stream exists and differs from the settings; it is used as it is", "stream", of.name, "what", what, "has", has, "settings", wanted)
	}
	if have.Duplicates < want.Duplicates {
		differs("duplicates", have.Duplicates, want.Duplicates)
	}
	if have.Replicas != want.Replicas {
		differs("replicas", have.Replicas, want.Replicas)
	}
	if have.MaxAge != want.MaxAge {
		differs("max-age", have.MaxAge, want.MaxAge)
	}
	return nil
}

// backoff doubles a wait, from 100 ms to 5 s.
func backoff(d time.Duration) time.Duration {
	return min(max(2*d, 100*time.Millisecond), 5*time.Second)
}
