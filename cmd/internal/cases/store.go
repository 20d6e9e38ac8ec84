package cases

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/schema"
)

// Store is the stream of the alerts.
type Store struct {
	JS   jetstream.JetStream
	Name string
}

// What is wrong with a question for an alert.
var (
	ErrNone = errors.New("no such alert")
	ErrID   = errors.New("not the id of one alert")
)

// shortID is what every text prints of an id; that much of one is enough here, too.
var shortID = regexp.MustCompile(`^([0-9a-f]{12,32})(\.[0-9]+)?$`)

// Get returns the newest revision of the alert whose id begins with id. What texts add to an id,
// such as .3 for a revision, is left out.
func (s Store) Get(ctx context.Context, id string) (*schema.Alert, error) {
	m := shortID.FindStringSubmatch(strings.ToLower(strings.Trim(id, "[] ")))
	if m == nil {
		return nil, fmt.Errorf("%w: %q: give 12 hex digits or more of it", ErrID, id)
	}
	stream, err := s.JS.Stream(ctx, s.Name)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", s.Name, err)
	}
	// The server keeps the subjects: to list those of one shard reads no alert.
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("alerts.scan.*."+m[1][:1]+".*"))
	if err != nil {
		return nil, fmt.Errorf("list the alerts of stream %s: %w", s.Name, err)
	}
	var subjects []string
	for subject := range info.State.Subjects {
		if strings.HasPrefix(subject[strings.LastIndexByte(subject, '.')+1:], m[1]) {
			subjects = append(subjects, subject)
		}
	}
	switch slices.Sort(subjects); len(subjects) {
	case 0:
		return nil, fmt.Errorf("%w: none in %s begins with %s; it may be older than the stream keeps them", ErrNone, s.Name, m[1])
	case 1:
	default:
		return nil, fmt.Errorf("%w: %d begin with %s: give more digits", ErrID, len(subjects), m[1])
	}
	msg, err := stream.GetLastMsgForSubject(ctx, subjects[0])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", subjects[0], err)
	}
	return schema.ParseAlert(msg.Data)
}

// Last gives take the newest revision of each alert, those first that were said first. What is
// no alert is left out. Memory does not grow with their number.
func (s Store) Last(ctx context.Context, take func(*schema.Alert) error) error {
	return s.read(ctx, jetstream.DeliverLastPerSubjectPolicy, false, take)
}

// Follow gives take every revision from now on, until ctx ends.
func (s Store) Follow(ctx context.Context, take func(*schema.Alert) error) error {
	return s.read(ctx, jetstream.DeliverNewPolicy, true, take)
}

func (s Store) read(ctx context.Context, from jetstream.DeliverPolicy, forever bool, take func(*schema.Alert) error) error {
	c, err := s.JS.OrderedConsumer(ctx, s.Name, jetstream.OrderedConsumerConfig{FilterSubjects: []string{schema.AlertSubjects}, DeliverPolicy: from})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", s.Name, err)
	}
	if info, err := c.Info(ctx); err != nil {
		return fmt.Errorf("read stream %s: %w", s.Name, err)
	} else if !forever && info.NumPending == 0 {
		return nil
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(256))
	if err != nil {
		return fmt.Errorf("read stream %s: %w", s.Name, err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", s.Name, err)
		}
		if a, err := schema.ParseAlert(m.Data()); err == nil {
			if err := take(a); err != nil {
				return err
			}
		}
		if meta, err := m.Metadata(); err == nil && meta.NumPending == 0 && !forever {
			return nil
		}
	}
}
