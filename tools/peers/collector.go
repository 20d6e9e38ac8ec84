package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A peer is a program that can be measured.
type peer struct {
	name    string
	start   func(ctx context.Context) (*collector, error)
	cpuOnly bool // its highest rate is not searched for
}

// collector is a peer under way, with a UDP socket on port.
type collector struct {
	cmd    *exec.Cmd
	port   uint16
	admin  string // URL, without the path; "" where it has none
	said   *output
	done   chan struct{}
	tidy   func()
	counts func(ctx context.Context) (tally, error) // nil: it tells nothing, the socket must do
}

// tally is what a collector says of itself, since it began.
type tally struct {
	processed float64 // records
	lost      float64 // records, after the socket
	waiting   float64 // records
}

// launch starts a program that listens on port, and waits until it does.
func launch(ctx context.Context, port uint16, name string, args ...string) (*collector, error) {
	c := &collector{cmd: exec.Command(name, args...), port: port, said: new(output), done: make(chan struct{}), tidy: func() {}}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	endWithUs(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // it is told to end, by a signal
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if s, err := socketsOn(port); err == nil && s.n > 0 {
			return c, nil
		}
		select {
		case <-c.done:
			return nil, fmt.Errorf("%s ended at once:\n%s", name, c.said.text())
		default:
		}
	}
	c.stop()
	return nil, errors.Join(ctx.Err(), fmt.Errorf("%s does not listen on UDP %d:\n%s", name, port, c.said.text()))
}

// stop ends the program, with force where it does not listen to reason.
func (c *collector) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.done:
	case <-time.After(5 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	c.tidy()
}

func (c *collector) addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), c.port)
}

// reading is all that is known of a collector at one moment.
type reading struct {
	cpu time.Duration
	tally
	sockets
}

func (c *collector) read(ctx context.Context) (r reading, err error) {
	if r.cpu, err = cpuTime(c.cmd.Process.Pid); err != nil {
		return r, err
	}
	if r.sockets, err = socketsOn(c.port); err != nil {
		return r, err
	}
	if r.n == 0 {
		return r, fmt.Errorf("its socket is gone:\n%s", c.said.text())
	}
	if c.counts != nil {
		r.tally, err = c.counts(ctx)
	}
	return r, err
}

// freePorts asks the kernel for ports that nobody has.
func freePorts() (udp, tcp uint16, err error) {
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, 0, err
	}
	defer u.Close()
	t, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, 0, err
	}
	defer t.Close()
	return uint16(u.LocalAddr().(*net.UDPAddr).Port), uint16(t.Addr().(*net.TCPAddr).Port), nil
}

// output is the end of what a process has written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.b.Len() > 1<<20 {
		o.b.Reset()
	}
	return o.b.Write(b)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
