package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream/embedded"
)

// demo is the whole pipeline in one process: the code of the deployed programs,
// with a Kafka and a NATS that live only as long as it does.
type demo struct {
	Files        []string      `arg:"" optional:"" name:"file" help:"Captures of exporter datagrams to play instead of the recorded scans."`
	Within       time.Duration `default:"15s" env:"-" help:"Time in which the recording is played, whatever it took."`
	ExitWhenIdle bool          `env:"-" help:"End when everything that was played has become an alert or nothing."`
	Dir          string        `env:"-" placeholder:"FOLDER" help:"Folder in which Kafka and NATS keep their data; else one that is removed at the end."`
	rules.Config
}

// Validate says what is wrong and what to write instead.
func (c *demo) Validate() error {
	if c.Within <= 0 {
		return fmt.Errorf("within: %v is no time to play anything: give a positive duration", c.Within)
	}
	return nil
}

// Run plays until all is said, or until ctx ends.
func (c *demo) Run(ctx context.Context, s *service.Service) (err error) {
	recording, err := openRecording(c.Files)
	if err != nil {
		return err
	}
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "scanhound-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	b, err := startBrokers(dir, embedded.KafkaConfig{}, embedded.NATSConfig{}, s)
	if err != nil {
		return err
	}
	defer b.close()
	of := demoSettings(b.kafka.Brokers(), b.nats.URL(), c.Config)
	p, err := newPipeline(of, s)
	if err != nil {
		return err
	}
	player := &player{recording: recording, within: c.Within, end: time.Now(), to: p.ingest.Addrs()[0]}
	play := func(ctx context.Context) error {
		if err := player.play(ctx); err != nil {
			return err
		}
		err := p.waitUntilIdle(ctx, player)
		p.report(player, s.Stdout)
		if err != nil || c.ExitWhenIdle {
			return err
		}
		_, _ = fmt.Fprintln(s.Stdout, "\nCtrl-C ends it.")
		<-ctx.Done()
		return nil
	}
	return s.Serve(ctx, append([]service.Stage{{Name: "player", Run: play}}, p.stages()...)...)
}

// demoPartitions is enough to see that sources are divided.
const demoPartitions = 4

// demoSettings are those of one exporter on this machine.
func demoSettings(brokers []string, natsURL string, rules rules.Config) *configs {
	c := settingsFor(brokers, natsURL)
	c.ingest.UDP.Listen, c.ingest.UDP.Workers = []string{"127.0.0.1:0"}, 1
	c.ingest.Topics.Partitions, c.detector.Topics.Partitions = demoPartitions, demoPartitions
	c.detector.Config = rules
	c.alerter.Site = "demo"
	return c
}

// pipeline is the three programs and a subscriber, upstream first.
type pipeline struct {
	*programs
	subscriber *subscriber
}

func newPipeline(c *configs, s *service.Service) (*pipeline, error) {
	three, err := newPrograms(c, s)
	if err != nil {
		return nil, err
	}
	last := &subscriber{cfg: c.alerter.NATS, log: s.Part("subscriber").Log, take: func(a *schema.Alert) {
		_, _ = s.Stdout.Write(append(appendLine(nil, a), '\n'))
	}}
	return &pipeline{three, last}, nil
}

func (p *pipeline) stages() []service.Stage {
	return append(p.programs.stages(), service.Stage{Name: "subscriber", Run: p.subscriber.Run})
}
