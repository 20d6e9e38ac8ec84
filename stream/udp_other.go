//go:build !linux

package stream

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// socket is one bound socket, read a datagram at a time. Only its goroutine
// calls receive. What the kernel drops is not known here: deploy on Linux.
type socket struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	buffer int
	count  socketCounters
	memory []byte
	size   int
	one    [1]Datagram
}

// Sharing a port keeps an exporter on a socket on Linux only.
func socketsPerAddress(int) int { return 1 }

func openSocket(address string, cfg UDPConfig) (*socket, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn.(*net.UDPConn), buffer: cfg.ReceiveBuffer, size: cfg.MaxDatagram}
	s.local = s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	s.memory = make([]byte, cfg.MaxDatagram+1)
	// Too much for the kernel is not an error: it takes what it can.
	_ = s.conn.SetReadBuffer(cfg.ReceiveBuffer)
	return s, nil
}

// receive returns the next datagram, waiting up to wait for it. None is not an
// error. It is valid until the next call.
func (s *socket) receive(wait time.Duration) ([]Datagram, error) {
	// A deadline in the past would not look at what has come already.
	_ = s.conn.SetReadDeadline(time.Now().Add(max(wait, time.Millisecond)))
	n, from, err := s.conn.ReadFromUDPAddrPort(s.memory)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil
	case err != nil:
		return nil, err
	case n > s.size:
		s.count.truncated.Add(1)
		return s.receive(wait)
	}
	s.count.datagrams.Add(1)
	s.count.bytes.Add(uint64(n))
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	s.one[0] = Datagram{From: from, Received: schema.TimeOf(time.Now()), Data: s.memory[:n]}
	return s.one[:], nil
}

func (s *socket) readDrops() {}

func (s *socket) close() { _ = s.conn.Close() }
