package service_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// ingest is the settings of a program, and the program.
type ingest struct {
	service.Config
	Kafka kafka `embed:"" prefix:"kafka-" group:"Kafka:"`
}

type kafka struct {
	Brokers []string `default:"localhost:9092" help:"Where to begin."`
}

func (k kafka) Validate() error {
	if len(k.Brokers) == 0 {
		return errors.New("brokers: want at least one")
	}
	return nil
}

func (c *ingest) Run(ctx context.Context, s *service.Service) error {
	var decoded, skipped atomic.Uint64
	flows := make(chan []byte)
	s.Ready("kafka", func() error { return nil })
	s.Counters("datagrams_total", "Datagrams by outcome.", "outcome", func(yield func(string, uint64)) {
		yield("decoded", decoded.Load())
		yield("skipped", skipped.Load())
	})
	return s.Serve(ctx,
		service.Stage{Name: "read", Run: func(ctx context.Context) error {
			defer close(flows)
			<-ctx.Done()
			return nil
		}},
		service.Stage{Name: "produce", Run: func(context.Context) error {
			for range flows { // until read has closed it
				decoded.Add(1)
			}
			return nil
		}},
	)
}

func ExampleMain() {
	program := settings.Program{Name: "ingest", Help: "Datagrams in, flows out.", Admin: "127.0.0.1:9101"}
	os.Exit(service.Main(program, &ingest{}))
}
