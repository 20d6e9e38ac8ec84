package ingest

import (
	"fmt"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/orientation"
	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream"
)

// Program is the ingest as its users know it.
var Program = settings.Program{Name: "ingest", Help: "Receives NetFlow, IPFIX and sFlow datagrams and writes their flows to Kafka.", Admin: "127.0.0.1:9101"}

// Config is every setting of ingest.
type Config struct {
	Receiving
	Templates TemplatesConfig         `embed:"" prefix:"templates-" group:"Templates:"`
	Alerts    AlertsConfig            `embed:"" prefix:"alerts-" group:"Alerts:"`
	Place     place.Config            `embed:"" group:"Places:"`
	Kafka     stream.KafkaConfig      `embed:"" prefix:"kafka-" group:"Kafka:"`
	Flows     stream.FlowWriterConfig `embed:"" prefix:"flows-" group:"Flows:"`
	Retention time.Duration           `name:"flows-retention" default:"52h" group:"Flows:" help:"How long the flows topic keeps its records if it is created: more than the detector's window, whose flows are read again after a restart."`
	Topics    stream.TopicConfig      `embed:"" group:"Kafka:"`
}

// Receiving are the settings of what comes before Kafka.
type Receiving struct {
	UDP       stream.UDPConfig   `embed:"" group:"Datagrams:"`
	NetFlow   netflow.Config     `embed:"" prefix:"netflow-" group:"Datagrams:"`
	Exporters ExporterConfig     `embed:"" prefix:"exporter-" group:"Exporters:"`
	Orient    orientation.Config `embed:"" prefix:"orient-" group:"Orientation:"`
}

// TemplatesConfig says how templates reach the other ingests, and the next start.
type TemplatesConfig struct {
	Topic string `default:"scanhound.templates.v1" help:"Compacted topic in which all ingests share templates and sampling rates, so that one that starts, or to which an exporter moves, decodes at once; empty: they are not shared."`
}

// Validate says what is wrong and what to write instead.
func (c *Config) Validate() error {
	if c.Retention < time.Hour {
		return fmt.Errorf("flows-retention %v: give at least 1h", c.Retention)
	}
	return nil
}
