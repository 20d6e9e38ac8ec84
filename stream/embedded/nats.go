package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATSConfig says what the NATS in the process is like.
type NATSConfig struct {
	Dir  string // where JetStream keeps its data
	Port int    // on loopback; 0 chooses one
}

// NATSServer is a running NATS with JetStream.
type NATSServer struct {
	s    *server.Server
	once sync.Once
}

// natsReady is how long the server may take to accept connections; it takes a few
// milliseconds, and longer to read a full folder.
const natsReady = 30 * time.Second

// NATS starts one server.
func NATS(cfg NATSConfig) (*NATSServer, error) {
	if cfg.Dir == "" {
		return nil, errors.New("BUG: the NATS in this process needs a folder")
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("start the NATS in this process: %w", err)
	}
	port := cfg.Port
	if port == 0 {
		port = server.RANDOM_PORT
	} else if err := free(port); err != nil {
		return nil, fmt.Errorf("start the NATS in this process: %w", err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "scanhound", Host: "127.0.0.1", Port: port,
		JetStream: true, StoreDir: cfg.Dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return nil, fmt.Errorf("start the NATS in this process: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(natsReady) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start the NATS in this process: not ready after %v: is another process using %s?", natsReady, cfg.Dir)
	}
	return &NATSServer{s: s}, nil
}

// free asks for the port first: the server itself would only log that it is taken.
func free(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// URL returns what clients connect to.
func (n *NATSServer) URL() string { return n.s.ClientURL() }

// Close ends the server when its store is on disk.
func (n *NATSServer) Close() {
	n.once.Do(func() {
		n.s.Shutdown()
		n.s.WaitForShutdown()
	})
}
