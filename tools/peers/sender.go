package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"
)

const (
	exporters = 32 // each with a loopback address of its own
	burst     = 16 // datagrams in one system call
)

// sender plays many exporters towards one collector, from one goroutine.
type sender struct {
	version *version
	sources []*source
	next    int // whose turn it is
}

// source is one exporter with its ring of datagrams.
type source struct {
	conn     *net.UDPConn
	out      *sendQueue
	ring     [][]byte
	at       int
	sequence uint32
}

// sent is what a run has sent. Records are those of flows.
type sent struct {
	datagrams, records uint64
	took               time.Duration
}

func (s sent) rate() float64 { return float64(s.records) / s.took.Seconds() }

func newSender(v *version, to netip.AddrPort) (*sender, error) {
	s := &sender{version: v}
	now := uint32(time.Now().Unix())
	for i := range exporters {
		from := &net.UDPAddr{IP: net.IPv4(127, 77, 0, byte(i+1))}
		conn, err := net.DialUDP("udp4", from, net.UDPAddrFromAddrPort(to))
		if err != nil {
			s.close()
			return nil, fmt.Errorf("open the socket of an exporter: %w", err)
		}
		src := &source{conn: conn, ring: v.ringOf(uint32(i), now)}
		s.sources = append(s.sources, src)
		if src.out, err = newSendQueue(conn, src.ring); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *sender) close() {
	for _, src := range s.sources {
		_ = src.conn.Close()
	}
}

// announce sends the templates alone: what a collector knows before the load.
func (s *sender) announce() error {
	if s.version.fields == nil {
		return nil
	}
	for _, src := range s.sources {
		src.at = 0
		if _, err := s.send(src, 1); err != nil {
			return err
		}
	}
	return nil
}

// maxLag is how far the sender may fall behind and catch up at once. What is
// older is not sent at all: a burst of it would measure the socket buffer.
const maxLag = 5 * time.Millisecond

// run sends so many records a second for as long as told, or as many as it can.
func (s *sender) run(ctx context.Context, rate float64, d time.Duration) (sent, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer goFirst()()
	gap := time.Duration(burst * float64(s.version.records) / rate * float64(time.Second))
	var total sent
	began := time.Now()
	due := began
	for now := began; now.Sub(began) < d && ctx.Err() == nil; now = time.Now() {
		if wait := due.Sub(now); wait > 0 {
			pause(wait)
			continue
		}
		if lag := now.Sub(due); lag > maxLag {
			due = now.Add(-maxLag)
		}
		due = due.Add(gap)
		src := s.sources[s.next]
		s.next = (s.next + 1) % len(s.sources)
		one, err := s.send(src, burst)
		if err != nil {
			return total, err
		}
		total.datagrams += one.datagrams
		total.records += one.records
	}
	total.took = time.Since(began)
	return total, ctx.Err()
}

// send sends the next n datagrams of an exporter, up to the end of its ring.
func (s *sender) send(src *source, n int) (sent, error) {
	end := min(src.at+n, len(src.ring))
	now, templates := uint32(time.Now().Unix()), 0
	for i := src.at; i < end; i++ {
		isTemplate := i == 0 && s.version.fields != nil
		s.version.stamp(src.ring[i], now, src.sequence)
		src.sequence += s.version.step(isTemplate)
		if isTemplate {
			templates++
		}
	}
	if err := src.out.send(src.at, end); err != nil {
		return sent{}, err
	}
	all := uint64(end - src.at)
	src.at = end % len(src.ring)
	return sent{datagrams: all, records: (all - uint64(templates)) * uint64(s.version.records)}, nil
}
