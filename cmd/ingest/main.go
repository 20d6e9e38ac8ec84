// Command ingest turns the NetFlow, IPFIX and sFlow datagrams of routers into flows on Kafka.
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
var program = ingest.Program.Beside(new(detector.Config), new(alerter.Config))

type cli struct {
	service.Config
	Ingest ingest.Config `embed:""`
}

func main() { os.Exit(service.Main(program, new(cli))) }

// Run runs the program until ctx ends.
func (c *cli) Run(ctx context.Context, s *service.Service) error {
	p, err := ingest.New(c.Ingest, s)
	if err != nil {
		return err
	}
	return s.Serve(ctx, service.Stage{Name: "ingest", Run: p.Run})
}
