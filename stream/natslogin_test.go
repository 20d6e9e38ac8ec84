package stream_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
)

// guarded is a NATS server that asks who connects.
func guarded(t *testing.T, opts server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.JetStream, opts.NoSigs, opts.NoLog = "127.0.0.1", true, true, true
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// stopped ends a server and returns its port, for the next one.
func stopped(s *server.Server) int {
	addr, _ := s.Addr().(*net.TCPAddr)
	s.Shutdown()
	s.WaitForShutdown()
	return addr.Port
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// refusedFor waits until the login has failed for long enough that a client which gives up
// after two refusals has done so.
func refusedFor(t *testing.T, n *stream.NATS, d time.Duration) {
	t.Helper()
	for ctx := soon(t); n.Connected() == nil && ctx.Err() == nil; time.Sleep(time.Millisecond) {
	}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if n.Connected() == nil {
			t.Fatal("connected with a login that the server does not know")
		}
	}
	t.Log(n.Connected())
}

func connects(t *testing.T, n *stream.NATS) {
	t.Helper()
	for ctx := soon(t); n.Connected() != nil; time.Sleep(20 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal(n.Connected())
		}
	}
}

// rotation is a login whose server changes its mind, and whose file follows later.
type rotation struct {
	name          string
	before, after server.Options
	settings      func(*stream.NATSConfig, string)
	old, new      string // what is in the file
}

func rotations(t *testing.T) []rotation {
	t.Helper()
	seeds, publics := [2]string{}, [2]string{}
	for i := range seeds {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := pair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		seeds[i], publics[i] = string(seed), public
	}
	keys := func(public string) server.Options {
		return server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}}
	}
	return []rotation{
		{
			"password", server.Options{Username: "alerter", Password: "one"}, server.Options{Username: "alerter", Password: "two"},
			func(c *stream.NATSConfig, file string) { c.User, c.PasswordFile = "alerter", file }, "one", "two",
		},
		{"nkey", keys(publics[0]), keys(publics[1]), func(c *stream.NATSConfig, file string) { c.NKeyFile = file }, seeds[0], seeds[1]},
	}
}

func TestALoginThatWasRefusedIsTriedForEverWithWhatItsFileHoldsThen(t *testing.T) {
	for _, c := range rotations(t) {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "login")
			write(t, file, c.old)
			c.before.StoreDir, c.after.StoreDir = t.TempDir(), t.TempDir()
			s := guarded(t, c.before)
			cfg := defaults.Of[stream.NATSConfig]()
			cfg.URL = []string{s.ClientURL()}
			c.settings(&cfg, file)
			n, err := stream.DialNATS(cfg, quiet())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(n.Close)
			connects(t, n)
			c.after.Port = stopped(s)
			guarded(t, c.after)
			refusedFor(t, n, 3*time.Second)
			write(t, file, c.new+"\n")
			connects(t, n)
			if err := n.EnsureStream(soon(t)); err != nil {
				t.Error(err)
			}
		})
	}
}
