package detect

import "slices"

// To ask a rule takes a pass over all failed contacts of a source, and a slow
// scanner sends hundreds of probes before it crosses. So what a pass finds is
// kept as credit: how many more contacts a key needs at the least before any
// window of any horizon could cross. Each contact, new or again, adds at most one
// to a window, so until the credit is spent nobody has to look.

// credits are those of one source, for the rules about ports. Keys share a place
// by their hash; a place counts all of them, which only makes it look sooner.
type credits struct {
	hosts, ports [creditPlaces]uint8
	pairs        uint8
}

// creditPlaces: a sweep's hosts, spread over them, stay below the vertical thresholds.
const creditPlaces = 64

// maxCredit is the most that a place can hold.
const maxCredit = 1<<8 - 1

// of returns the credit of the key that a family looks at.
func (c *credits) of(f family, of contact) *uint8 {
	switch f {
	case vertical:
		return &c.hosts[hostPlace(of)]
	case horizontal:
		return &c.ports[portPlace(of)]
	}
	return &c.pairs
}

func hostPlace(c contact) uint64 { return hashHost(c.addr()) % creditPlaces }
func portPlace(c contact) uint64 { return c.portKey().hash() % creditPlaces }

// spend takes one contact from every key that it belongs to.
func (c *credits) spend(of contact) {
	for _, left := range [...]*uint8{&c.hosts[hostPlace(of)], &c.ports[portPlace(of)], &c.pairs} {
		if *left > 0 {
			*left--
		}
	}
}

// lend gives every place of a source with so few failed contacts its first credit.
func (c *credits) lend(r *rules, failed uint32, internal bool) {
	for i := range c.hosts {
		c.hosts[i] = credit(r.fewest(vertical, internal), failed)
		c.ports[i] = credit(r.fewest(horizontal, internal), failed)
	}
	c.pairs = credit(r.fewest(block, internal), failed)
}

// credit is how many more it takes from have to want.
func credit(want, have uint32) uint8 {
	if have >= want {
		return 0
	}
	return uint8(min(want-have, maxCredit))
}

// hasCredit reports whether a rule of the family cannot fire yet. A sampled set,
// and a sampled exporter, whose thresholds are others, get no credit.
func (d *Detector) hasCredit(rec *record, s *suspect, f family, of contact) bool {
	if f == block && int(rec.failed.n) < s.blockAt[trackPorts] {
		return true
	}
	return f <= block && rec.failed.level == 0 && s.evidence[trackPorts].sampling <= 1 && *s.credits.of(f, of) > 0
}

// grant measures anew what the key of a contact that did not cross has left.
func (d *Detector) grant(rec *record, s *suspect, f family, of contact) {
	if f > block {
		return
	}
	left := s.credits.of(f, of)
	var panes [1 << paneBits]uint16
	total := uint32(0)
	for _, c := range rec.failed.all(&d.slab) {
		if c.marks.class().track() == trackPorts && samePlace(f, c, of) {
			panes[paneOf(c.stamp())]++
			total++
		}
	}
	if *left = credit(d.rules.fewest(f, s.internal), total); *left > 0 {
		return
	}
	*left = maxCredit
	for h, span := range d.rules.spans {
		most := total
		// As many panes as a span can lie in, beginning in the middle of one.
		if n := int(span-1)>>paneShift + 2; h < len(horizons)-1 && n < len(panes) {
			most = fullestRun(&panes, n)
		}
		*left = min(*left, credit(d.rules.least(f, h, s.internal), most))
	}
}

func samePlace(f family, a, b contact) bool {
	switch f {
	case vertical:
		return hostPlace(a) == hostPlace(b)
	case horizontal:
		return portPlace(a) == portPlace(b)
	}
	return true
}

// fullestRun is the largest sum of n neighbouring panes of the ring.
func fullestRun(panes *[1 << paneBits]uint16, n int) (most uint32) {
	sum := uint32(0)
	for i := range n - 1 {
		sum += uint32(panes[i])
	}
	for i := range panes {
		sum += uint32(panes[(i+n-1)%len(panes)])
		most = max(most, sum)
		sum -= uint32(panes[i])
	}
	return most
}

// least is the lowest threshold of a family at a horizon, whatever the key.
func (r *rules) least(f family, h int, internal bool) uint32 {
	want := r.list(f, internal)[h]
	if early := r.soonest(f, internal); early > 0 && h == hour {
		want = min(want, early)
	}
	return want
}

// fewest is the lowest threshold of a family.
func (r *rules) fewest(f family, internal bool) uint32 {
	return min(slices.Min(r.list(f, internal)), r.least(f, hour, internal))
}
