package ingest

import (
	"fmt"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
	"github.com/scanhound/scanhound/stream"
)

// Config is every setting of ingest.
type Config struct {
	UDP       stream.UDPConfig        `embed:"" group:"Datagrams:"`
	NetFlow   netflow.Config          `embed:"" prefix:"netflow-" group:"Datagrams:"`
	Exporters ExporterConfig          `embed:"" prefix:"exporter-" group:"Exporters:"`
	Templates TemplatesConfig         `embed:"" prefix:"templates-" group:"Templates:"`
	Alerts    AlertsConfig            `embed:"" prefix:"alerts-" group:"Alerts:"`
	Orient    OrientConfig            `embed:"" prefix:"orient-" group:"Orientation:"`
	Place     place.Config            `embed:"" group:"Places:"`
	Kafka     stream.KafkaConfig      `embed:"" prefix:"kafka-" group:"Kafka:"`
	Flows     stream.FlowWriterConfig `embed:"" prefix:"flows-" group:"Flows:"`
	Topic     stream.TopicConfig      `embed:"" prefix:"flows-" group:"Flows:"`
}

// TemplatesConfig says how templates reach the other ingests, and the next start.
type TemplatesConfig struct {
	Topic    string `default:"scanhound.templates.v1" help:"Compacted topic in which all ingests share templates and sampling rates, so that one that starts, or to which an exporter moves, decodes at once; empty: they are not shared."`
	Replicas int16  `default:"1" help:"Brokers that hold the templates topic if it is created; 3 in a cluster."`
}

// DefaultTemplatesConfig is what the tags above say, for callers that have no command line.
func DefaultTemplatesConfig() TemplatesConfig {
	return TemplatesConfig{Topic: schema.TemplateTopic, Replicas: 1}
}

// Validate says what is wrong and what to write instead.
func (c *TemplatesConfig) Validate() error {
	if c.Replicas < 1 {
		return fmt.Errorf("replicas %d: give 1 or more", c.Replicas)
	}
	return nil
}

// OrientConfig says how it is decided who started a flow.
type OrientConfig struct {
	Services      []uint16 `default:"20,21,25,53,80,123,137,138,389,443,1900,1984,3389,5355" help:"Ports from which a record more likely answers than asks, where nothing else tells."`
	Conversations int      `default:"65536" help:"Conversations that each worker remembers to find a record's reverse; 32 bytes each."`
}

// DefaultConfig is what the tags say, for callers that have no command line.
func DefaultConfig() Config {
	return Config{
		UDP: stream.DefaultUDPConfig(), NetFlow: netflow.DefaultConfig(), Exporters: DefaultExporterConfig(), Templates: DefaultTemplatesConfig(),
		Alerts: DefaultAlertsConfig(), Orient: DefaultOrientConfig(),
		Kafka: stream.DefaultKafkaConfig(), Flows: stream.DefaultFlowWriterConfig(), Topic: stream.DefaultTopicConfig(),
	}
}

// DefaultOrientConfig is what its tags say.
func DefaultOrientConfig() OrientConfig {
	return OrientConfig{Services: detect.ServicePorts[:], Conversations: 1 << 16}
}

// Validate says what is wrong and what to write instead.
func (c *OrientConfig) Validate() error {
	if c.Conversations < 1 || c.Conversations > 1<<26 {
		return fmt.Errorf("conversations %d: give 1 to %d", c.Conversations, 1<<26)
	}
	return nil
}
