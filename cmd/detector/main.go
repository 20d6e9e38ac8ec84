// Command detector reads flows from Kafka and writes an alert when a source scans.
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
var program = detector.Program.Beside(new(ingest.Config), new(alerter.Config))

type cli struct {
	service.Config
	Detector detector.Config `embed:""`
}

func main() { os.Exit(service.Main(program, new(cli))) }

// Run runs the program until ctx ends.
func (c *cli) Run(ctx context.Context, s *service.Service) error {
	p, err := detector.New(c.Detector, s)
	if err != nil {
		return err
	}
	return s.Serve(ctx, service.Stage{Name: "detector", Run: p.Run})
}
