package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaConfig says how to reach Kafka.
type KafkaConfig struct {
	Brokers      []string `default:"localhost:9092" help:"Kafka brokers to ask for the others; any one that answers will do." placeholder:"HOST:PORT"`
	TLS          bool     `name:"tls" help:"Speak TLS. Implied by a CA or client certificate."`
	CAFile       string   `name:"ca-file" help:"PEM file of the authorities that the brokers' certificates are checked against; without it the system's." placeholder:"FILE"`
	CertFile     string   `help:"PEM file of the client certificate, for mutual TLS." placeholder:"FILE"`
	KeyFile      string   `help:"PEM file of its key." placeholder:"FILE"`
	Mechanism    string   `name:"sasl" help:"SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, in any usual spelling." placeholder:"MECHANISM"`
	User         string   `help:"SASL user." placeholder:"NAME"`
	Password     string   `secret:"" help:"SASL password, or the token of OAUTHBEARER. A file is safer." placeholder:"SECRET"`
	PasswordFile string   `help:"File that holds it; read again for each connection." placeholder:"FILE"`
}

// Validate says what is wrong and what to write instead.
func (c *KafkaConfig) Validate() error {
	if len(c.Brokers) == 0 {
		return fmt.Errorf("brokers is empty: give at least one HOST:PORT")
	}
	for _, b := range c.Brokers {
		if strings.Contains(b, "://") {
			return fmt.Errorf("brokers %q: give HOST:PORT without a scheme", b)
		}
		if host, _, err := net.SplitHostPort(b); err != nil || host == "" {
			return fmt.Errorf("brokers %q: want HOST:PORT, such as kafka-0.kafka:9092", b)
		}
	}
	if err := c.files().check(); err != nil {
		return err
	}
	return c.checkSASL()
}

func (c *KafkaConfig) files() tlsFiles { return tlsFiles{c.CAFile, c.CertFile, c.KeyFile} }

// clientID is how the brokers' logs and quotas know us: by the product. Which
// program and which pod it is they know by the address.
const clientID = "scanhound"

// dialTimeout is how long a broker may take to accept a connection.
const dialTimeout = 10 * time.Second

// metadataAge is how soon a client sees a topic that another program has just made, or a
// partition's new leader. With franz-go's own 5 s the first alert of a new cluster takes 6.
// It asks again only while something is missing.
const metadataAge = 250 * time.Millisecond

// Options returns what every client of this cluster has in common.
func (c KafkaConfig) Options() ([]kgo.Opt, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID(clientID), kgo.DialTimeout(dialTimeout), kgo.MetadataMinAge(metadataAge)}
	if c.TLS || c.files().given() {
		if _, err := c.files().load(); err != nil {
			return nil, err
		}
		opts = append(opts, kgo.Dialer(c.files().dial))
	}
	if c.Mechanism != "" {
		m, err := c.sasl()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// client makes a client, which connects when it is first asked for something.
func (c KafkaConfig) client(log *slog.Logger, more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(append(opts, kgo.WithLogger(kafkaLog{log})), more...)...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	return cl, nil
}

// Dial returns a client for questions about the cluster, such as EnsureTopic and
// Reachable. It connects when it is first asked. The caller closes it.
func (c KafkaConfig) Dial(log *slog.Logger) (*kgo.Client, error) { return c.client(log) }

// Reachable asks any broker for a sign of life, until ctx ends.
func Reachable(ctx context.Context, cl *kgo.Client) error {
	err := cl.Ping(ctx)
	if err == nil {
		return nil
	}
	brokers, _ := cl.OptValue(kgo.SeedBrokers).([]string)
	return fmt.Errorf("reach Kafka at %s: %w: %s", strings.Join(brokers, ", "), err, advice(err))
}

// await waits for a sign of life of any broker, until ctx ends. The error is then
// the last one that says something, and that ctx ended.
func await(ctx context.Context, cl *kgo.Client, log *slog.Logger) error {
	for {
		err := Reachable(ctx, cl)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			log.Warn("waiting for Kafka", "error", err)
			pause(ctx, 250*time.Millisecond)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (gave up: %w)", err, ctx.Err())
		}
	}
}

// advice says what to look at first.
func advice(err error) string {
	var dns *net.DNSError
	text := err.Error()
	switch {
	case errors.As(err, &dns):
		return "check the host names in kafka-brokers and the cluster's DNS"
	case strings.Contains(text, "connection refused"):
		return "check that the broker runs and listens on that port"
	case strings.Contains(text, "remote error: tls"):
		// It is the broker that ends the handshake: it has looked at our certificate, or missed one.
		return "the broker refuses our certificate, or wants one: check kafka-cert-file and kafka-key-file, and that the brokers trust the authority that signed them"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "check the topic's name in the settings, and allow this user to Describe and Read it, to Write to it if this program does, and to Create it if it does not exist (kafka-acls.sh)"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return "allow this user to Read the consumer group (kafka-acls.sh --add --operation Read --group)"
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "allow this user to Create on the cluster, or create the topics for it; old brokers also want IdempotentWrite on it of who writes (kafka-acls.sh)"
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return "nobody has made the topic: check its name in the settings, and that the program that writes to it has been started"
	case strings.Contains(text, "x509"), strings.Contains(text, "tls:"):
		return "check kafka-ca-file, and that the port is the TLS listener"
	case strings.Contains(text, "requires TLS"):
		return "check kafka-tls"
	case strings.Contains(text, "SASL"):
		return "check kafka-sasl, kafka-user and the password"
	case strings.Contains(text, "EOF"), strings.Contains(text, "reset by peer"):
		return "the port may want TLS or SASL: check kafka-tls and kafka-sasl"
	}
	return "check the address, the firewall and network policies, and that kafka-tls and kafka-sasl fit the listener"
}

// kafkaLog hands franz-go's warnings on. Its messages are constants, so that
// those which repeat can be thinned out by them.
type kafkaLog struct{ log *slog.Logger }

func (l kafkaLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelWarn
	if level == kgo.LogLevelError {
		to = slog.LevelError
	}
	l.log.Log(context.Background(), to, "kafka client: "+msg, keyvals...)
}
