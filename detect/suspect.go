package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// suspect is what is held beside a record once a source has a few failed
// targets: what an alert tells, and what counts beyond the sets.
type suspect struct {
	addr     netip.Addr
	internal bool
	net      bool // addr is that of an IPv6 /64
	record   uint32
	evidence [trackCount]evidence
	sketch   [trackCount]*sketches
	scans    []*scan         // open ones
	blockAt  [trackCount]int // failed contacts before a block is worth looking for again
	names    map[uint32]netip.Addr
}

// suspicious is how many failed targets make a suspect: less than any rule wants.
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

// sketches count what no longer fits a set. While all is on one port, pairs are
// hosts, and while all is on one host, pairs are ports: then pairs are not counted
// beside. Once that ends, pairs goes on from a copy; what it had of the one port
// or host must keep its hash.
type sketches struct {
	pairs, hosts, ports distinct

	oneHost uint32
	onePort portKey
	mode    sketchMode
}

type sketchMode uint8

const (
	sketchNone    sketchMode = iota
	sketchOnePort            // pairs are hosts
	sketchOneHost            // pairs are ports
	sketchPairs              // pairs are counted, beginning with those of one port, one host, or none
	sketchFromPort
	sketchFromHost
)

// begin decides how pairs are counted from what a track holds already.
func (s *sketches) begin(hosts, ports int, c contact) {
	s.oneHost, s.onePort = c.addr(), c.portKey()
	switch {
	case ports <= 1:
		s.mode = sketchOnePort
	case hosts <= 1:
		s.mode = sketchOneHost
	default:
		s.mode = sketchPairs
	}
}

func (s *sketches) add(c contact, hash uint64, w *paneWindow) {
	pane := paneOf(c.stamp())
	host, port := hashHost(c.addr()), c.portKey().hash()
	s.hosts.add(host, pane, w)
	s.ports.add(port, pane, w)
	switch {
	case s.mode == sketchOnePort && c.portKey() != s.onePort:
		s.mode, s.pairs = sketchFromPort, s.hosts.clone()
	case s.mode == sketchOneHost && c.addr() != s.oneHost:
		s.mode, s.pairs = sketchFromHost, s.ports.clone()
	}
	switch {
	case s.mode < sketchPairs:
		return
	case s.mode == sketchFromPort && c.portKey() == s.onePort:
		hash = host
	case s.mode == sketchFromHost && c.addr() == s.oneHost:
		hash = port
	}
	s.pairs.add(hash, pane, w)
}

// counted is what holds the pairs.
func (s *sketches) counted() *distinct {
	switch s.mode {
	case sketchOnePort:
		return &s.hosts
	case sketchOneHost:
		return &s.ports
	}
	return &s.pairs
}

// newSketches is what sketches take when they begin: hosts or ports, and pairs.
const newSketches = 2 * 2 << precision

func (s *sketches) bytes() uint64 { return s.pairs.bytes() + s.hosts.bytes() + s.ports.bytes() }

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
	if n := len(d.freeSuspects); n > 0 {
		rec.suspect = d.freeSuspects[n-1]
		d.freeSuspects = d.freeSuspects[:n-1]
		d.suspects[rec.suspect-1] = s
	} else {
		d.suspects = append(d.suspects, s)
		rec.suspect = uint32(len(d.suspects))
	}
	return s
}

// recall counts the failed contacts that came before the source was a suspect,
// the current one left out, as one flow each: nothing more was kept of them.
func (d *Detector) recall(rec *record, s *suspect, current contact) {
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
		for i := range e.outcomes {
			if o := outcome(1) << i; c.marks&outcomeMarks&marksOf(0, o) != 0 && (o == failed || o == refused || o == touched) {
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

// tell lets the sketches count c, unless it is nothing but a session.
func (d *Detector) tell(rec *record, c contact, hash uint64) {
	s := d.suspectOf(rec)
	if s == nil {
		return
	}
	if k := s.sketch[c.marks.class().track()]; k != nil && c.marks&markAnswered == 0 {
		if k.mode == sketchNone {
			k.begin(1, 1, c)
		}
		k.add(c, hash, &d.panes)
	}
}

// spill starts the sketches of every track with all that the sets hold, before
// the failed ones become a sample.
func (d *Detector) spill(rec *record) {
	s := d.suspectOf(rec)
	if s == nil || s.hasSketch() {
		return
	}
	var shapes [trackCount]*outline
	counted := func(c contact) bool {
		return c.stamp().age(d.now) <= d.units.window && c.marks&markTold == 0 && c.marks&markAnswered == 0
	}
	d.each(rec, func(c contact) {
		if track := c.marks.class().track(); counted(c) {
			if s.sketch[track] == nil {
				s.sketch[track], shapes[track] = new(sketches), newOutline()
				d.sketched += newSketches
			}
			shapes[track].add(c)
		}
	})
	d.each(rec, func(c contact) {
		if track := c.marks.class().track(); counted(c) {
			k := s.sketch[track]
			if k.mode == sketchNone {
				k.begin(len(shapes[track].hosts), len(shapes[track].ports), c)
			}
			k.add(c, c.hash(), &d.panes)
		}
	})
}

// each calls f with every contact of a record.
func (d *Detector) each(rec *record, f func(contact)) {
	for _, set := range []*set{&rec.failed, &rec.other} {
		for _, c := range set.all(&d.slab) {
			f(c)
		}
	}
}

func (s *suspect) hasSketch() bool {
	for _, k := range s.sketch {
		if k != nil {
			return true
		}
	}
	return false
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
func (s *suspect) target(c contact) netip.Addr {
	if s.addr.Is4() || s.addr.Is4In6() {
		a := c.addr()
		return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
	}
	return s.names[c.addr()]
}

// covered: an open scan already tells of c.
func (s *suspect) covered(c contact) bool {
	for _, sc := range s.scans {
		if sc.covers(c) {
			return true
		}
	}
	return false
}

// session returns where a scanner got in: a session over TCP or SCTP in which it
// sent data to a target that it had probed.
func (d *Detector) session(f *schema.Flow, n *note, rec *record, s *suspect) *schema.Endpoint {
	if len(s.scans) == 0 || n.c.marks&markAnswered == 0 || f.Proto == schema.UDP {
		return nil
	}
	if f.Src.TCPFlags&schema.PSH == 0 && f.Src.Packets <= 6 {
		return nil // a connect scan's own handshake and teardown
	}
	if !n.probed && !d.probedHost(rec, n.c) {
		return nil
	}
	return &schema.Endpoint{Addr: f.Dst.Addr, Port: f.Dst.Port, Proto: schema.ProtoName(f.Proto)}
}

func (d *Detector) probedHost(rec *record, c contact) bool {
	for _, known := range rec.failed.all(&d.slab) {
		if known.addr() == c.addr() {
			return true
		}
	}
	return false
}
