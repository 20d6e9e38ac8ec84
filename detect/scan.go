package detect

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/scanhound/scanhound/schema"
)

// scan is one open alert: a source has at most one for each family and track.
type scan struct {
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
	said        said
	footprint   *footprint        // nil while it can be made from the sets
	sessions    []schema.Endpoint // probed, then held a session with
}

// said is what the last revision told.
type said struct {
	at        schema.Time
	pairs     uint64
	seen      uint64
	look      uint64 // how many there are when a refresh measures again
	again     uint64 // how many there are when a jump is looked for again
	kind      schema.Kind
	exporters int
	settled   bool // nothing was touched since
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
	switch x.family {
	case vertical, protocols:
		s.hosts = append(s.hosts, x.contact.addr())
	case horizontal, sweep:
		s.ports = append(s.ports, x.contact.portKey())
	case block:
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
// every alert: a track has one open alert a family, and since moves on when one closes.
func (d *Detector) id(s *suspect, t trackKind, f family) string {
	b := append([]byte(d.cfg.Tenant), 0)
	b, _ = s.addr.AppendBinary(b) // it never fails
	b = append(b, byte(f), byte(t))
	since := d.records.at(s.record).since
	b = binary.BigEndian.AppendUint32(b, since/uint32(idPane/time.Second))
	h := xxh3.Hash128(b).Bytes()
	return hex.EncodeToString(h[:])
}

// cross handles a contact that made a rule fire: it belongs to an open scan, or opens one.
func (d *Detector) cross(rec *record, s *suspect, x crossing, at schema.Time) {
	t := x.contact.marks.class().track()
	open := s.open(t)
	for _, sc := range open {
		if sc.crossing.family == x.family {
			d.join(sc, &x)
			return
		}
	}
	if len(open) > 0 {
		if x.family == block || d.failedShape(rec, t, always).kind() == schema.Block {
			d.widen(open, &x)
			return
		}
		for _, sc := range open {
			if d.overlap(rec, &key{x.family, x.contact}, sc) >= 0.5 {
				d.join(sc, &x)
				return
			}
		}
	}
	sc := &scan{
		suspect: s, track: t, crossing: x, id: d.id(s, t, x.family),
		first: at, last: at, nth: d.opened,
	}
	d.opened++
	d.join(sc, &x)
	s.scans = append(s.scans, sc)
	d.open = append(d.open, openScan{sc, at.Add(settleAfter)})
	d.stats.Opened++
	d.say(sc, schema.Open, reasonCrossed(&x))
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

func (d *Detector) join(sc *scan, x *crossing) {
	sc.scope.add(x)
	sc.slow = sc.slow || x.horizon >= fastHorizons
	sc.said.look, sc.said.again = 0, 0 // the key has its own contacts
	d.follow(sc)
}

// widen makes the oldest open scan of the track one of everything: what looked
// like a single port or host was the beginning of a block.
func (d *Detector) widen(open []*scan, x *crossing) {
	sc := open[0]
	d.join(sc, x)
	sc.scope = scope{all: true}
	d.follow(sc)
	for _, other := range open[1:] {
		d.end(other, "merged into "+sc.id)
	}
	if sc.said.kind != schema.Block && sc.measure(d).shape.kind() == schema.Block {
		d.say(sc, schema.Update, "became a block scan")
	}
}

// overlap is the share of k's failed contacts that sc covers.
func (d *Detector) overlap(rec *record, k *key, sc *scan) float64 {
	var all, in float64
	for _, c := range rec.failed.all(&d.slab) {
		if k.has(c) {
			all++
			if sc.covers(c) {
				in++
			}
		}
	}
	return in / max(all, 1)
}
