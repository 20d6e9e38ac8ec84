package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
)

// recording is datagrams in the order in which they are played. It can be read
// again, which is how its span is known before it is played.
type recording struct {
	tracks      []track
	first, last schema.Time // recorded
	exported    schema.Time // the last, by the exporters' clocks
}

// track is what one reader reads: the user's files, or one of our captures.
type track func() (*flowfile.Reader, error)

// openRecording prepares the files, or without any what our lab recorded of
// three exporters that saw the same scans.
func openRecording(files []string) (*recording, error) {
	r := new(recording)
	if len(files) > 0 {
		if slices.Contains(files, "-") {
			return nil, errors.New("the demo reads a recording twice, and standard input can be read once: give a file")
		}
		r.tracks = []track{func() (*flowfile.Reader, error) { return flowfile.Open(files, nil), nil }}
	} else if err := r.addLab(); err != nil {
		return nil, err
	}
	return r, r.measure()
}

// measure reads everything once to know when it began and ended.
func (r *recording) measure() error {
	for d, err := range r.datagrams() {
		if err != nil {
			return err
		}
		if r.first == 0 || d.Received < r.first {
			r.first = d.Received
		}
		r.last = max(r.last, d.Received)
		r.exported = max(r.exported, cmp.Or(flowfile.ExportTime(d.Payload), d.Received))
	}
	if r.last == 0 {
		return errors.New("there is no datagram in the files")
	}
	return nil
}

func (r *recording) addLab() error {
	all, err := lab.Captures()
	if err != nil {
		return err
	}
	for _, c := range all {
		switch c.Name {
		case "softflowd-v5", "softflowd-v9", "softflowd-ipfix":
			r.tracks = append(r.tracks, func() (*flowfile.Reader, error) {
				pcap, err := c.Open()
				return flowfile.Open([]string{"-"}, pcap), err
			})
		}
	}
	return nil
}

// played is a datagram of one of the tracks.
type played struct {
	flowfile.Datagram
	track int
}

// datagrams yields those of all tracks, the earliest first.
func (r *recording) datagrams() iter.Seq2[played, error] {
	return func(yield func(played, error) bool) {
		var heads []head
		for _, t := range r.tracks {
			reader, err := t()
			if err != nil {
				yield(played{}, err)
				return
			}
			next, stop := iter.Pull2(reader.Datagrams())
			defer stop()
			heads = append(heads, head{next: next})
		}
		for i := range heads {
			heads[i].advance()
		}
		for {
			at := earliest(heads)
			if at < 0 {
				return
			}
			h := &heads[at]
			if !yield(played{h.d, at}, h.err) || h.err != nil {
				return
			}
			h.advance()
		}
	}
}

// head is the next datagram of a track.
type head struct {
	next func() (flowfile.Datagram, error, bool)
	d    flowfile.Datagram
	err  error
	ok   bool
}

func (h *head) advance() { h.d, h.err, h.ok = h.next() }

func earliest(heads []head) int {
	at := -1
	for i, h := range heads {
		if h.ok && (at < 0 || h.d.Received < heads[at].d.Received) {
			at = i
		}
	}
	return at
}

// player sends a recording to a UDP address, moved in time.
type player struct {
	recording *recording
	within    time.Duration
	end       time.Time // what the exporters' clocks are to say at the last datagram
	to        netip.AddrPort
	sent      atomic.Uint64
	unplayed  atomic.Uint64 // whose clock could not be moved
}

// play sends everything.
func (p *player) play(ctx context.Context) error {
	r := p.recording
	start := time.Now()
	shift := p.end.Sub(r.exported.Std())
	pace := float64(p.within) / max(float64(r.last-r.first), 1)
	exporters := exporters{to: p.to, conns: map[exporterKey]*net.UDPConn{}}
	defer exporters.close()
	rebasers := make([]flowfile.Rebaser, len(r.tracks))
	for d, err := range r.datagrams() {
		if err != nil {
			return err
		}
		due := start.Add(time.Duration(float64(d.Received-r.first) * pace))
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
		if err := rebasers[d.track].Rebase(d.From.Addr(), d.Payload, shift); err != nil {
			p.unplayed.Add(1)
			continue
		}
		conn, err := exporters.dial(exporterKey{d.track, d.From.Addr()})
		if err != nil {
			return err
		}
		if _, err := conn.Write(d.Payload); err != nil {
			return fmt.Errorf("play a datagram: %w", err)
		}
		p.sent.Add(1)
	}
	return nil
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

type exporterKey struct {
	track int
	addr  netip.Addr
}

// exporters are sockets that stand for the exporters of a recording. Each has a
// loopback address of its own, because a collector tells exporters and their
// templates apart by address.
type exporters struct {
	to    netip.AddrPort
	conns map[exporterKey]*net.UDPConn
}

func (e *exporters) dial(key exporterKey) (*net.UDPConn, error) {
	if c := e.conns[key]; c != nil {
		return c, nil
	}
	n := len(e.conns)
	from := &net.UDPAddr{IP: net.IPv4(127, 0, byte(1+n/250), byte(1+n%250))}
	conn, err := net.DialUDP("udp4", from, net.UDPAddrFromAddrPort(e.to))
	if err != nil {
		// Only Linux gives every process all of 127.0.0.0/8.
		conn, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(e.to))
	}
	if err != nil {
		return nil, fmt.Errorf("open a socket to play from: %w", err)
	}
	e.conns[key] = conn
	return conn, nil
}

func (e *exporters) close() {
	for _, c := range e.conns {
		_ = c.Close()
	}
}
