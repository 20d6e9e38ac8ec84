package stream_test

import (
	"crypto/tls"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
)

// replace puts what is in one file into another.
func replace(t *testing.T, file, with string) {
	t.Helper()
	text, err := os.ReadFile(with)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(text))
}

func TestAKafkaClientFollowsTheAuthoritiesInItsFile(t *testing.T) {
	cert, ca := certificate(t)
	start := func(cert tls.Certificate, ports ...int) *kfake.Cluster {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(ports...), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		return cluster
	}
	cluster := start(cert)
	cfg := defaults.Of[stream.KafkaConfig]()
	cfg.Brokers, cfg.CAFile = cluster.ListenAddrs(), ca
	cl, err := cfg.Dial(quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := stream.Reachable(soon(t), cl); err != nil {
		t.Fatal(err)
	}
	addr, err := net.ResolveTCPAddr("tcp", cfg.Brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	cluster.Close()
	cert, newCA := certificate(t)
	start(cert, addr.Port)
	_ = stream.Reachable(soon(t), cl) // over the connection that has ended
	if err := stream.Reachable(soon(t), cl); err == nil || !strings.Contains(err.Error(), "check kafka-ca-file") {
		t.Errorf("an authority that nobody named: %v", err)
	}
	replace(t, ca, newCA)
	if err := stream.Reachable(soon(t), cl); err != nil {
		t.Errorf("after the file was replaced: %v", err)
	}
}

func TestANATSClientFollowsTheAuthoritiesInItsFile(t *testing.T) {
	cert, ca := certificate(t)
	opts := func(cert tls.Certificate, port int) server.Options {
		return server.Options{StoreDir: t.TempDir(), Port: port, TLS: true, TLSTimeout: 5, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	}
	s := guarded(t, opts(cert, 0))
	cfg := defaults.Of[stream.NATSConfig]()
	cfg.URL, cfg.CAFile = []string{s.ClientURL()}, ca
	n, err := stream.DialNATS(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	connects(t, n)
	port := stopped(s)
	cert, newCA := certificate(t)
	guarded(t, opts(cert, port))
	refusedFor(t, n, 2*time.Second)
	replace(t, ca, newCA)
	connects(t, n)
}
