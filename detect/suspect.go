package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// suspect is what is held beside a record once a source has a few failed
// targets: what an alert tells, and what counts beyond the sets.
type suspect struct {
	addr     netip.Addr
	record   uint32
	internal bool
	net      bool    // addr is that of an IPv6 /64
	scans    []*scan // open ones
	past     []*past // in the order in which they closed
	closed   uint32  // alerts so far: what has more of them is further on
	sketch   [trackCount]*sketches
	evidence [trackCount]evidence
	credits  credits
	blockAt  [trackCount]int // failed contacts before a block is worth looking for again
	names    map[uint32]netip.Addr
}

// suspicious is how many failed targets make a suspect: less than any rule wants
// by default. A smaller threshold makes suspects of what reaches it.
const suspicious = 6

// trackKind separates what is counted by different rules.
type trackKind uint8

const (
	trackPorts     trackKind = iota // protocols with ports
	trackEchoes                     // ICMP requests
	trackProtocols                  // every other IP protocol
	trackCount
)

// families are the rules that a track is judged by.
var families = [trackCount][]family{
	trackPorts:     {vertical, horizontal, block},
	trackEchoes:    {sweep},
	trackProtocols: {protocols},
}

// suspectOf returns the suspect of a record, or nil.
func (d *Detector) suspectOf(rec *record) *suspect {
	if rec.suspect == 0 {
		return nil
	}
	return d.suspects[rec.suspect-1]
}

// suspect makes the source of a record a suspect.
func (d *Detector) suspect(rec *record, index uint32, addr netip.Addr) *suspect {
	s := &suspect{addr: addr, internal: d.isInternal(addr), record: index}
	s.credits.lend(&d.rules, uint32(rec.failed.n), s.internal)
	d.enlist(rec, s)
	return s
}

// enlist gives a record its suspect.
func (d *Detector) enlist(rec *record, s *suspect) {
	if n := len(d.freeSuspects); n > 0 {
		rec.suspect = d.freeSuspects[n-1]
		d.freeSuspects = d.freeSuspects[:n-1]
		d.suspects[rec.suspect-1] = s
	} else {
		d.suspects = append(d.suspects, s)
		rec.suspect = uint32(len(d.suspects))
	}
}

// sketched is what its sketches, footprints and closed scans take.
func (s *suspect) sketched() uint64 {
	n := s.footprints()
	for _, k := range s.sketch {
		if k != nil {
			n += k.bytes()
		}
	}
	for _, p := range s.past {
		n += p.bytes()
	}
	return n
}

// recall counts the failed contacts that came before the source was a suspect as
// one flow each, with the outcome and flags of the current one: nothing more was
// kept of them, and a scanner's probes are alike.
func (d *Detector) recall(rec *record, s *suspect, current contact, g *sighting) {
	first := schema.Time(rec.since) * 1e9
	for _, c := range rec.failed.all(&d.slab) {
		if c.same(current) {
			continue
		}
		e := &s.evidence[c.marks.class().track()]
		if e.flows == 0 {
			e.first, e.last = first, first
		}
		e.flows++
		e.packets++
		e.scaled += uint64(max(g.f.Exporter.Sampling, 1))
		e.pace.add(d.units.timeOf(c.stamp(), d.clock.now))
		if c.marks.class() == classTCP {
			e.flags.add(g.f)
		}
		for i := range e.outcomes {
			if g.o&(probes|faint)>>i&1 != 0 {
				e.outcomes[i]++
			}
		}
	}
}

func (d *Detector) forgetSuspect(rec *record) {
	if rec.suspect == 0 {
		return
	}
	d.suspects[rec.suspect-1] = nil
	d.freeSuspects = append(d.freeSuspects, rec.suspect)
	rec.suspect = 0
}

// maxNames bounds the IPv6 addresses that are remembered to name targets.
const maxNames = 256

// name remembers the address of an IPv6 target, of which a contact holds a hash.
func (s *suspect) name(a netip.Addr) {
	if a.Is4() || a.Is4In6() || len(s.names) >= maxNames {
		return
	}
	if s.names == nil {
		s.names = map[uint32]netip.Addr{}
	}
	s.names[short(a)] = a
}

// target is the address of a contact; the zero Addr where it is not remembered.
func (s *suspect) target(c contact) netip.Addr { return s.addrOf(c.addr()) }

// addrOf is the address that a contact holds in 32 bits.
func (s *suspect) addrOf(short uint32) netip.Addr {
	if s.isV4() {
		return v4Addr(short)
	}
	return s.names[short]
}

// knows reports whether the address that a contact holds in 32 bits can be told.
func (s *suspect) knows(short uint32) bool { return s.isV4() || s.names[short].IsValid() }

func (s *suspect) isV4() bool { return s.addr.Is4() || s.addr.Is4In6() }
