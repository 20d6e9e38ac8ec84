package detector

import (
	"fmt"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/profile"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Config is every setting of the detector.
type Config struct {
	Detect     detect.Config            `embed:"" group:"Detection:"`
	Profile    profile.Config           `embed:"" group:"Detection:"`
	Exceptions string                   `placeholder:"FILE" group:"Detection:" help:"YAML file of what looks like a scan and is none, each with sources, targets, ports or exporters, an owner, a reason and an end; read again when it changes."`
	Place      place.Config             `embed:"" group:"Places:"`
	Kafka      stream.KafkaConfig       `embed:"" prefix:"kafka-" group:"Kafka:"`
	FlowsTopic string                   `default:"scanhound.flows.v1" group:"Kafka:" help:"Topic that flows are read from."`
	Group      string                   `name:"detector-group" default:"scanhound-detector.v1" group:"Kafka:" help:"Consumer group in which detectors share the partitions."`
	Consumer   stream.ConsumerConfig    `embed:"" prefix:"consumer-" group:"Kafka:"`
	Alerts     stream.AlertWriterConfig `embed:"" prefix:"alerts-" group:"Alerts:"`
	Topic      stream.TopicConfig       `embed:"" prefix:"alerts-" group:"Alerts:"`
}

// DefaultConfig is what the tags say, for callers that have no command line.
func DefaultConfig() Config {
	return Config{
		Detect: detect.DefaultConfig(), Kafka: stream.DefaultKafkaConfig(),
		FlowsTopic: schema.FlowsTopic, Group: schema.DetectorGroup,
		Consumer: stream.DefaultConsumerConfig("", ""),
		Alerts:   stream.DefaultAlertWriterConfig(), Topic: stream.DefaultTopicConfig(),
	}
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	switch {
	case c.FlowsTopic == "":
		return fmt.Errorf("flows-topic is empty: name one, such as %s", schema.FlowsTopic)
	case c.Group == "":
		return fmt.Errorf("detector-group is empty: name one, such as %s", schema.DetectorGroup)
	}
	return nil
}
