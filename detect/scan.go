package detect

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/scanhound/scanhound/schema"
)

// scan is one open alert: a source may have several of a rule.
type scan struct {
	// wide: all that there is of an alert, and only those have it.
	suspect *suspect
	track   trackKind
	scope   scope

	id       string
	nth      uint64 // of those that the partition opened
	revision uint32
	crossing crossing
	seen     uint64 // flows to what it is about, since it opened
	slow     bool   // a threshold of a day or more was crossed: it may pause for long

	first, last schema.Time // of its own contacts
	heard       schema.Time // the clock when it was last heard of
	said        said
	footprint   *footprint        // nil while it can be made from the sets
	life        *sketches         // nil while the window has lost nothing of it
	sessions    []schema.Endpoint // probed, then held a session with
	assets      []string          // touched, by name, sorted
}

// said is what the last revision told.
type said struct {
	at        schema.Time
	pairs     uint64
	seen      uint64
	refreshAt uint64 // how many there are when a refresh measures again
	jumpAt    uint64 // how many there are when a jump is looked for again
	kind      schema.Kind
	severity  schema.Severity // "" in a state of version 2, and before the first
	exporters int
	settled   bool // nothing was touched since
	key       bool // another key has joined, and is not told yet
}

// scope is what of a track a scan is about.
type scope struct {
	all   bool
	hosts []uint32
	ports []portKey

	// Where the first of them lie, so that looking at them is no further wait for memory.
	firstHosts [2]uint32
	firstPorts [2]portKey
}

// maxScope is how many keys a scope lists before it is simply everything.
const maxScope = 64

// clone is a copy that keeps nothing of the scan in memory.
func (s *scope) clone() scope {
	return scope{all: s.all, hosts: slices.Clone(s.hosts), ports: slices.Clone(s.ports)}
}

func (s *scope) has(c contact) bool {
	if s.all {
		return true
	}
	port, host := c.portKey(), c.addr()
	for _, p := range s.ports {
		if p.port == port.port && p.class == port.class {
			return true
		}
	}
	return slices.Contains(s.hosts, host)
}

// covers reports whether a contact is of the scan's track and in its scope.
func (sc *scan) covers(c contact) bool {
	return c.marks.class().track() == sc.track && sc.scope.has(c)
}

// add widens the scope by the key that crossed.
func (s *scope) add(x *crossing) {
	if s.hosts == nil && s.ports == nil {
		s.hosts, s.ports = s.firstHosts[:0], s.firstPorts[:0]
	}
	switch x.rule {
	case vertical, protocols:
		s.hosts = append(s.hosts, x.contact.addr())
	case horizontal, sweep:
		s.ports = append(s.ports, x.contact.portKey())
	case block, mixed:
		s.all = true
	}
	s.limit()
}

// limit makes a scope of too many keys one of everything.
func (s *scope) limit() {
	if len(s.hosts)+len(s.ports) > maxScope {
		*s = scope{all: true}
	}
}

// idPane is how far apart the first contacts of two scans with one id can be.
const idPane = 5 * time.Minute

// id is the same for every detector that sees the same flows, and another for
// every alert: a track has one open alert a rule, and since moves on when one closes.
func (d *docket) id(s *suspect, t trackKind, f rule) string {
	b := append([]byte(d.cfg.Tenant), 0)
	b, _ = s.addr.AppendBinary(b) // it never fails
	b = append(b, byte(f), byte(t))
	if s.sampled {
		b = append(b, 1)
	}
	pane := d.accounts.at(s.account).since / uint32(idPane/time.Second)
	if last := s.idPanes[f]; pane <= last {
		pane = last + 1 // late flows, or a second scan while the first goes on
	}
	s.idPanes[f] = pane
	b = binary.BigEndian.AppendUint32(b, pane)
	h := xxh3.Hash128(b).Bytes()
	return hex.EncodeToString(h[:])
}

