package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/stream"
)

// check looks at a deployment as its programs would at their start, and changes nothing.
type check struct {
	Programs []string      `arg:"" optional:"" enum:"ingest,detector,alerter" help:"Programs whose settings are checked: ingest, detector, alerter; all of them unless said otherwise."`
	Online   bool          `help:"Ask Kafka and NATS too: topics, permissions, stream, clock. Nothing is made there and nothing changed."`
	Alert    string        `placeholder:"FILE" help:"Alerts, one JSON a line: print on which subjects and to which outputs each would go, or what holds it back, and nothing else. Nothing is sent."`
	Timeout  time.Duration `name:"check-timeout" default:"10s" help:"How long Kafka and NATS may take to answer for each program."`
}

// inspected is a program as check sees it: what it is filled from, and what is asked.
type inspected struct {
	settings.Program
	cli      any
	kafka    *stream.KafkaConfig
	readable func(*service.Service) error
	online   func(context.Context, *slog.Logger) error
}

// Validate says what is wrong and what to write instead.
func (c *check) Validate() error {
	if c.Timeout <= 0 {
		return fmt.Errorf("check-timeout %v: give more than 0s", c.Timeout)
	}
	return nil
}

// Run prints what is found. Its error is what has to be changed before the programs work.
func (c *check) Run(ctx context.Context, s *service.Service) error {
	if c.Alert != "" {
		return c.ways(s)
	}
	var f diagnosis
	var wrong []string // each line once: the programs share settings and files
	var away []error
	programs := c.Programs
	if len(programs) == 0 {
		programs = []string{"ingest", "detector", "alerter"}
	}
	for _, name := range programs {
		p := programOf(name)
		err := c.offline(name, p, s, &f)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !slices.Contains(wrong, line) {
					wrong = append(wrong, line)
				}
			}
			continue
		}
		if !c.Online {
			continue
		}
		if err := c.ask(ctx, name, p, &f); err != nil {
			away = append(away, fmt.Errorf("%s: %w", name, err))
		}
	}
	if err := f.print(s.Stdout); err != nil {
		return err
	}
	switch {
	case len(wrong) > 0:
		return service.Misconfigured(errors.New(strings.Join(wrong, "\n")))
	case len(away) > 0:
		return service.Unreachable(errors.Join(away...))
	case f.errors > 0:
		return fmt.Errorf("%d things to mend", f.errors)
	}
	_, err := fmt.Fprintf(s.Stdout, "nothing has to be mended, %d warnings\n", len(f.list))
	return err
}

func (c *check) offline(name string, p inspected, s *service.Service, f *diagnosis) error {
	as, err := s.As(p.Beside(program.Others...), p.cli, f.of(name))
	if err != nil {
		return err
	}
	return p.readable(as)
}

// ask asks the servers; its error is that one of them does not answer.
func (c *check) ask(ctx context.Context, name string, p inspected, f *diagnosis) error {
	ctx, stop := context.WithTimeout(ctx, c.Timeout)
	defer stop()
	log := slog.New(f.of(name))
	cl, err := p.kafka.Dial(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = stream.Reachable(ctx, cl)
	cl.Close()
	if err != nil {
		return err
	}
	return p.online(ctx, log)
}

func programOf(name string) inspected {
	switch name {
	case "ingest":
		cli := new(struct {
			service.Config
			Ingest ingest.Config `embed:""`
		})
		return inspected{ingest.Program, cli, &cli.Ingest.Kafka,
			func(s *service.Service) error { return ingest.Readable(cli.Ingest, s) },
			func(ctx context.Context, log *slog.Logger) error { return ingest.Check(ctx, cli.Ingest, log) }}
	case "detector":
		cli := new(struct {
			service.Config
			Detector detector.Config `embed:""`
		})
		return inspected{detector.Program, cli, &cli.Detector.Kafka,
			func(s *service.Service) error { return detector.Readable(cli.Detector, s) },
			func(ctx context.Context, log *slog.Logger) error { return detector.Check(ctx, cli.Detector, log) }}
	default:
		cli := new(struct {
			service.Config
			Alerter alerter.Config `embed:""`
		})
		return inspected{alerter.Program, cli, &cli.Alerter.Kafka,
			func(s *service.Service) error { return alerter.Readable(cli.Alerter, s) },
			func(ctx context.Context, log *slog.Logger) error { return alerter.Check(ctx, cli.Alerter, log) }}
	}
}
