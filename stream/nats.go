package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scanhound/scanhound/schema"
)

// NATSConfig says how to reach NATS and which stream holds the alerts.
type NATSConfig struct {
	URL             []string `name:"url" default:"nats://127.0.0.1:4222" help:"NATS servers to connect to; any one that answers will do." placeholder:"nats://HOST:PORT"`
	CredentialsFile string   `help:"File of the JWT and seed that 'nsc generate creds' writes." placeholder:"FILE"`
	NKeyFile        string   `name:"nkey-file" help:"File of an NKey seed." placeholder:"FILE"`
	User            string   `help:"User, for servers with passwords." placeholder:"NAME"`
	Password        string   `secret:"" help:"Its password. A file is safer." placeholder:"SECRET"`
	PasswordFile    string   `help:"File that holds it; read again for each connection." placeholder:"FILE"`
	CAFile          string   `name:"ca-file" help:"PEM file of the authorities that the servers' certificates are checked against; without it the system's." placeholder:"FILE"`
	CertFile        string   `help:"PEM file of the client certificate, for mutual TLS." placeholder:"FILE"`
	KeyFile         string   `help:"PEM file of its key." placeholder:"FILE"`

	GiveUpAfter time.Duration `default:"0s" help:"End the program with status 4 when NATS has not been reached for so long; 0s never." placeholder:"DURATION"`

	StreamConfig `embed:"" prefix:"stream-"`
}

// StreamConfig is what the alert stream is made with where it does not exist.
type StreamConfig struct {
	Name       string        `default:"SCAN_ALERTS" help:"JetStream stream that holds the alerts."`
	Replicas   int           `default:"1" help:"Servers that hold the stream; 3 in a cluster."`
	MaxAge     time.Duration `default:"168h" help:"How long an alert is kept."`
	MaxBytes   int64         `default:"1073741824" help:"Bytes that the stream may take, then the oldest alerts go; -1 for no limit." placeholder:"BYTES"`
	Duplicates time.Duration `default:"2h" help:"How long a second message of the same alert revision is recognized and dropped."`
}

// Validate says what is wrong and what to write instead.
func (c *NATSConfig) Validate() error {
	if len(c.URL) == 0 {
		return fmt.Errorf("url is empty: give at least one, such as %s", nats.DefaultURL)
	}
	for _, s := range c.URL {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return fmt.Errorf("url %q: want nats://HOST:PORT or tls://HOST:PORT", redacted(s))
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return fmt.Errorf("url %q: want nats, tls, ws or wss before ://", redacted(s))
		}
	}
	if err := (tlsFiles{c.CAFile, c.CertFile, c.KeyFile}).check(); err != nil {
		return err
	}
	switch {
	case c.CredentialsFile != "" && (c.NKeyFile != "" || c.User != ""):
		return fmt.Errorf("credentials-file is given beside nkey-file or user: log in with one of them")
	case c.NKeyFile != "" && c.User != "":
		return fmt.Errorf("nkey-file is given beside user: log in with one of them")
	case c.User != "" && c.Password == "" && c.PasswordFile == "":
		return fmt.Errorf("password is empty: user %s needs password-file or password", c.User)
	case c.Password != "" && c.PasswordFile != "":
		return fmt.Errorf("password and password-file are both given: leave one out")
	case c.GiveUpAfter < 0:
		return fmt.Errorf("give-up-after %v: give a positive duration, or 0s for never", c.GiveUpAfter)
	}
	return nil
}