// open returns the open scans of a track.
func (s *suspect) open(t trackKind) (open []*scan) {
	for _, sc := range s.scans {
		if sc.track == t {
			open = append(open, sc)
		}
	}
	return open
}

// join adds the key that crossed at a time to what a scan is about. Its contacts so far
// are the scan's from now on.
func (l *ledger) join(sc *scan, x *crossing, at schema.Time) {
	sc.scope.add(x)
	sc.slow = sc.slow || x.horizon >= fastHorizons
	sc.said.refreshAt, sc.said.jumpAt = 0, 0 // the key has its own contacts
	sc.last, sc.heard, sc.said.settled = max(sc.last, at), l.clock.now, false
	if sc.revision > 0 {
		m := l.gather(sc)
		l.byTime(m.contacts)
		l.extend(sc, &m)
		for _, c := range m.contacts {
			sc.live(c)
		}
	}
	l.follow(sc)
}

// extend makes a scan last from its first contact that is no session to its last, which may
// have come before it opened, in any order. Contacts, in the order of time, tell it to the
// unit; where all of the track is of the scan, the evidence tells it exactly.
func (l *ledger) extend(sc *scan, m *measured) {
	if len(m.contacts) == 0 {
		return
	}
	if at := slices.IndexFunc(m.contacts, func(c contact) bool { return c.marks&markAnswered == 0 }); at >= 0 {
		sc.first = min(sc.first, l.units.timeOf(m.contacts[at].stamp(), l.clock.now))
	}
	sc.last = max(sc.last, l.units.timeOf(m.contacts[len(m.contacts)-1].stamp(), l.clock.now))
	switch e := sc.evidence(); {
	case e.flows == 0:
	case m.outside == 0 && l.clock.now.Sub(e.first) <= l.cfg.Window: // else it has what is forgotten
		sc.first, sc.last = min(sc.first, e.first), max(sc.last, e.last)
	case e.last.Sub(sc.last) < l.units.length:
		sc.last = max(sc.last, e.last)
	}
}

// beginning is when the first contact of a scan was: to the unit, or as the evidence has
// it. That knows nothing of what was touched before the last alert of the track closed.
func (l *ledger) beginning(sc *scan) schema.Time {
	t := sc.first - sc.first%schema.Time(l.units.length)
	if e := sc.evidence().first; e > t && e.Sub(t) < l.units.length {
		return e
	}
	return t
}

// newKey has a key told that joined a scan, within a minute.
func (d *docket) newKey(sc *scan, x *crossing) {
	switch {
	case sc.scope.all || len(sc.scope.hosts)+len(sc.scope.ports) > saidKeys:
	case d.clock.now.Sub(sc.said.at) >= keyEvery:
		d.say(sc, schema.Update, "also "+reasonCrossed(x))
	default:
		sc.said.key = true
		for i := range d.open {
			if d.open[i].scan == sc {
				d.open[i].dueAt = min(d.open[i].dueAt, sc.said.at.Add(keyEvery))
			}
		}
	}
}

// widen makes the oldest open scan of the track one of everything: what looked
// like a single port or host was the beginning of a block.
func (d *Detector) widen(open []*scan, x *crossing, at schema.Time) {
	sc := open[0]
	d.ledger.join(sc, x, at)
	sc.scope = scope{all: true}
	d.ledger.follow(sc)
	for _, other := range open[1:] {
		d.docket.end(other, "merged into "+sc.id)
	}
	if sc.said.kind == schema.Block {
		return
	}
	if m := d.ledger.measure(sc); m.shape.kind() == schema.Block {
		d.docket.tell(sc, &m, schema.Update, "became a block scan")
	}
}

// overlap is the share of k's failed contacts that sc covers.
func (l *ledger) overlap(acc *account, k *key, sc *scan) float64 {
	var all, in float64
	for _, c := range acc.failed.all(&l.slab) {
		if k.has(c) {
			all++
			if sc.covers(c) {
				in++
			}
		}
	}
	return in / max(all, 1)
}
