// Command alerter publishes the alerts that stand in Kafka to NATS JetStream.
package main

import (
	"context"
	"os"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
)

// One settings file may serve all three programs.
var program = alerter.Program.Beside(new(ingest.Config), new(detector.Config))

type cli struct {
	service.Config
	Alerter alerter.Config `embed:""`
}

func main() { os.Exit(service.Main(program, new(cli))) }

// Run runs the program until ctx ends.
func (c *cli) Run(ctx context.Context, s *service.Service) error {
	p, err := alerter.New(c.Alerter, s)
	if err != nil {
		return err
	}
	return s.Serve(ctx, service.Stage{Name: "alerter", Run: p.Run})
}
