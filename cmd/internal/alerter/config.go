package alerter

import (
	"fmt"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Config is every setting of the alerter.
type Config struct {
	Kafka       stream.KafkaConfig    `embed:"" prefix:"kafka-" group:"Kafka:"`
	AlertsTopic string                `default:"scanhound.alerts.v1" group:"Kafka:" help:"Topic that alerts are read from."`
	Group       string                `name:"alerter-group" default:"scanhound-alerter.v1" group:"Kafka:" help:"Consumer group in which alerters share the partitions."`
	Consumer    stream.ConsumerConfig `embed:"" prefix:"consumer-" group:"Kafka:"`
	NATS        stream.NATSConfig     `embed:"" prefix:"nats-" group:"NATS:"`
	Site        string                `group:"NATS:" help:"Last token of the subjects, alerts.scan.KIND.SEVERITY.SITE; without it default."`
}

// DefaultConfig is what the tags say, for callers that have no command line.
func DefaultConfig() Config {
	return Config{
		Kafka: stream.DefaultKafkaConfig(), AlertsTopic: schema.AlertsTopic, Group: schema.AlerterGroup,
		Consumer: stream.DefaultConsumerConfig("", ""), NATS: stream.DefaultNATSConfig(),
	}
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	switch {
	case c.AlertsTopic == "":
		return fmt.Errorf("alerts-topic is empty: name one, such as %s", schema.AlertsTopic)
	case c.Group == "":
		return fmt.Errorf("alerter-group is empty: name one, such as %s", schema.AlerterGroup)
	}
	return nil
}
