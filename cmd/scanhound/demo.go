package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/profile"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream/embedded"
)

// demo is the whole pipeline in one process: the code of the deployed programs,
// with a Kafka and a NATS that live only as long as it does.
type demo struct {
	Files        []string       `arg:"" optional:"" name:"file" help:"Captures of exporter datagrams to play instead of the recorded scans."`
	Within       time.Duration  `default:"15s" env:"-" help:"Time in which the recording is played, whatever it took."`
	ExitWhenIdle bool           `env:"-" help:"End when everything that was played has become an alert or nothing."`
	Dir          string         `env:"-" placeholder:"FOLDER" help:"Folder in which Kafka and NATS keep their data; else one that is removed at the end."`
	Detect       detect.Config  `embed:"" group:"Detection:"`
	Profile      profile.Config `embed:"" group:"Detection:"`
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
	b, err := startBrokers(dir, s)
	if err != nil {
		return err
	}
	defer b.close()
	of := settingsFor(b.kafka.Brokers(), b.nats.URL(), c.Detect)
	of.detector.Profile = c.Profile
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

// brokers are the servers in this process.
type brokers struct {
	kafka *embedded.KafkaServer
	nats  *embedded.NATSServer
}

// demoPartitions is enough to see that sources are divided.
const demoPartitions = 4

func startBrokers(dir string, s *service.Service) (*brokers, error) {
	var b brokers
	var err error
	if b.kafka, err = embedded.Kafka(embedded.KafkaConfig{Dir: filepath.Join(dir, "kafka")}, s.Log); err != nil {
		return nil, err
	}
	if b.nats, err = embedded.NATS(embedded.NATSConfig{Dir: filepath.Join(dir, "nats")}); err != nil {
		b.kafka.Close()
		return nil, err
	}
	return &b, nil
}

func (b *brokers) close() {
	b.nats.Close()
	b.kafka.Close()
}

// pipeline is the three programs and a subscriber, upstream first.
type pipeline struct {
	ingest     *ingest.Ingest
	detector   *detector.Detector
	alerter    *alerter.Alerter
	subscriber *subscriber
}

// settings are those of the three programs, made to fit together.
type settings struct {
	ingest   ingest.Config
	detector detector.Config
	alerter  alerter.Config
}

func settingsFor(brokers []string, natsURL string, rules detect.Config) *settings {
	c := &settings{ingest.DefaultConfig(), detector.DefaultConfig(), alerter.DefaultConfig()}
	c.ingest.UDP.Listen, c.ingest.UDP.Workers = []string{"127.0.0.1:0"}, 1
	c.ingest.Kafka.Brokers, c.detector.Kafka.Brokers, c.alerter.Kafka.Brokers = brokers, brokers, brokers
	c.ingest.Topic.Partitions, c.detector.Topic.Partitions = demoPartitions, demoPartitions
	c.detector.Detect = rules
	c.alerter.NATS.URL, c.alerter.Site = []string{natsURL}, "demo"
	return c
}

func newPipeline(c *settings, s *service.Service) (*pipeline, error) {
	var p pipeline
	var err error
	if p.ingest, err = ingest.New(c.ingest, s.Part("ingest")); err != nil {
		return nil, err
	}
	if p.detector, err = detector.New(c.detector, s.Part("detector")); err != nil {
		return nil, err
	}
	if p.alerter, err = alerter.New(c.alerter, s.Part("alerter")); err != nil {
		return nil, err
	}
	p.subscriber = &subscriber{cfg: c.alerter.NATS, log: s.Part("subscriber").Log, take: func(a *schema.Alert) {
		_, _ = s.Stdout.Write(append(appendLine(nil, a), '\n'))
	}}
	return &p, nil
}

func (p *pipeline) stages() []service.Stage {
	return []service.Stage{
		{Name: "ingest", Run: p.ingest.Run},
		{Name: "detector", Run: p.detector.Run},
		{Name: "alerter", Run: p.alerter.Run},
		{Name: "subscriber", Run: p.subscriber.Run},
	}
}
