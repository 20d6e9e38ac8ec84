package stream

import (
	"net/netip"
	"sync/atomic"
)

// UDPStats says what became of the datagrams that reached this machine.
type UDPStats struct {
	SocketStats // all sockets together
	Sockets     []SocketStats
}

// SocketStats is one socket's part: what it received is Datagrams + Truncated,
// what it could not hold is KernelDrops.
type SocketStats struct {
	Local       netip.AddrPort
	Datagrams   uint64 // handed to the Handler
	Bytes       uint64 // in them
	Truncated   uint64 // longer than UDPConfig.MaxDatagram
	KernelDrops uint64 // came while the receive buffer was full
}

// Stats may be called at any time, from any goroutine.
func (u *UDP) Stats() UDPStats {
	var all UDPStats
	for _, s := range u.sockets {
		one := s.stats()
		all.Datagrams += one.Datagrams
		all.Bytes += one.Bytes
		all.Truncated += one.Truncated
		all.KernelDrops += one.KernelDrops
		all.Sockets = append(all.Sockets, one)
	}
	return all
}

// socketCounters are written by the socket's goroutine and read by all.
type socketCounters struct {
	datagrams, bytes, truncated, drops atomic.Uint64
}

func (s *socket) stats() SocketStats {
	s.readDrops()
	return SocketStats{
		Local: s.local, Datagrams: s.count.datagrams.Load(), Bytes: s.count.bytes.Load(),
		Truncated: s.count.truncated.Load(), KernelDrops: s.count.drops.Load(),
	}
}
