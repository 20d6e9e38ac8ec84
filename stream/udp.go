package stream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scanhound/scanhound/schema"
)

// UDPConfig says where datagrams are received.
type UDPConfig struct {
	Listen        []string `default:":2055" help:"Addresses to receive NetFlow, IPFIX and sFlow on: PORT with a colon before it, or ADDRESS:PORT." placeholder:"ADDRESS:PORT"`
	Workers       int      `default:"0" help:"Sockets, each with a goroutine, per address; the kernel keeps an exporter on one. 0: one for each CPU, at most 8."`
	ReceiveBuffer int      `default:"8388608" help:"Bytes that the kernel holds for each socket while its worker is busy. Without CAP_NET_ADMIN, net.core.rmem_max limits it." placeholder:"BYTES"`

	Batch       int `kong:"-"` // datagrams read with one system call; 0: udpBatch
	MaxDatagram int `kong:"-"` // bytes of the longest datagram taken; 0: maxDatagram
}

const (
	// udpBatch is how many datagrams share one recvmmsg(2). Of 9216 bytes each they
	// take 576 KiB of memory a socket.
	udpBatch = 64
	// maxDatagram is the largest Ethernet frame that routers are set to, 9216 bytes
	// ("jumbo"). An exporter fills its MTU and does not fragment. What is longer is
	// counted as truncated and left out.
	maxDatagram = 9216
)

// Validate says what is wrong and what to write instead.
func (c *UDPConfig) Validate() error {
	if len(c.Listen) == 0 {
		return fmt.Errorf("listen is empty: give at least one address, such as :2055")
	}
	for _, a := range c.Listen {
		if err := checkListen(a); err != nil {
			return fmt.Errorf("listen %q: %w", a, err)
		}
	}
	switch {
	case c.Workers < 0 || c.Workers > 256:
		return fmt.Errorf("workers %d: give 1 to 256, or 0 for one for each CPU", c.Workers)
	case c.ReceiveBuffer < 4096 || c.ReceiveBuffer > 1<<30:
		return fmt.Errorf("receive-buffer %d: give 4096 to 1073741824 bytes", c.ReceiveBuffer)
	}
	return nil
}

func checkListen(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return fmt.Errorf("want ADDRESS:PORT, such as :2055 or [2001:db8::1]:2055")
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		return fmt.Errorf("%q is no address: give an IP address of this machine, or none for all", host)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q: give a number from 0 to 65535", port)
	}
	return nil
}

func (c *UDPConfig) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return min(runtime.GOMAXPROCS(0), 8)
}

// Datagram is what one exporter sent at once. It is valid during the call only.
type Datagram struct {
	From     netip.AddrPort // never IPv4-mapped
	Received schema.Time    // when the batch that it came in was read
	Data     []byte
}

// A Handler is given what one socket receives. It belongs to that socket's
// goroutine, which stands still while the Handler works.
type Handler interface {
	// Handle takes one or more datagrams, in the order in which they came.
	Handle(batch []Datagram)
	// Idle says that nothing has come for 25 ms.
	Idle(now schema.Time)
	// Close says that nothing will come any more: hand over what is held.
	Close()
}

// UDP is a set of bound sockets. It belongs to whoever runs it; Stats and Addrs
// may be called from any goroutine.
type UDP struct {
	cfg     UDPConfig
	log     *slog.Logger
	sockets []*socket
}

// idleTick is how long a socket may be silent before its Handler is told, and
// thereby how late a cancelled context is noticed.
const idleTick = 25 * time.Millisecond

// drainFor bounds how long a stopping socket is read; exporters do not stop with us.
const drainFor = 2 * time.Second

// ListenUDP binds every address, cfg.Workers times each.
func ListenUDP(cfg UDPConfig, log *slog.Logger) (*UDP, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Batch, cfg.MaxDatagram = cmp.Or(cfg.Batch, udpBatch), cmp.Or(cfg.MaxDatagram, maxDatagram)
	u := &UDP{cfg: cfg, log: log}
	for _, address := range cfg.Listen {
		if err := u.bind(address); err != nil {
			u.Close()
			return nil, err
		}
	}
	return u, nil
}

func (u *UDP) bind(address string) error {
	if err := probe(address); err != nil {
		return bindError(address, err)
	}
	for range socketsPerAddress(u.cfg.workers()) {
		s, err := openSocket(address, u.cfg)
		if err != nil {
			return bindError(address, err)
		}
		u.sockets = append(u.sockets, s)
		// With port 0 the first socket chooses; the others must share its port.
		host, _, _ := net.SplitHostPort(address)
		address = net.JoinHostPort(host, strconv.Itoa(int(s.local.Port())))
	}
	if got := u.sockets[len(u.sockets)-1].buffer; got < u.cfg.ReceiveBuffer {
		u.log.Warn("the kernel gives a smaller receive buffer than asked for: raise net.core.rmem_max or grant CAP_NET_ADMIN",
			"address", address, "asked", u.cfg.ReceiveBuffer, "got", got)
	}
	return nil
}

// probe binds the address once without sharing it. Sockets that share a port may
// come from two processes, and the kernel would silently give half of the
// exporters to each: a second ingest started by mistake must hear of the first.
func probe(address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func bindError(address string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "address already in use"):
		_, port, _ := net.SplitHostPort(address)
		return fmt.Errorf("listen on UDP %s: the port is taken by another program (ss -ulpn 'sport = :%s' names it): stop that one or choose another port: %w", address, port, err)
	case strings.Contains(text, "permission denied"):
		return fmt.Errorf("listen on UDP %s: ports below 1024 need CAP_NET_BIND_SERVICE: grant it or choose another port: %w", address, err)
	case strings.Contains(text, "cannot assign requested address"):
		return fmt.Errorf("listen on UDP %s: this machine does not have that address: %w", address, err)
	}
	return fmt.Errorf("listen on UDP %s: %w", address, err)
}

// Addrs returns the addresses that are bound, each once, in the order of the settings.
func (u *UDP) Addrs() []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, s := range u.sockets {
		if len(addrs) == 0 || addrs[len(addrs)-1] != s.local {
			addrs = append(addrs, s.local)
		}
	}
	return addrs
}

// Workers is the number of sockets, and of Handlers that Run asks for.
func (u *UDP) Workers() int { return len(u.sockets) }

// Close closes the sockets of a UDP that is not run.
func (u *UDP) Close() {
	for _, s := range u.sockets {
		s.close()
	}
}

// Run reads the sockets, each in a goroutine with a Handler of its own, until ctx
// ends; then it reads what they still hold, closes the Handlers and the sockets.
func (u *UDP) Run(ctx context.Context, handler func(worker int) Handler) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range u.sockets {
		h := handler(i)
		g.Go(func() error {
			defer s.close()
			defer h.Close()
			if err := s.serve(ctx, h); err != nil {
				return fmt.Errorf("receive on UDP %s: %w", s.local, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// serve reads until ctx ends and the socket is empty.
func (s *socket) serve(ctx context.Context, h Handler) error {
	for ctx.Err() == nil {
		batch, err := s.receive(idleTick)
		switch {
		case err != nil:
			return err
		case len(batch) > 0:
			h.Handle(batch)
		default:
			h.Idle(schema.TimeOf(time.Now()))
		}
	}
	for end := time.Now().Add(drainFor); time.Now().Before(end); {
		batch, err := s.receive(0)
		if err != nil || len(batch) == 0 {
			return err
		}
		h.Handle(batch)
	}
	return nil
}
