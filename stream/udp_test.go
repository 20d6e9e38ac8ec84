package stream_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// listener counts what its worker is handed.
type listener struct {
	mu     *sync.Mutex
	seen   map[netip.AddrPort][]uint32 // numbers, by sender
	socket map[netip.AddrPort]int      // the worker that had the sender's first datagram
	moved  bool
	worker int
	idle   *int
	closed *int
	stall  func() // called before a batch is taken
}

func (l *listener) Handle(batch []stream.Datagram) {
	if l.stall != nil {
		l.stall()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range batch {
		if d.Received == 0 || len(d.Data) < 4 {
			panic("BUG: a datagram without time or data")
		}
		if w, ok := l.socket[d.From]; ok && w != l.worker {
			l.moved = true
		}
		l.socket[d.From] = l.worker
		l.seen[d.From] = append(l.seen[d.From], binary.BigEndian.Uint32(d.Data))
	}
}

func (l *listener) Idle(now schema.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.idle++
}

func (l *listener) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.closed++
}

func newListener() *listener {
	return &listener{mu: new(sync.Mutex), seen: map[netip.AddrPort][]uint32{}, socket: map[netip.AddrPort]int{}, idle: new(int), closed: new(int)}
}

// at is the listener of one worker; all share what they see.
func (l *listener) at(worker int) stream.Handler {
	one := *l
	one.worker = worker
	return &one
}

func (l *listener) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.seen {
		n += len(s)
	}
	return n
}

func (l *listener) number(n *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *n
}

