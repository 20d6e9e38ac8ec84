package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/output"
	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// serve is the whole pipeline on one machine: the code of the deployed programs, with a
// Kafka and a NATS in this process that keep their data.
type serve struct {
	service.Config
	Data string `required:"" group:"Data:" placeholder:"FOLDER" help:"Folder of all that is kept: flows, state, alerts. It is made if it is missing, and used by one process alone."`
	Disk int64  `default:"21474836480" group:"Data:" placeholder:"BYTES" help:"Bytes that flows, state and alerts may take in Kafka's part of the folder; beyond them the oldest flows go. NATS has a limit of its own, nats-stream-max-bytes."`
	logConfig
	NATS    natsListener  `embed:"" prefix:"nats-" group:"NATS:"`
	Site    string        `group:"NATS:" help:"Where this installation is, in the subjects of its alerts: alerts.scan.SITE.SHARD.ID; without it default."`
	Outputs output.Config `embed:"" group:"Outputs:"`
	ingest.Receiving
	Place place.Config `embed:"" group:"Places:"`
	Rules rules.Config `embed:""`
	Skip  stream.Skip  `name:"skip-offsets" group:"Kafka:" placeholder:"PARTITION:OFFSET" help:"Records of flows that are left out, such as 3:12345 or 3:12345-12350: one that makes the program panic stops it, and its last line says what to give here."`
}

// logConfig is what the Kafka in the process is like.
type logConfig struct {
	FlowsRetention time.Duration `default:"2h" group:"Kafka:" help:"How long flows are kept. The state goes on without them: they are what a detector counts again after a crash, and what is left to build it from if it is lost."`
	Partitions     int32         `name:"flows-partitions" default:"12" group:"Kafka:" help:"Partitions to create the topics with, and so how many detectors could share the work in a Kafka that these topics move to. Cannot be changed later without moving every source."`
	Checkpoint     time.Duration `name:"checkpoint-interval" default:"5m" group:"Kafka:" help:"How long it takes until every part of the state is written once; after a crash the flows of this time are counted again."`
	KafkaPort      int           `default:"0" group:"Kafka:" placeholder:"PORT" help:"Port on loopback where scanhound's other commands and Kafka's tools find the Kafka in this process; 0: any, the log says which."`
}

// natsListener is the NATS in the process, as subscribers see it.
type natsListener struct {
	Listen       netip.AddrPort `default:"127.0.0.1:4222" help:"Where subscribers connect. Beyond this machine give it nats-user too."`
	User         string         `placeholder:"NAME" help:"User that subscribers log in as; without it whoever reaches the port reads the alerts. Nobody but this process publishes or deletes them."`
	Password     string         `secret:"" placeholder:"SECRET" help:"Its password. A file is safer."`
	PasswordFile string         `placeholder:"FILE" help:"File that holds it."`
	MaxAge       time.Duration  `name:"stream-max-age" default:"168h" help:"How long an alert is kept."`
	MaxBytes     int64          `name:"stream-max-bytes" default:"1073741824" placeholder:"BYTES" help:"Bytes that the stream may take, then the oldest alerts go; -1 for no limit."`
}

// leastDisk is enough for a segment of each partition of each topic.
const leastDisk = 1 << 30

// Validate says what is wrong and what to write instead.
func (c *serve) Validate() error {
	switch {
	case c.Data == "":
		return errors.New("data is empty: name a folder")
	case c.Disk < leastDisk:
		return fmt.Errorf("disk %d: give at least %d", c.Disk, leastDisk)
	}
	of := c.settings(nil, "", embedded.Login{})
	return cmp.Or(of.ingest.Topics.Validate(), of.ingest.Validate(), of.detector.Validate())
}

// Validate says what is wrong and what to write instead.
func (c *natsListener) Validate() error {
	switch {
	case !c.Listen.IsValid():
		return errors.New("listen is empty: give ADDRESS:PORT, such as 127.0.0.1:4222")
	case c.User != "" && c.Password == "" && c.PasswordFile == "":
		return fmt.Errorf("password is empty: user %s needs password-file or password", c.User)
	case c.User == "" && (c.Password != "" || c.PasswordFile != ""):
		return errors.New("user is empty: name who has the password")
	case c.Password != "" && c.PasswordFile != "":
		return errors.New("password and password-file are both given: leave one out")
	}
	return nil
}

