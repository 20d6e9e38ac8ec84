package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/schema"
)

// Publisher publishes alerts to the stream. It belongs to one goroutine at a time;
// Stats may be called from any.
type Publisher struct {
	n    *NATS
	site string

	fresh, duplicates, refused, retries, copies atomic.Uint64
}

// PublisherStats says what became of the alerts: each one given to Publish is
// published, refused, or still being tried.
type PublisherStats struct {
	Published  uint64 // acknowledged by the stream, duplicates included
	Duplicates uint64 // of these, the stream had them already
	Refused    uint64 // the server will never take them: too large, or its stream has other subjects
	Retries    uint64 // messages sent again
	Copies     uint64 // of severe alerts, acknowledged by their stream; they are in none of the others
}

// ackTimeout is how long a message may wait for its PubAck before it is sent again.
const ackTimeout = 5 * time.Second

// inFlight bounds the messages that wait for a PubAck at once.
const inFlight = 256

// Publisher returns a publisher whose subjects name the site.
func (n *NATS) Publisher(site string) *Publisher { return &Publisher{n: n, site: site} }

// A RawAlert is an alert as it came, and what of it names it and its subject.
type RawAlert struct {
	schema.AlertHeader
	Data []byte // is published byte for byte, and not changed until Publish returns
}

// ReadAlert reads the header of an alert, and keeps its bytes as they are.
func ReadAlert(data []byte) (RawAlert, error) {
	h, err := schema.ReadAlertHeader(data)
	return RawAlert{h, data}, err
}

// Stats may be called at any time, from any goroutine.
func (p *Publisher) Stats() PublisherStats {
	s := PublisherStats{Duplicates: p.duplicates.Load(), Refused: p.refused.Load(), Retries: p.retries.Load(), Copies: p.copies.Load()}
	s.Published = p.fresh.Load() + s.Duplicates
	return s
}

// Publish returns when the stream has acknowledged every alert, or has refused it
// for good. While NATS is away it tries again, until ctx ends. Of an alert it reads the
// header alone: a field that this release does not know is published, too. A revision that was
// sent twice is stored once, within the stream's duplicate window. After an outage
// in the middle, an earlier revision may stand behind a later one: the highest counts.
func (p *Publisher) Publish(ctx context.Context, alerts []RawAlert) error {
	msgs := make([]message, 0, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		msgs = append(msgs, newMessage(a.Subject(p.site), a.MessageID(), a.Data))
		for _, subject := range a.SevereSubjects(p.site) {
			floor, _, _ := strings.Cut(strings.TrimPrefix(subject, "alerts."), ".")
			m := newMessage(subject, a.MessageID()+"."+floor, a.Data)
			m.copied = true
			msgs = append(msgs, m)
		}
	}
	for len(msgs) > 0 {
		n := min(len(msgs), inFlight)
		if err := p.deliver(ctx, msgs[:n]); err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

// message is a revision, or a copy of it for those who want severe ones alone.
type message struct {
	*nats.Msg
	copied bool
}

func newMessage(subject, id string, data []byte) message {
	m := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{}}
	m.Header.Set(jetstream.MsgIDHeader, id)
	return message{m, false}
}

// deliver sends msgs until none is left to send.
func (p *Publisher) deliver(ctx context.Context, msgs []message) error {
	for wait := backoff(0); ; wait = backoff(wait) {
		asked := time.Now()
		left, err := p.send(ctx, msgs)
		if len(left) == 0 {
			p.n.trouble.note(nil)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("publish %d alerts to NATS: %w (last: %w)", len(left), ctx.Err(), err)
		}
		err = p.n.because(asked, err)
		p.n.trouble.note(fmt.Errorf("%d alerts wait for NATS: %w", len(left), err))
		p.n.log.Warn("alerts wait for NATS", "alerts", len(left), "error", err)
		p.retries.Add(uint64(len(left)))
		pause(ctx, wait)
		msgs = left
	}
}

// send sends each message once and waits for the answers. It returns those to be
// sent again, and why the last of them failed.
func (p *Publisher) send(ctx context.Context, msgs []message) (left []message, last error) {
	futures := make([]jetstream.PubAckFuture, len(msgs))
	failures := make([]error, len(msgs))
	for i, m := range msgs {
		// The library's own retries hide how often; and it writes the reply subject into m.
		futures[i], failures[i] = p.n.js.PublishMsgAsync(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}, jetstream.WithRetryAttempts(0))
	}
	for i, m := range msgs {
		err := failures[i]
		if err == nil {
			err = p.await(ctx, futures[i], m.copied)
		}
		switch {
		case err == nil:
		case permanent(err) || errors.Is(err, jetstream.ErrNoStreamResponse) && p.n.unwanted(ctx, m.Subject):
			if !m.copied {
				p.refused.Add(1)
			}
			p.n.log.Error("alert left out: NATS will not take it", "subject", m.Subject, "id", m.Header.Get(jetstream.MsgIDHeader), "bytes", len(m.Data), "error", err)
		default:
			left, last = append(left, m), err
		}
	}
	return left, last
}

// await waits for one answer, which comes within ackTimeout.
func (p *Publisher) await(ctx context.Context, f jetstream.PubAckFuture, copied bool) error {
	select {
	case ack := <-f.Ok():
		// Each is counted in one place: published less duplicates is a metric, and never falls.
		switch {
		case copied:
			p.copies.Add(1)
		case ack.Duplicate:
			p.duplicates.Add(1)
		default:
			p.fresh.Add(1)
		}
		return nil
	case err := <-f.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// permanent says that sending the same again would fail again.
func permanent(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		// 400 is a message that breaks a rule of the stream; 5xx is a server that
		// cannot now: no leader, no room.
		return api.Code == http.StatusBadRequest && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse)
	}
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject)
}

// unwanted says whether no stream takes the subject. That nobody answered a message
// may also mean that the server is starting, or that the stream has no leader: only
// the server's word counts. A stream that was deleted is made again.
func (n *NATS) unwanted(ctx context.Context, subject string) bool {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	_, err := n.js.StreamNameBySubject(ctx, subject)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return false
	}
	err = n.ensureOnce(ctx)
	return errors.Is(err, errStream) || err != nil && permanent(err)
}
