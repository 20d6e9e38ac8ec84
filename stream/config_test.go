package stream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
)

type validator interface{ Validate() error }

// settings is how a program has all of them.
type settings struct {
	UDP      stream.UDPConfig         `embed:"" prefix:"udp-"`
	Kafka    stream.KafkaConfig       `embed:"" prefix:"kafka-"`
	Flows    stream.FlowWriterConfig  `embed:"" prefix:"flows-"`
	Consumer stream.ConsumerConfig    `embed:"" prefix:"consumer-"`
	Alerts   stream.AlertWriterConfig `embed:"" prefix:"alerts-"`
	NATS     stream.NATSConfig        `embed:"" prefix:"nats-"`
	Topic    stream.TopicConfig       `embed:""`
}

func TestTheDefaultsAreAccepted(t *testing.T) {
	got := defaults.Of[settings]()
	for _, v := range []validator{&got.UDP, &got.Kafka, &got.Flows, &got.Consumer, &got.Alerts, &got.NATS, &got.NATS.StreamConfig, &got.Topic} {
		if err := v.Validate(); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
}

func TestAWrongSettingIsRefusedByItsName(t *testing.T) {
	udp := func(f func(*stream.UDPConfig)) validator { c := defaults.Of[stream.UDPConfig](); f(&c); return &c }
	kafka := func(f func(*stream.KafkaConfig)) validator { c := defaults.Of[stream.KafkaConfig](); f(&c); return &c }
	flows := func(f func(*stream.FlowWriterConfig)) validator {
		c := defaults.Of[stream.FlowWriterConfig]()
		f(&c)
		return &c
	}
	group := func(f func(*stream.ConsumerConfig)) validator {
		c := consumerConfig("t", "g")
		f(&c)
		return &c
	}
	nats := func(f func(*stream.NATSConfig)) validator { c := defaults.Of[stream.NATSConfig](); f(&c); return &c }
	kept := func(f func(*stream.StreamConfig)) validator {
		c := defaults.Of[stream.NATSConfig]().StreamConfig
		f(&c)
		return &c
	}
	for _, c := range []struct {
		name string
		v    validator
	}{
		{"listen", udp(func(c *stream.UDPConfig) { c.Listen = nil })},
		{"listen", udp(func(c *stream.UDPConfig) { c.Listen = []string{"2055"} })},
		{"listen", udp(func(c *stream.UDPConfig) { c.Listen = []string{"localhost:2055"} })},
		{"listen", udp(func(c *stream.UDPConfig) { c.Listen = []string{":99999"} })},
		{"workers", udp(func(c *stream.UDPConfig) { c.Workers = -1 })},
		{"receive-buffer", udp(func(c *stream.UDPConfig) { c.ReceiveBuffer = 1 })},
		{"brokers", kafka(func(c *stream.KafkaConfig) { c.Brokers = nil })},
		{"brokers", kafka(func(c *stream.KafkaConfig) { c.Brokers = []string{"kafka"} })},
		{"brokers", kafka(func(c *stream.KafkaConfig) { c.Brokers = []string{"kafka://kafka:9092"} })},
		{"cert-file", kafka(func(c *stream.KafkaConfig) { c.CertFile = "x" })},
		{"sasl", kafka(func(c *stream.KafkaConfig) { c.Mechanism = "GSSAPI" })},
		{"sasl", kafka(func(c *stream.KafkaConfig) { c.User = "x" })},
		{"user", kafka(func(c *stream.KafkaConfig) { c.Mechanism = "plain" })},
		{"password", kafka(func(c *stream.KafkaConfig) { c.Mechanism, c.User = "plain", "x" })},
		{"password", kafka(func(c *stream.KafkaConfig) { c.Mechanism, c.Password, c.PasswordFile = "oauthbearer", "x", "y" })},
		{"topic", flows(func(c *stream.FlowWriterConfig) { c.Topic = "" })},
		{"buffer", flows(func(c *stream.FlowWriterConfig) { c.Buffer = 1 })},
		{"compression", flows(func(c *stream.FlowWriterConfig) { c.Compression = "gzip" })},
		{"commit-interval", group(func(c *stream.ConsumerConfig) { c.CommitInterval = -1 })},
		{"topic", &stream.AlertWriterConfig{}},
		{"url", nats(func(c *stream.NATSConfig) { c.URL = nil })},
		{"url", nats(func(c *stream.NATSConfig) { c.URL = []string{"localhost"} })},
		{"url", nats(func(c *stream.NATSConfig) { c.URL = []string{"http://localhost"} })},
		{"credentials-file", nats(func(c *stream.NATSConfig) { c.CredentialsFile, c.User = "x", "y" })},
		{"nkey-file", nats(func(c *stream.NATSConfig) { c.NKeyFile, c.User = "x", "y" })},
		{"password", nats(func(c *stream.NATSConfig) { c.User = "x" })},
		{"password", nats(func(c *stream.NATSConfig) { c.Password, c.PasswordFile = "x", "y" })},
		{"name", kept(func(c *stream.StreamConfig) { c.Name = "a.b" })},
		{"replicas", kept(func(c *stream.StreamConfig) { c.Replicas = 0 })},
		{"max-age", kept(func(c *stream.StreamConfig) { c.MaxAge = 0 })},
		{"duplicates", kept(func(c *stream.StreamConfig) { c.Duplicates = 1000 * time.Hour })},
		{"max-bytes", kept(func(c *stream.StreamConfig) { c.MaxBytes = 0 })},
	} {
		if err := c.v.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.name+" ") {
			t.Errorf("%T: %v, want an error that begins with %q", c.v, err, c.name)
		}
	}
}

func TestKafkaIsReachedOverTLSWithEveryMechanism(t *testing.T) {
	cert, ca := certificate(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}),
		kfake.Superuser("PLAIN", "hound", "s3cret"), kfake.Superuser("SCRAM-SHA-256", "hound", "s3cret"), kfake.Superuser("SCRAM-SHA-512", "hound", "s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	reach := func(change func(*stream.KafkaConfig)) error {
		cfg := defaults.Of[stream.KafkaConfig]()
		cfg.Brokers, cfg.CAFile, cfg.User, cfg.PasswordFile = cluster.ListenAddrs(), ca, "hound", password
		change(&cfg)
		cl, err := cfg.Dial(quiet())
		if err != nil {
			return err
		}
		defer cl.Close()
		return stream.Reachable(soon(t), cl)
	}
	for _, spelling := range []string{"plain", "PLAIN", "scram-sha256", "scram_sha256", "SCRAM-SHA-512", "scram_sha512"} {
		if err := reach(func(c *stream.KafkaConfig) { c.Mechanism = spelling }); err != nil {
			t.Errorf("%s: %v", spelling, err)
		}
	}
	for _, c := range []struct {
		want   string
		change func(*stream.KafkaConfig)
	}{
		{"kafka-sasl", func(c *stream.KafkaConfig) { c.Mechanism, c.PasswordFile, c.Password = "plain", "", "wrong" }},
		{"check kafka-ca-file", func(c *stream.KafkaConfig) { c.Mechanism, c.CAFile, c.TLS = "plain", "", true }},
		{"check kafka-tls", func(c *stream.KafkaConfig) { c.Mechanism, c.CAFile = "plain", "" }},
		{"ca-file", func(c *stream.KafkaConfig) { c.Mechanism, c.CAFile = "plain", password }},
		{"password-file", func(c *stream.KafkaConfig) { c.Mechanism, c.PasswordFile = "plain", "nowhere" }},
	} {
		if err := reach(c.change); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

// certificate makes one for 127.0.0.1 and the file of its authority, itself.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
