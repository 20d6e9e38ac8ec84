package detector

import (
	"fmt"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// Program is the detector as its users know it.
var Program = settings.Program{Name: "detector", Help: "Reads flows from Kafka, remembers two days of every source, and writes an alert when one of them scans.", Admin: "127.0.0.1:9102"}

// Config is every setting of the detector.
type Config struct {
	rules.Config
	Place      place.Config             `embed:"" group:"Places:"`
	Kafka      stream.KafkaConfig       `embed:"" prefix:"kafka-" group:"Kafka:"`
	FlowsTopic string                   `default:"scanhound.flows.v1" group:"Kafka:" help:"Topic that flows are read from."`
	Group      string                   `name:"detector-group" default:"scanhound-detector.v1" group:"Kafka:" help:"Consumer group in which detectors share the partitions."`
	Consumer   stream.ConsumerConfig    `embed:"" prefix:"consumer-" group:"Kafka:"`
	Skip       stream.Skip              `name:"skip-offsets" group:"Kafka:" placeholder:"PARTITION:OFFSET" help:"Records of flows-topic that are left out, such as 3:12345 or 3:12345-12350: one that makes the program panic stops it, and its last line says what to give here."`
	Alerts     stream.AlertWriterConfig `embed:"" prefix:"alerts-" group:"Alerts:"`
	Retention  time.Duration            `name:"alerts-retention" default:"52h" group:"Alerts:" help:"How long the alerts topic keeps its records if it is created: more than the 48h of which ingest learns again at its start who has an alert."`
	StateTopic string                   `default:"scanhound.state.v1" group:"State:" help:"Compacted topic in which each partition's state is kept in parts."`
	Checkpoint time.Duration            `name:"checkpoint-interval" default:"5m" group:"State:" help:"How long it takes until every part of the state is written once; a detector that takes over after a crash counts the flows of this time again."`
	Topics     stream.TopicConfig       `embed:"" group:"Kafka:"`

	Kept time.Duration `kong:"-"` // how long flows are meant to be kept, where that is known; 0: for the window
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	switch {
	case c.FlowsTopic == "":
		return fmt.Errorf("flows-topic is empty: name one, such as %s", schema.FlowsTopic)
	case c.Group == "":
		return fmt.Errorf("detector-group is empty: name one, such as %s", schema.DetectorGroup)
	case c.StateTopic == "":
		return fmt.Errorf("state-topic is empty: name one, such as %s", schema.StateTopic)
	case c.Checkpoint < time.Second || c.Checkpoint > time.Hour:
		return fmt.Errorf("checkpoint-interval %v: give 1s to 1h", c.Checkpoint)
	case c.Retention < time.Hour:
		return fmt.Errorf("alerts-retention %v: give at least 1h", c.Retention)
	}
	return nil
}