func listen(t *testing.T, change func(*stream.UDPConfig)) *stream.UDP {
	t.Helper()
	cfg := defaults.Of[stream.UDPConfig]()
	cfg.Listen = []string{"127.0.0.1:0"}
	change(&cfg)
	u, err := stream.ListenUDP(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

func dial(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, n uint32, size int) {
	t.Helper()
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, n)
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestAllDatagramsArriveWithAnExporterOnOneSocket(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(address, func(t *testing.T) {
			const exporters, each = 20, 100
			u := listen(t, func(c *stream.UDPConfig) { c.Listen, c.Workers, c.Batch = []string{address}, 4, 16 })
			if len(u.Addrs()) != 1 || u.Workers() != 4 {
				t.Fatalf("bound %v with %d sockets, want one address and 4", u.Addrs(), u.Workers())
			}
			l := newListener()
			stop := started(t, func(ctx context.Context) error { return u.Run(ctx, l.at) })
			to := u.Addrs()[0]
			if to.Addr().IsUnspecified() {
				to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
			}
			senders := map[netip.AddrPort]bool{}
			for range exporters {
				conn := dial(t, to)
				senders[conn.LocalAddr().(*net.UDPAddr).AddrPort()] = true
				for n := range uint32(each) {
					send(t, conn, n, 48)
				}
			}
			eventually(t, "all have arrived", func() bool { return l.total() == exporters*each })
			eventually(t, "the handlers hear that all is silent", func() bool { return l.number(l.idle) > 0 })
			if err := stop(); err != nil {
				t.Error(err)
			}
			if n := l.number(l.closed); n != 4 {
				t.Errorf("%d handlers closed, want 4", n)
			}
			for from, seen := range l.seen {
				if !senders[from] {
					t.Errorf("a datagram from %v, who sent none", from)
				}
				for i, n := range seen {
					if n != uint32(i) {
						t.Errorf("%v: datagram %d came where %d was due", from, n, i)
						break
					}
				}
			}
			used := map[int]bool{}
			for _, w := range l.socket {
				used[w] = true
			}
			if l.moved || len(used) < 2 {
				t.Errorf("moved %v, %d sockets used: want each exporter on one of several", l.moved, len(used))
			}
			s := u.Stats()
			if s.Datagrams != exporters*each || s.Bytes != exporters*each*48 || s.KernelDrops != 0 || s.Truncated != 0 || len(s.Sockets) != 4 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestAPortInUseIsNamedWithWhatToDo(t *testing.T) {
	first := listen(t, func(*stream.UDPConfig) {})
	cfg := defaults.Of[stream.UDPConfig]()
	cfg.Listen = []string{first.Addrs()[0].String()}
	// The first one shares its port with whoever asks for sharing: the second must not join it.
	_, err := stream.ListenUDP(cfg, quiet())
	if err == nil || !strings.Contains(err.Error(), cfg.Listen[0]+": the port is taken by another program") {
		t.Errorf("error %v", err)
	}
	cfg.Listen = []string{"192.0.2.1:0"}
	if _, err := stream.ListenUDP(cfg, quiet()); err == nil || !strings.Contains(err.Error(), "does not have that address") {
		t.Errorf("error %v", err)
	}
}

func TestWhatAStalledHandlerMakesTheKernelDropIsCounted(t *testing.T) {
	u := listen(t, func(c *stream.UDPConfig) { c.Workers, c.ReceiveBuffer, c.Batch = 1, 8192, 1 })
	l := newListener()
	stalled, resume := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.stall = func() { once.Do(func() { close(stalled); <-resume }) }
	stop := started(t, func(ctx context.Context) error { return u.Run(ctx, l.at) })
	conn := dial(t, u.Addrs()[0])
	send(t, conn, 0, 1000)
	<-stalled
	const sent = 100
	for n := range uint32(sent - 1) {
		send(t, conn, n+1, 1000)
	}
	drops := u.Stats().KernelDrops // told while the handler stands still
	if drops == 0 {
		t.Error("no drops counted with a full buffer")
	}
	// What is dropped from here on is asked for only when the socket is closed.
	for n := range uint32(10) {
		send(t, conn, n, 1000)
	}
	drops += 10
	close(resume)
	eventually(t, "all that was kept has arrived", func() bool { return l.total() == sent+10-int(drops) })
	if err := stop(); err != nil {
		t.Error(err)
	}
	s := u.Stats()
	if s.KernelDrops != drops || s.Datagrams+s.KernelDrops != sent+10 {
		t.Errorf("stats %+v, want datagrams and drops to be %d", s, sent+10)
	}
}

func TestWhatTheSocketHoldsIsHandledWhenTheEndComes(t *testing.T) {
	u := listen(t, func(c *stream.UDPConfig) { c.Workers, c.Batch = 1, 8 })
	l := newListener()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	conn := dial(t, u.Addrs()[0])
	for n := range uint32(100) {
		send(t, conn, n, 100)
	}
	if err := u.Run(ctx, l.at); err != nil {
		t.Fatal(err)
	}
	if l.total() != 100 || l.number(l.closed) != 1 {
		t.Errorf("%d of 100 datagrams handled, %d handlers closed", l.total(), l.number(l.closed))
	}
}

func TestADatagramThatIsTooLongIsCountedAndLeftOut(t *testing.T) {
	u := listen(t, func(c *stream.UDPConfig) { c.Workers, c.MaxDatagram = 1, 1000 })
	l := newListener()
	started(t, func(ctx context.Context) error { return u.Run(ctx, l.at) })
	conn := dial(t, u.Addrs()[0])
	send(t, conn, 0, 1000)
	send(t, conn, 1, 1001)
	send(t, conn, 2, 4)
	eventually(t, "the others arrive", func() bool { return l.total() == 2 })
	if s := u.Stats(); s.Truncated != 1 || s.Datagrams != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestASmallerReceiveBufferThanAskedForIsSaid(t *testing.T) {
	log := new(logged)
	cfg := defaults.Of[stream.UDPConfig]()
	cfg.Listen, cfg.Workers, cfg.ReceiveBuffer = []string{"127.0.0.1:0"}, 1, 1<<30
	u, err := stream.ListenUDP(cfg, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	// Even with CAP_NET_ADMIN the kernel stops a byte short of it.
	if !log.has("net.core.rmem_max") {
		t.Errorf("not a word: %s", &log.text)
	}
}

// sink is the cheapest handler.
type sink struct{ n int }

func (s *sink) Handle(batch []stream.Datagram) { s.n += len(batch) }
func (s *sink) Idle(schema.Time)               {}
func (s *sink) Close()                         {}

// BenchmarkUDPReceive reads a full socket empty; what is written into it is not timed.
func BenchmarkUDPReceive(b *testing.B) {
	cfg := defaults.Of[stream.UDPConfig]()
	cfg.Listen, cfg.Workers, cfg.ReceiveBuffer = []string{"127.0.0.1:0"}, 1, 32<<20
	const size, fill = 1400, 4000
	payload := make([]byte, size)
	b.ReportAllocs()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for left := b.N; left > 0; left -= fill {
		b.StopTimer()
		u, err := stream.ListenUDP(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(u.Addrs()[0]))
		if err != nil {
			b.Fatal(err)
		}
		n := min(left, fill)
		for range n {
			if _, err := conn.Write(payload); err != nil {
				b.Fatal(err)
			}
		}
		s := new(sink)
		b.StartTimer()
		if err := u.Run(ended, func(int) stream.Handler { return s }); err != nil {
			b.Fatal(err)
		}
		if s.n != n {
			b.Fatalf("%d of %d datagrams", s.n, n)
		}
		conn.Close()
	}
	b.ReportMetric(float64(size), "bytes/datagram")
}
