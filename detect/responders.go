package detect

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/detect/internal/lossy"
	"github.com/scanhound/scanhound/schema"
)

// responders is which of our hosts have answered anybody of this partition within
// the window: a scan from outside that reached a good part of them is more than
// the weather.
//
// Of a network with more hosts than slots it is a uniform sample.
type responders struct {
	lossy.Table[responder]
	held int
}

type responder struct {
	host uint32 // see short
	seen uint32 // second; 0: free
}

const (
	responderSlots  = 1 << 16
	respondersFrom  = 10  // known hosts, below which a share of them says nothing
	respondersShare = 0.3 // of the known hosts that makes a scan worth a look
)

func (a *responders) of(host uint32) *responder { return a.Slot(hashHost(host)) }

// noteResponder notes that a host answered, if it is ours.
func (n *network) noteResponder(a netip.Addr, c contact) {
	if len(n.cfg.Internal) == 0 {
		return
	}
	t := &n.responders
	t.Make(responderSlots)
	s := t.of(c.addr())
	if s.seen == 0 || s.host != c.addr() {
		if !n.isInternal(a) {
			return
		}
		if s.seen == 0 {
			t.held++
		}
	}
	*s = responder{c.addr(), n.second}
}

// merge joins what another state knows of a host, or of another in its place: who
// answered later stays.
func (a *responders) merge(o responder) {
	a.Make(responderSlots)
	s := a.of(o.host)
	if o.seen < s.seen || o.seen == s.seen && o.host <= s.host {
		return
	}
	if s.seen == 0 {
		a.held++
	}
	*s = o
}

// forget drops the hosts that the window has nothing of, at round times as ticks
// are: who reads the flows again from another beginning must count the same.
func (a *responders) forget(from, now schema.Time, window time.Duration) {
	if from/schema.Time(forgetEvery) == now/schema.Time(forgetEvery) {
		return
	}
	oldest := uint32(now.Add(-window).Seconds())
	for _, s := range a.All() {
		if s.seen != 0 && s.seen < oldest {
			*s = responder{}
			a.held--
		}
	}
}

// forgetEvery: going through the table takes some 40 µs.
const forgetEvery = 10 * time.Minute

// share is how many of the known hosts a scan touched.
func (a *responders) share(m *measured) float64 {
	if a.held < respondersFrom || len(m.outline.hosts.used) == 0 {
		return 0
	}
	touched := 0
	for h := range m.outline.hosts.all {
		if s := a.of(h.key); s.seen != 0 && s.host == h.key {
			touched++
		}
	}
	// The contacts may be a sample of the scan: as many hosts as each stands for.
	weight := float64(m.scale.Hosts.Count) / float64(len(m.outline.hosts.used))
	return float64(touched) * max(weight, 1) / float64(a.held)
}
