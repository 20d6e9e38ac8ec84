package alerter

import (
	"fmt"

	"github.com/scanhound/scanhound/cmd/internal/output"
	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Program is the alerter as its users know it.
var Program = settings.Program{Name: "alerter", Help: "Publishes alerts from Kafka to NATS JetStream, where SIEMs subscribe.", Admin: "127.0.0.1:9103"}

// Config is every setting of the alerter.
type Config struct {
	Kafka       stream.KafkaConfig    `embed:"" prefix:"kafka-" group:"Kafka:"`
	AlertsTopic string                `default:"scanhound.alerts.v1" group:"Kafka:" help:"Topic that alerts are read from."`
	Group       string                `name:"alerter-group" default:"scanhound-alerter.v1" group:"Kafka:" help:"Consumer group in which alerters share the partitions."`
	Consumer    stream.ConsumerConfig `embed:"" prefix:"consumer-" group:"Kafka:"`
	Skip        stream.Skip           `name:"skip-alert-offsets" group:"Kafka:" placeholder:"PARTITION:OFFSET" help:"Records of alerts-topic that are left out, such as 3:12345 or 3:12345-12350: one that makes the program panic stops it, and its last line says what to give here."`
	NATS        stream.NATSConfig     `embed:"" prefix:"nats-" group:"NATS:"`
	Outputs     output.Config         `embed:""`
	Site        string                `group:"NATS:" help:"Where this installation is, in the subjects of its alerts: alerts.scan.SITE.SHARD.ID; without it default."`
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
