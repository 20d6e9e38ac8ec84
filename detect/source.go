package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// source is what is held of one source address.
type source struct {
	addr     netip.Addr
	place    int // in the table's list
	internal bool
	seen     uint32 // stamp seconds of its latest flow
	tracks   [trackCount]*track
}

// trackKind separates what is counted by different rules.
type trackKind uint8

const (
	trackPorts     trackKind = iota // protocols with ports
	trackEchoes                     // ICMP requests
	trackProtocols                  // every other IP protocol
	trackCount
)

func kindOf(proto uint8) trackKind {
	switch {
	case schema.HasPorts(proto):
		return trackPorts
	case proto == schema.ICMP || proto == schema.ICMPv6:
		return trackEchoes
	}
	return trackProtocols
}

// families are the rules that a track is judged by.
var families = [trackCount][]family{
	trackPorts:     {vertical, horizontal, block},
	trackEchoes:    {sweep},
	trackProtocols: {protocols},
}

// track is a source's contacts of one kind.
type track struct {
	kind     trackKind
	failed   contacts  // targets that count
	other    contacts  // targets that answered, or of which too little is known
	sketch   *sketches // since the failed set became a sample
	evidence evidence
	since    schema.Time // first failed contact since the last alert closed
	scans    []*scan     // open ones
	blockAt  int         // failed contacts before a block is worth looking for again
}

// sketches count what no longer fits a set.
type sketches struct{ pairs, hosts, ports distinct }

func (s *sketches) add(c *contact, hash uint64, pane, now uint16) {
	s.pairs.add(hash, pane, now)
	s.hosts.add(hashAddr(&c.addr), pane, now)
	s.ports.add(schema.Mix64(uint64(c.port)<<8|uint64(c.proto)), pane, now)
}

func (s *source) track(kind trackKind) *track {
	if s.tracks[kind] == nil {
		s.tracks[kind] = &track{kind: kind}
	}
	return s.tracks[kind]
}

// weight orders sources for eviction: what has more failed contacts stays longer.
func (s *source) weight() int {
	n := 0
	for _, t := range s.tracks {
		if t != nil {
			n += len(t.failed.list)
		}
	}
	return n
}

func (s *source) alerted() bool {
	for _, t := range s.tracks {
		if t != nil && len(t.scans) > 0 {
			return true
		}
	}
	return false
}

// expire drops what is older than the window and reports whether nothing is left.
func (s *source) expire(oldest uint32) bool {
	empty := true
	for i, t := range s.tracks {
		if t == nil {
			continue
		}
		t.failed.expire(oldest)
		t.other.expire(oldest)
		t.blockAt = 0
		if len(t.failed.list) == 0 {
			t.sketch = nil
		}
		switch {
		case len(t.scans) > 0 || len(t.failed.list)+len(t.other.list) > 0:
			empty = false
		default:
			s.tracks[i] = nil
		}
	}
	return empty
}

// size is about how many distinct targets the track has; it is cheap.
func (t *track) size() uint64 { return t.failed.estimate() + t.other.estimate() }

// note is what observe learned from one flow about its contact.
type note struct {
	c      contact
	fresh  bool // it counts as a failed target that did not count before
	probed bool // it had been probed before and has answered now
}

// observe remembers the contact c, with the clock's window beginning at oldest.
func (t *track) observe(c contact, w *windowAt) note {
	hash := c.hash()
	if found := t.failed.find(&c, hash); found != nil {
		return t.again(found, c)
	}
	if found := t.other.find(&c, hash); found != nil {
		found.bits |= c.bits
		found.refresh(c.stamp)
		if !found.bits.isProbe() {
			return note{c: c}
		}
		c = *found
		t.other.remove(found)
	}
	if !c.bits.isProbe() {
		t.other.add(c, hash, w.oldest)
		t.tell(&c, hash, w)
		return note{c: c}
	}
	if len(t.failed.list) == maxContacts && t.sketch == nil {
		t.spill(w)
	}
	t.failed.add(c, hash, w.oldest)
	t.tell(&c, hash, w)
	return note{c: c, fresh: t.failed.sampled(hash)}
}

// again handles another flow to a target in the failed set.
func (t *track) again(found *contact, c contact) note {
	news := found.refresh(c.stamp)
	found.bits |= c.bits
	n := note{c: *found, fresh: news}
	if !found.bits.isProbe() {
		n.probed, n.fresh = true, false
		moved := *found
		t.failed.remove(found)
		t.other.add(moved, moved.hash(), 0)
	}
	return n
}

// tell lets the sketches count c, unless it is nothing but a session.
func (t *track) tell(c *contact, hash uint64, w *windowAt) {
	if t.sketch != nil && c.bits != answered {
		t.sketch.add(c, hash, w.pane(c.stamp), w.nowPane)
	}
}

// spill starts the sketches with all that the sets hold, before one becomes a sample.
func (t *track) spill(w *windowAt) {
	t.sketch = new(sketches)
	for _, set := range []*contacts{&t.failed, &t.other} {
		for i := range set.list {
			c := &set.list[i]
			if c.stamp.seconds() >= w.oldest {
				t.tell(c, c.hash(), w)
			}
		}
	}
}
