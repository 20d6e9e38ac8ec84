package ingest

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// maxExporters bounds the accounts of a worker where everybody may send, since a
// source address is easily forged. Those beyond are counted together. It is far more
// than any network has: the kernel keeps an exporter on one worker.
const maxExporters = 10_000

// An exporter sends at least its templates every few minutes. One that was heard once
// was perhaps forged.
const (
	idleAfter = 10 * time.Minute
	onceAfter = time.Minute
	idleLooks = 8 // accounts that a newcomer may look at
)

// credit puts each flow on the account of the exporter that sent it. Flows of one datagram stand
// together; those that waited for a template are of any exporter, and perhaps of a datagram that another
// worker received.
func (x *exporters) credit(flows []schema.Flow) {
	for len(flows) > 0 {
		from, n := flows[0].Exporter.Addr, 1
		for n < len(flows) && flows[n].Exporter.Addr == from {
			n++
		}
		if e := x.of(from, flows[0].Received); e != nil {
			e.Flows += uint64(n)
			e.check(flows[:n], x.cfg)
		}
		flows = flows[n:]
	}
}

// exporters are the accounts of one worker.
type exporters struct {
	cfg     *ExporterConfig
	by      map[netip.Addr]*Exporter
	ring    []*Exporter // the same, each in its place
	hand    int         // who is looked at next when a place is wanted
	others  Exporter    // those beyond the maximum, and those who were idle
	refused uint64      // datagrams of those who may not send
	limited uint64      // datagrams beyond a rate
	named   map[netip.Addr]string
}

func newExporters(cfg *ExporterConfig) *exporters {
	x := &exporters{cfg: cfg, by: map[netip.Addr]*Exporter{}, named: map[netip.Addr]string{}}
	for text, name := range cfg.Names {
		if a, err := netip.ParseAddr(text); err == nil { // Validate has refused the others
			x.named[a.Unmap()] = name
		}
	}
	return x
}

// of returns the account of a, or nil if it may not send. Where all places are taken,
// one that has been idle gives its place to the newcomer.
func (x *exporters) of(a netip.Addr, now schema.Time) *Exporter {
	if e := x.by[a]; e != nil {
		return e
	}
	if !x.allowed(a) {
		x.refused++
		return nil
	}
	place := len(x.ring)
	if place >= cmp.Or(x.cfg.Max, maxExporters) {
		if place = x.idle(now); place < 0 {
			return &x.others
		}
		x.dismiss(x.ring[place])
	} else {
		x.ring = append(x.ring, nil)
	}
	e := &Exporter{Addr: a, Name: x.named[a]}
	x.by[a], x.ring[place] = e, e
	return e
}

// idle returns the place of an account that has been idle, of the next few, or -1: a flood
// of forged addresses is to cost no more than that. Who has a name keeps its place.
func (x *exporters) idle(now schema.Time) int {
	for range min(idleLooks, len(x.ring)) {
		at := x.hand % len(x.ring)
		x.hand = at + 1
		e := x.ring[at]
		quiet := idleAfter
		if e.Datagrams <= 1 {
			quiet = onceAfter
		}
		if e.Name == "" && now.Sub(e.Last) >= quiet {
			return at
		}
	}
	return -1
}

// dismiss closes an account. What it counted stays in the sums, which never fall.
func (x *exporters) dismiss(e *Exporter) {
	x.others.add(e)
	delete(x.by, e.Addr)
}

func (x *exporters) allowed(a netip.Addr) bool {
	if len(x.cfg.Allow) == 0 {
		return true
	}
	for _, p := range x.cfg.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
