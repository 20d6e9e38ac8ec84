package detector

import (
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// maxClosed is how many closed alerts a partition keeps to explain: what an
// analyst asks about is of today. 300 bytes each.
const maxClosed = 1000

// closedAlerts are the alerts of a partition that closed last. An alert's last
// revision says everything; of it is kept what explains it.
type closedAlerts struct {
	ring []closedAlert
	next int // the oldest, once there are maxClosed
}

type closedAlert struct {
	id       string
	revision uint32
	source   netip.Addr
	net      bool // the source is all of an IPv6 /64
	kind     schema.Kind
	verdict  schema.Verdict
	reason   string
	pairs    schema.Count
	first    time.Time
	last     time.Time
}

func closedAlertOf(a *schema.Alert) closedAlert {
	return closedAlert{
		id: a.ID, revision: a.Revision, source: a.Source, net: a.Prefix != 0, kind: a.Kind,
		verdict: a.Verdict, reason: a.Reason, pairs: a.Pairs, first: a.FirstSeen, last: a.LastSeen,
	}
}

// add keeps one that has closed. One that closed again, since its scanner got in,
// takes its own place.
func (c *closedAlerts) add(a *schema.Alert) {
	one := closedAlertOf(a)
	if at := slices.IndexFunc(c.ring, func(o closedAlert) bool { return o.id == one.id }); at >= 0 {
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

// find returns a copy of the alert, or nil.
func (c *closedAlerts) find(id string) *closedAlert {
	for _, one := range c.ring {
		if one.id == id {
			return &one
		}
	}
	return nil
}

// of returns the closed alerts of a source, those that closed last first.
func (c *closedAlerts) of(source netip.Addr, net bool) (found []closedAlert) {
	for i := range c.ring {
		one := &c.ring[(c.next+len(c.ring)-1-i)%len(c.ring)]
		if one.source == source && one.net == net {
			found = append(found, *one)
		}
	}
	return found
}