// Validate says what is wrong and what to write instead.
func (c *StreamConfig) Validate() error {
	switch {
	case c.Name == "" || strings.ContainsAny(c.Name, ". *>/\\\t"):
		return fmt.Errorf("name %q: give a name without dots, spaces, slashes and wildcards, such as %s", c.Name, schema.AlertStream)
	case c.Replicas < 1 || c.Replicas > 5:
		return fmt.Errorf("replicas %d: give 1 to 5", c.Replicas)
	case c.MaxAge <= 0:
		return fmt.Errorf("max-age %v: give a positive duration", c.MaxAge)
	case c.Duplicates < time.Second || c.Duplicates > c.MaxAge:
		return fmt.Errorf("duplicates %v: give 1s up to max-age, %v", c.Duplicates, c.MaxAge)
	case c.MaxBytes == 0 || c.MaxBytes < -1:
		return fmt.Errorf("max-bytes %d: give a positive number, or -1 for no limit", c.MaxBytes)
	}
	return nil
}

// reconnectWait is how long the client waits when it has asked each server once.
const reconnectWait = 500 * time.Millisecond

// redacted is a URL without the password that may stand in it.
func redacted(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

// NATS is a connection that comes back by itself. Any goroutine may use it.
type NATS struct {
	cfg NATSConfig
	log *slog.Logger
	nc  *nats.Conn
	js  jetstream.JetStream

	dialed    chan struct{} // is closed when nc is known
	violation atomic.Pointer[violation]
	trouble   Trouble      // of those who wait for the stream
	silent    atomic.Int64 // ns since 1970: until then nobody asks about the copies
}

// DialNATS begins to connect and goes on for ever; it does not wait for a server.
// The caller closes it.
func DialNATS(cfg NATSConfig, log *slog.Logger) (*NATS, error) {
	if err := errors.Join(cfg.Validate(), cfg.StreamConfig.Validate()); err != nil {
		return nil, err
	}
	n := &NATS{cfg: cfg, log: log, dialed: make(chan struct{})}
	opts, err := n.options()
	if err != nil {
		return nil, err
	}
	if n.nc, err = nats.Connect(strings.Join(cfg.URL, ","), opts...); err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", n.servers(), err)
	}
	close(n.dialed)
	if n.js, err = jetstream.New(n.nc, jetstream.WithPublishAsyncTimeout(ackTimeout), jetstream.WithDefaultTimeout(ackTimeout)); err != nil {
		n.nc.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return n, nil
}

func (n *NATS) options() ([]nats.Option, error) {
	opts := []nats.Option{
		nats.Name("scanhound"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		// A login that is refused twice may be right the third time: somebody rotates it.
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		// With a buffer, a publish during an outage reports an error and is delivered later all the
		// same: it would be counted twice.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				n.log.Warn("NATS connection lost, connecting again", "servers", n.servers(), "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			n.violation.Store(nil)
			n.log.Info("NATS connected", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { n.noteError(err) }),
	}
	login, err := n.login()
	return append(opts, login...), err
}

func (n *NATS) servers() string {
	var names []string
	for _, s := range n.cfg.URL {
		names = append(names, redacted(s))
	}
	return strings.Join(names, ", ")
}

// Readable says what is wrong with the settings and with the files that they name, without a server.
func (c NATSConfig) Readable() error {
	if err := errors.Join(c.Validate(), c.StreamConfig.Validate()); err != nil {
		return err
	}
	_, err := (&NATS{cfg: c, log: slog.New(slog.DiscardHandler)}).options()
	return err
}

// Connected says why NATS cannot be used now.
func (n *NATS) Connected() error {
	if n.nc.IsConnected() {
		return nil
	}
	err := n.nc.LastError()
	if err == nil {
		err = errors.New("no answer yet")
	}
	return fmt.Errorf("NATS at %s is %s: %w: check nats-url, the server, and the login", n.servers(), strings.ToLower(n.nc.Status().String()), err)
}

// Conn returns the connection, and JetStream its stream interface, for those who
// subscribe, serve requests, or keep state.
func (n *NATS) Conn() *nats.Conn { return n.nc }

// JetStream returns the stream interface of the connection.
func (n *NATS) JetStream() jetstream.JetStream { return n.js }

// Close lets go of the connection.
func (n *NATS) Close() { n.nc.Close() }
