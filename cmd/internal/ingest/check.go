package ingest

import (
	"context"
	"errors"
	"log/slog"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/stream"
)

// Readable says what New would find wrong with the settings and the files that they name,
// and binds no socket.
func Readable(cfg Config, s *service.Service) error {
	if _, err := cfg.Kafka.Options(); err != nil {
		return s.MisconfiguredIn("kafka-", err)
	}
	_, err := place.Open(cfg.Place, s.Log)
	return s.MisconfiguredIn("", err)
}

// Check logs what in Kafka would keep an ingest of these settings from its work, or lose
// something. It makes and changes nothing.
func Check(ctx context.Context, cfg Config, log *slog.Logger) error {
	topics := map[string][]string{cfg.Flows.Topic: {"Read", "Write"}}
	for topic, must := range map[string][]string{cfg.Alerts.Topic: {"Read"}, cfg.Templates.Topic: {"Read", "Write"}} {
		if topic != "" { // not shared, or not read
			topics[topic] = must
		}
	}
	return errors.Join(
		stream.CheckTopic(ctx, cfg.Kafka, cfg.Flows.Topic, cfg.flowsTopic(), log),
		stream.CheckPermissions(ctx, cfg.Kafka, stream.Needs{Topics: topics}, log),
	)
}

// flowsTopic is what the topic of flows is made with, and compared with.
func (c *Config) flowsTopic() stream.TopicConfig {
	t := c.Topics
	t.Retention, t.Shorter = c.Retention, "a state that is lost is built from less than the window, see flows-retention"
	return t
}
