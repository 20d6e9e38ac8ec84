package detector

import (
	"context"
	"errors"
	"log/slog"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/stream"
)

// Readable says what New would find wrong with the settings and the files that they name, of
// all of these at once, and logs the advice that a detector gives at its start.
func Readable(cfg Config, s *service.Service) error {
	d := &Detector{cfg: cfg, log: s.Log, service: s}
	_, kafka := cfg.Kafka.Options()
	book, places := place.Open(cfg.Place, s.Log)
	d.book = book
	err := errors.Join(cfg.Detect.Validate(), s.MisconfiguredIn("kafka-", kafka), s.MisconfiguredIn("", places), s.MisconfiguredIn("", d.readFiles(s)))
	if err == nil {
		d.advise()
	}
	return err
}

// Check logs what in Kafka would keep a detector of these settings from its work, or lose
// something. It makes and changes nothing.
func Check(ctx context.Context, cfg Config, log *slog.Logger) error {
	return errors.Join(
		stream.CheckFlows(ctx, cfg.Kafka, cfg.FlowsTopic, cfg.flowsNeed(), log),
		stream.CheckTopic(ctx, cfg.Kafka, cfg.Alerts.Topic, cfg.alertsTopic(), log),
		stream.CheckState(ctx, cfg.Kafka, cfg.StateTopic, cfg.Topics, log),
		stream.CheckPermissions(ctx, cfg.Kafka, stream.Needs{Group: cfg.Group, Topics: map[string][]string{
			cfg.FlowsTopic:   {"Read"},
			cfg.Alerts.Topic: {"Read", "Write", "DescribeConfigs"},
			cfg.StateTopic:   {"Read", "Write", "DescribeConfigs"},
		}}, log),
	)
}

// alertsTopic is what the topic of alerts is made with, and compared with.
func (c *Config) alertsTopic() stream.TopicConfig {
	t := c.Topics
	t.Retention, t.Like = c.Retention, c.FlowsTopic
	t.Shorter = "an ingest that starts does not know who has an alert for all of the 48h, and copies fewer sessions; an alerter that is away for longer loses alerts"
	return t
}

func (c *Config) flowsNeed() stream.FlowsNeed {
	return stream.FlowsNeed{Window: c.Detect.Window + lookback, Meant: c.Kept, Checkpoint: c.Checkpoint}
}
