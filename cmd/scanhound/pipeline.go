package main

import (
	"path/filepath"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream/embedded"
)

// brokers are the servers in this process.
type brokers struct {
	kafka *embedded.KafkaServer
	nats  *embedded.NATSServer
}

// startBrokers starts both with their data in folders of dir.
func startBrokers(dir string, kafka embedded.KafkaConfig, nats embedded.NATSConfig, s *service.Service) (*brokers, error) {
	kafka.Dir, nats.Dir = filepath.Join(dir, "kafka"), filepath.Join(dir, "nats")
	var b brokers
	var err error
	if b.kafka, err = embedded.Kafka(kafka, s.Log); err != nil {
		return nil, err
	}
	if b.nats, err = embedded.NATS(nats); err != nil {
		b.kafka.Close()
		return nil, err
	}
	return &b, nil
}

func (b *brokers) close() {
	b.nats.Close()
	b.kafka.Close()
}

// configs are those of the three programs, made to fit together.
type configs struct {
	ingest   ingest.Config
	detector detector.Config
	alerter  alerter.Config
}

func settingsFor(brokers []string, natsURL string) *configs {
	c := &configs{defaults.Of[ingest.Config](), defaults.Of[detector.Config](), defaults.Of[alerter.Config]()}
	c.ingest.Kafka.Brokers, c.detector.Kafka.Brokers, c.alerter.Kafka.Brokers = brokers, brokers, brokers
	c.alerter.NATS.URL = []string{natsURL}
	return c
}

// programs are the three that are deployed, upstream first.
type programs struct {
	ingest   *ingest.Ingest
	detector *detector.Detector
	alerter  *alerter.Alerter
}

func newPrograms(c *configs, s *service.Service) (*programs, error) {
	var p programs
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
	return &p, nil
}

func (p *programs) stages() []service.Stage {
	return []service.Stage{
		{Name: "ingest", Run: p.ingest.Run},
		{Name: "detector", Run: p.detector.Run},
		{Name: "alerter", Run: p.alerter.Run},
	}
}