// Run serves until ctx ends.
func (c *serve) Run(ctx context.Context, s *service.Service) error {
	users, err := c.NATS.users()
	if err != nil {
		return s.MisconfiguredIn("nats-", err)
	}
	lock, err := lockFolder(c.Data)
	if err != nil {
		return s.Misconfigured("data", err)
	}
	defer lock.Close()
	begun := time.Now()
	b, err := startBrokers(c.Data, c.kafka(), embedded.NATSConfig{Listen: c.NATS.Listen, Owned: append([]string{schema.AlertSubjects, "$KV." + alerter.Bucket + ".>"}, schema.SevereSubjects...), Answers: []string{"scanhound.v1.>", "$SRV.>"}, Users: users}, s)
	if errors.Is(err, syscall.EADDRINUSE) {
		return service.Misconfigured(fmt.Errorf("%w: another program listens there; give nats-listen or kafka-port another", err))
	}
	if err != nil {
		return err
	}
	defer b.close()
	s.Log.Info("the folder is open", "data", c.Data, "took", time.Since(begun).Round(time.Millisecond).String(), "kafka", b.kafka.Brokers()[0], "nats", b.nats.URL())
	if len(users) == 0 && !c.NATS.Listen.Addr().IsLoopback() {
		s.Log.Warn("NATS is open beyond this machine, without a login: whoever reaches it reads the alerts; give --nats-user and --nats-password-file", "address", c.NATS.Listen.String())
	}
	c.register(s.Part("kafka"), b)
	p, err := newPrograms(c.settings(b.kafka.Brokers(), b.nats.URL(), b.nats.Owner()), s)
	if err != nil {
		return err
	}
	return s.Serve(ctx, p.stages()...)
}

func (c *serve) kafka() embedded.KafkaConfig {
	return embedded.KafkaConfig{
		Port: c.KafkaPort, Bytes: c.Disk, Bulk: schema.FlowsTopic,
		Retain: map[string]time.Duration{schema.FlowsTopic: c.FlowsRetention},
	}
}

// settings are those of the three programs that follow from c.
func (c *serve) settings(brokers []string, natsURL string, owner embedded.Login) *configs {
	of := settingsFor(brokers, natsURL)
	of.ingest.Receiving, of.ingest.Place, of.ingest.Retention = c.Receiving, c.Place, c.FlowsRetention
	of.detector.Config, of.detector.Place, of.detector.Checkpoint = c.Rules, c.Place, c.Checkpoint
	of.detector.Kept = c.FlowsRetention
	of.ingest.Topics.Partitions, of.detector.Topics.Partitions = c.Partitions, c.Partitions
	of.detector.Skip = c.Skip
	of.alerter.Site, of.alerter.Outputs = c.Site, c.Outputs
	of.alerter.NATS.User, of.alerter.NATS.Password = owner.User, owner.Password
	of.alerter.NATS.MaxAge, of.alerter.NATS.MaxBytes = c.NATS.MaxAge, c.NATS.MaxBytes
	return of
}

// users are the logins of subscribers.
func (c *natsListener) users() ([]embedded.Login, error) {
	if c.User == "" {
		return nil, nil
	}
	password := c.Password
	if c.PasswordFile != "" {
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password-file: %w", err)
		}
		if password = strings.TrimRight(string(text), "\r\n"); password == "" {
			return nil, fmt.Errorf("password-file: %s is empty", c.PasswordFile)
		}
	}
	return []embedded.Login{{User: c.User, Password: password}}, nil
}

// register shows what the folder takes.
func (c *serve) register(s *service.Service, b *brokers) {
	s.Gauges("topic_bytes", "Bytes that a topic takes on the disk.", "topic", func(yield func(string, float64)) {
		sizes := b.kafka.Bytes()
		for _, topic := range slices.Sorted(maps.Keys(sizes)) {
			yield(topic, float64(sizes[topic]))
		}
	})
	s.Gauge("limit_bytes", "Bytes that all topics may take on the disk; the setting disk.", func() float64 { return float64(c.Disk) })
}
