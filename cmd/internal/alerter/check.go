package alerter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/scanhound/scanhound/cmd/internal/output"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Readable says what New would find wrong with the settings and the files that they name,
// and connects to nothing.
func Readable(cfg Config, s *service.Service) error {
	_, err := cfg.Kafka.Options()
	if err = errors.Join(s.MisconfiguredIn("kafka-", err), s.MisconfiguredIn("nats-", cfg.NATS.Readable())); err != nil {
		return service.Misconfigured(err)
	}
	_, err = output.New(cfg.Outputs, output.Source{}, s)
	return err
}

// Check logs what in Kafka and NATS would keep an alerter of these settings from its work. It
// makes and changes nothing.
func Check(ctx context.Context, cfg Config, log *slog.Logger) error {
	err := stream.CheckPermissions(ctx, cfg.Kafka, stream.Needs{Group: cfg.Group, Topics: map[string][]string{cfg.AlertsTopic: {"Read"}}}, log)
	h := schema.AlertHeader{ID: "0"}
	if also := stream.CheckNATS(ctx, cfg.NATS, h.Subject(cfg.Site), log); also != nil {
		return errors.Join(err, fmt.Errorf("look at NATS: %w", also))
	}
	return err
}
