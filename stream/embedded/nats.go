package embedded

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATSConfig says what the NATS in the process is like.
type NATSConfig struct {
	Dir    string         // where JetStream keeps its data
	Listen netip.AddrPort // port 0 chooses one; the zero AddrPort is loopback, on any port

	// Owned are subjects that only the owner publishes to, and only the owner makes and
	// changes streams. Without any, whoever connects may do all.
	Owned []string
	// Answers are subjects of questions that only the owner answers.
	Answers []string
	// Users read what is owned. Without any, whoever connects does.
	Users []Login
}

// Login is a user of the NATS in the process.
type Login struct{ User, Password string }

// NATSServer is a running NATS with JetStream.
type NATSServer struct {
	s     *server.Server
	owner Login
	once  sync.Once
}

// natsReady is how long the server may take to accept connections; it takes a few
// milliseconds, and longer to read a full folder.
const natsReady = 30 * time.Second

// NATS starts one server. What it acknowledges is on the disk.
func NATS(cfg NATSConfig) (*NATSServer, error) {
	if cfg.Dir == "" {
		return nil, errors.New("BUG: the NATS in this process needs a folder")
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("start the NATS in this process: %w", err)
	}
	if !cfg.Listen.IsValid() {
		cfg.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if err := free(cfg.Listen); err != nil {
		return nil, fmt.Errorf("start the NATS in this process: %w", err)
	}
	n := &NATSServer{}
	o := &server.Options{
		ServerName: "scanhound", Host: cfg.Listen.Addr().String(),
		Port:      cmp.Or(int(cfg.Listen.Port()), server.RANDOM_PORT),
		JetStream: true, StoreDir: cfg.Dir, SyncAlways: true, NoSigs: true, NoLog: true,
	}
	if len(cfg.Owned) > 0 {
		n.owner = Login{"owner", rand.Text()}
		o.Users, o.NoAuthUser = users(n.owner, cfg)
	}
	var err error
	if n.s, err = server.NewServer(o); err != nil {
		return nil, fmt.Errorf("start the NATS in this process: %w", err)
	}
	n.s.Start()
	if !n.s.ReadyForConnections(natsReady) {
		n.s.Shutdown()
		n.s.WaitForShutdown()
		return nil, fmt.Errorf("start the NATS in this process: not ready after %v: is another process using %s?", natsReady, cfg.Dir)
	}
	return n, nil
}

// users are all who may log in, and the one that is taken for who does not.
func users(owner Login, cfg NATSConfig) (all []*server.User, nobody string) {
	all = append(all, &server.User{Username: owner.User, Password: owner.Password})
	readers := cfg.Users
	if len(readers) == 0 {
		nobody = "reader"
		readers = []Login{{nobody, rand.Text()}}
	}
	// A reader makes consumers and acknowledges; the rest of what changes a stream is the owner's.
	// https://docs.nats.io/reference/reference-protocols/nats_api_reference
	denied := append([]string{
		"$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.DELETE.>", "$JS.API.STREAM.PURGE.>",
		"$JS.API.STREAM.MSG.DELETE.>", "$JS.API.STREAM.RESTORE.>",
	}, cfg.Owned...)
	for _, r := range readers {
		all = append(all, &server.User{Username: r.User, Password: r.Password, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: denied}, Subscribe: &server.SubjectPermission{Deny: cfg.Answers},
		}})
	}
	return all, nobody
}

// free asks for the port first: the server itself would only log that it is taken.
func free(at netip.AddrPort) error {
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	return l.Close()
}

// URL returns what clients of this machine connect to.
func (n *NATSServer) URL() string {
	at := n.s.Addr().(*net.TCPAddr).AddrPort()
	switch ip := at.Addr().Unmap(); {
	case ip.IsUnspecified() && ip.Is4():
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	case ip.IsUnspecified():
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return "nats://" + at.String()
}

// Owner is who may do all. It is empty where everybody may.
func (n *NATSServer) Owner() Login { return n.owner }

// Close ends the server when its store is on disk.
func (n *NATSServer) Close() {
	n.once.Do(func() {
		n.s.Shutdown()
		n.s.WaitForShutdown()
	})
}
