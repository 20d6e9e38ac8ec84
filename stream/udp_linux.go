package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/scanhound/scanhound/schema"
)

// socket is one bound socket with the memory that recvmmsg(2) fills. Only its
// goroutine calls receive.
type socket struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	local  netip.AddrPort
	buffer int // bytes that the kernel lets wait
	count  socketCounters

	headers   []mmsghdr
	names     []unix.RawSockaddrInet6 // the larger of the two kinds
	datagrams []Datagram
	zones     map[uint32]string
	read      func(fd uintptr) bool // made once: a closure for each call would be an allocation
	n         int                   // what read returns
	errno     syscall.Errno
}

// mmsghdr is struct mmsghdr of recvmmsg(2); Go pads it as C does.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

func socketsPerAddress(workers int) int { return workers }

func openSocket(address string, cfg UDPConfig) (*socket, error) {
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}), err)
	}}
	conn, err := share.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn.(*net.UDPConn)}
	s.local = unmapped(s.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	if s.raw, err = s.conn.SyscallConn(); err == nil {
		err = s.setBuffer(cfg.ReceiveBuffer)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.allocate(cfg.Batch, cfg.MaxDatagram)
	return s, nil
}

// setBuffer asks for n bytes past net.core.rmem_max, which takes CAP_NET_ADMIN,
// else for what that allows. The kernel doubles what it is given for its own
// book-keeping and reports the double (socket(7)).
func (s *socket) setBuffer(n int) error {
	var err error
	controlErr := s.raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n) != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, n)
		}
		if err == nil {
			s.buffer, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
			s.buffer /= 2
		}
	})
	if err = errors.Join(controlErr, err); err != nil {
		return fmt.Errorf("set receive buffer to %d bytes: %w", n, err)
	}
	return nil
}

// allocate lays out one buffer for each datagram of a batch. The pages of those
// never filled are never touched. Each buffer begins a cache line later within
// its page than the one before: begun at the same place, they would fight for
// the same sets of the cache.
func (s *socket) allocate(batch, size int) {
	const line = 64
	stride := (size+4095)/4096*4096 + line
	memory := make([]byte, batch*stride)
	vectors := make([]unix.Iovec, batch)
	s.headers = make([]mmsghdr, batch)
	s.names = make([]unix.RawSockaddrInet6, batch)
	s.datagrams = make([]Datagram, batch)
	for i := range s.headers {
		b := memory[i*stride : i*stride+size : i*stride+size]
		s.datagrams[i].Data = b
		vectors[i].Base = &b[0]
		vectors[i].SetLen(size)
		h := &s.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
		h.Iov = &vectors[i]
		h.SetIovlen(1)
	}
	s.read = func(fd uintptr) bool {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.headers[0])),
			uintptr(len(s.headers)), unix.MSG_DONTWAIT, 0, 0)
		s.n, s.errno = int(n), errno
		return errno != unix.EAGAIN
	}
}

// receive returns the datagrams that have come, at most a batch, waiting up to
// wait for the first one. None is not an error. They are valid until the next call.
func (s *socket) receive(wait time.Duration) ([]Datagram, error) {
	for i := range s.headers {
		s.headers[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	if err := s.recvmmsg(wait); err != nil || s.n == 0 {
		return nil, err
	}
	now, bytes, kept := schema.TimeOf(time.Now()), 0, 0
	for i := range s.n {
		h := &s.headers[i]
		if h.header.Flags&unix.MSG_TRUNC != 0 {
			s.count.truncated.Add(1)
			continue
		}
		b := unsafe.Slice(h.header.Iov.Base, int(h.length))
		s.datagrams[kept] = Datagram{From: s.sender(&s.names[i]), Received: now, Data: b}
		bytes += len(b)
		kept++
	}
	s.count.datagrams.Add(uint64(kept))
	s.count.bytes.Add(uint64(bytes))
	if kept == 0 {
		return s.receive(0)
	}
	return s.datagrams[:kept], nil
}

// recvmmsg leaves in s.n how many datagrams were read, 0 if none came in time.
func (s *socket) recvmmsg(wait time.Duration) error {
	s.n, s.errno = 0, 0
	var err error
	if wait == 0 {
		// The deadline of the last wait may have passed, and would keep RawConn.Read from trying.
		err = s.raw.Control(func(fd uintptr) { s.read(fd) })
	} else {
		_ = s.conn.SetReadDeadline(time.Now().Add(wait))
		err = s.raw.Read(s.read)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.n = 0
		return nil
	case err != nil:
		return err
	case s.errno == unix.EAGAIN, s.errno == unix.EINTR, s.errno == unix.ECONNREFUSED:
		s.n = 0
		return nil
	case s.errno != 0:
		return os.NewSyscallError("recvmmsg", s.errno)
	}
	return nil
}

// sender reads the address that the kernel wrote. The port stands in network order.
func (s *socket) sender(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := func(p *uint16) uint16 {
		b := (*[2]byte)(unsafe.Pointer(p))
		return uint16(b[0])<<8 | uint16(b[1])
	}
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port(&v4.Port))
	}
	a := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 && a.IsLinkLocalUnicast() {
		a = a.WithZone(s.zone(name.Scope_id))
	}
	return netip.AddrPortFrom(a, port(&name.Port))
}

// zone names the interface behind a link-local exporter, each looked up once.
func (s *socket) zone(index uint32) string {
	name, ok := s.zones[index]
	if !ok {
		name = fmt.Sprint(index)
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			name = i.Name
		}
		if s.zones == nil {
			s.zones = map[uint32]string{}
		}
		s.zones[index] = name
	}
	return name
}

// memDrops is where SO_MEMINFO tells the datagrams for which there was no room
// (SK_MEMINFO_DROPS in linux/sock_diag.h; since Linux 4.12), memVars how many
// numbers it tells.
const (
	memDrops = 8
	memVars  = 9
)

// readDrops asks the kernel. Unlike SO_RXQ_OVFL, which rides on the next datagram
// read, SO_MEMINFO tells the drops of a worker that stands still.
func (s *socket) readDrops() {
	var info [memVars]uint32
	size := uint32(unsafe.Sizeof(info))
	var errno syscall.Errno
	err := s.raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno == 0 {
		raise(&s.count.drops, uint64(info[memDrops]))
	}
}

// raise sets c to v unless a later reading was quicker: a counter never falls.
func raise(c *atomic.Uint64, v uint64) {
	for old := c.Load(); v > old; old = c.Load() {
		if c.CompareAndSwap(old, v) {
			return
		}
	}
}

// close keeps the last count of drops, which goes with the socket.
func (s *socket) close() {
	if s.raw != nil {
		s.readDrops()
	}
	_ = s.conn.Close()
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
