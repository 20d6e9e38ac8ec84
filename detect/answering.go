package detect

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// answering is which of our hosts have answered anybody of this partition within
// the window: a scan from outside that reached a good part of them is more than
// the weather.
//
// It is a fixed table in which a host takes the place of another; of a network
// with more hosts it is a uniform sample.
type answering struct {
	slots []answeringHost
	held  int
}

type answeringHost struct {
	host uint32 // see short
	seen uint32 // second; 0: free
}

const (
	answeringHosts = 1 << 16
	answeringFrom  = 10  // known hosts, below which a share of them says nothing
	answeringShare = 0.3 // of the known hosts that makes a scan worth a look
)

func (a *answering) place(host uint32) *answeringHost {
	return &a.slots[hashHost(host)%answeringHosts]
}

// noteAnswer notes that a host answered, if it is ours.
func (d *Detector) noteAnswer(a netip.Addr, c contact) {
	if len(d.cfg.Internal) == 0 {
		return
	}
	t := &d.answering
	if t.slots == nil {
		t.slots = make([]answeringHost, answeringHosts)
	}
	s := t.place(c.addr())
	if s.seen == 0 || s.host != c.addr() {
		if !d.isInternal(a) {
			return
		}
		if s.seen == 0 {
			t.held++
		}
	}
	*s = answeringHost{c.addr(), d.second}
}

// merge joins what another state knows of a host, or of another in its place: who
// answered later stays.
func (a *answering) merge(o answeringHost) {
	if a.slots == nil {
		a.slots = make([]answeringHost, answeringHosts)
	}
	s := a.place(o.host)
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
func (a *answering) forget(from, now schema.Time, window time.Duration) {
	if from/schema.Time(forgetEvery) == now/schema.Time(forgetEvery) {
		return
	}
	oldest := uint32(now.Add(-window).Seconds())
	for i := range a.slots {
		if s := &a.slots[i]; s.seen != 0 && s.seen < oldest {
			*s = answeringHost{}
			a.held--
		}
	}
}

// forgetEvery: going through the table takes some 40 µs.
const forgetEvery = 10 * time.Minute

// share is how many of the known hosts a scan touched.
func (a *answering) share(m *measured) float64 {
	if a.held < answeringFrom || len(m.outline.hosts.used) == 0 {
		return 0
	}
	touched := 0
	for h := range m.outline.hosts.all {
		if s := a.place(h.key); s.seen != 0 && s.host == h.key {
			touched++
		}
	}
	// The contacts may be a sample of the scan: as many hosts as each stands for.
	weight := float64(m.scale.Hosts.Count) / float64(len(m.outline.hosts.used))
	return float64(touched) * max(weight, 1) / float64(a.held)
}
