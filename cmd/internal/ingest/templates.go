package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// shared is the table in which all ingests keep templates; without a topic it
// does nothing.
type shared struct {
	*stream.Table
	cancel context.CancelFunc
	done   chan error
}

// shareTemplates loads what the others know, and from then on tells them what is
// new here and learns what is new there.
func (in *Ingest) shareTemplates(ctx context.Context) (*shared, error) {
	if in.cfg.Templates.Topic == "" {
		return &shared{}, nil
	}
	t, err := stream.OpenTable(ctx, in.cfg.Kafka, in.cfg.Templates.Topic, in.cfg.Topics.Replicas, in.learn, in.log)
	if err != nil {
		return nil, fmt.Errorf("load the templates of other ingests: %w", err)
	}
	in.templates.OnChange(t.Put)
	in.templates.OnLoad(in.loaded) // from now on: what was loaded is old
	in.table.Store(t)
	in.log.Info("templates loaded", "topic", in.cfg.Templates.Topic, "entries", t.Stats().Loaded)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &shared{t, cancel, make(chan error, 1)}
	go func() { s.done <- t.Run(ctx) }()
	return s, nil
}

// learn takes an entry of the table.
func (in *Ingest) learn(key, value []byte) {
	if err := in.templates.Load(key, value); err != nil {
		in.badEntries.Add(1)
		if more, ok := in.workers[0].notices.turn(schema.TimeOf(time.Now())); ok {
			in.log.Warn("an entry of the templates topic is left out: it is none of ours", "topic", in.cfg.Templates.Topic, "error", err,
				"not_logged_before", more)
		}
	}
}

// stop ends the learning; what is put is still written.
func (s *shared) stop() {
	if s.Table != nil {
		s.cancel()
	}
}

func (s *shared) close(ctx context.Context) error {
	if s.Table == nil {
		return nil
	}
	if err := <-s.done; err != nil {
		return err
	}
	return s.Close(ctx)
}
