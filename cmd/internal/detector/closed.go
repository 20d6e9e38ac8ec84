package detector

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/explain"
	"github.com/scanhound/scanhound/schema"
)

// maxClosed is how many closed alerts a partition keeps to explain: what an
// analyst asks about is of today. 300 bytes each.
const maxClosed = 1000

// closedAlerts are the alerts of a partition that closed last. An alert's last
// revision says everything; of it is kept what explains it.
type closedAlerts struct {
	ring []explain.Alert
	next int // the oldest, once there are maxClosed
}

// add keeps one that has closed. One that closed again, since its scanner got in,
// takes its own place.
func (c *closedAlerts) add(a *schema.Alert) {
	one := explain.AlertOf(a)
	if at := slices.IndexFunc(c.ring, func(o explain.Alert) bool { return o.ID == one.ID }); at >= 0 {
		c.ring[at] = one
		return
	}
	if len(c.ring) < maxClosed {
		c.ring = append(c.ring, one)
		return
	}
	c.ring[c.next] = one
	c.next = (c.next + 1) % maxClosed
}

// find returns a copy of the alert that is asked about, or nil.
func (c *closedAlerts) find(q explain.Subject) *explain.Alert {
	for _, one := range c.ring {
		if q.Is(one.ID) {
			return &one
		}
	}
	return nil
}

// of returns the closed alerts of a source, those that closed last first.
func (c *closedAlerts) of(source netip.Addr, net bool) (found []explain.Alert) {
	for i := range c.ring {
		one := &c.ring[(c.next+len(c.ring)-1-i)%len(c.ring)]
		if one.Source == source && one.Net == net {
			found = append(found, *one)
		}
	}
	return found
}
