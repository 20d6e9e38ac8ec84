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
	revision uint32
	crossing crossing
	slow     bool // a threshold of a day or more was crossed: it may pause for long

	first, last schema.Time // of its own contacts
	said        said
	sessions    []schema.Endpoint // probed, then held a session with
}

// said is what the last revision told.
type said struct {
	at        schema.Time
	pairs     uint64
	look      uint64 // the source's size at which a refresh measures again
	again     uint64 // the size at which a jump is looked for again
	kind      schema.Kind
	exporters int
	settled   bool // nothing was touched since
}

// scope is what of a track a scan is about.
type scope struct {
	all   bool
	hosts []uint32
	ports []portKey
}

// maxScope is how many keys a scope lists before it is simply everything.
const maxScope = 64

func (s *scope) has(c contact) bool {
	return s.all || slices.Contains(s.ports, c.portKey()) || slices.Contains(s.hosts, c.addr())
}

// covers reports whether a contact is of the scan's track and in its scope.
func (sc *scan) covers(c contact) bool {
	return c.marks.class().track() == sc.track && sc.scope.has(c)
}

// add widens the scope by the key that crossed.
func (s *scope) add(x *crossing) {
	switch x.family {
	case vertical, protocols:
		s.hosts = append(s.hosts, x.contact.addr())
	case horizontal, sweep:
		s.ports = append(s.ports, x.contact.portKey())
	case block:
		s.all = true
	}
	if len(s.hosts)+len(s.ports) > maxScope {
		*s = scope{all: true}
	}
}

// The life of an alert, in event time.
const (
	updateEvery = 15 * time.Minute // at most, but for a jump in size or a session
	settleAfter = 15 * time.Minute // quiet for so long: the totals are worth telling
	closeFast   = time.Hour
	closeSlow   = 24 * time.Hour

	jump     = 4    // told at once when the pairs are so many times what was said last
	growth   = 2    // told after updateEvery
	settling = 1.25 // told when it went quiet
	idPane   = 5 * time.Minute
	maxKnown = 16 // sessions that are listed
)

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
			sc.join(&x)
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
				sc.join(&x)
				return
			}
		}
	}
	sc := &scan{
		suspect: s, track: t, crossing: x, id: d.id(s, t, x.family),
		first: at, last: at,
	}
	sc.join(&x)
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

func (sc *scan) join(x *crossing) {
	sc.scope.add(x)
	sc.slow = sc.slow || x.horizon >= fastHorizons
}

// widen makes the oldest open scan of the track one of everything: what looked
// like a single port or host was the beginning of a block.
func (d *Detector) widen(open []*scan, x *crossing) {
	sc := open[0]
	sc.join(x)
	sc.scope = scope{all: true}
	for _, other := range open[1:] {
		d.close(other, "merged into "+sc.id)
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

// touch tells the open scans of a source that c was contacted at t.
func (d *Detector) touch(rec *record, s *suspect, c contact, t schema.Time, session *schema.Endpoint) {
	for _, sc := range s.scans {
		if !sc.covers(c) {
			continue
		}
		sc.first, sc.last = min(sc.first, t), max(sc.last, t)
		sc.said.settled = false
		if session != nil && len(sc.sessions) < maxKnown && !slices.Contains(sc.sessions, *session) {
			sc.sessions = append(sc.sessions, *session)
			d.say(sc, schema.Update, reasonSession(session))
			continue
		}
		if size := rec.size(); size >= sc.said.again {
			pairs := sc.measure(d).scale.Pairs.Count
			if pairs >= jump*sc.said.pairs {
				d.say(sc, schema.Update, reasonGrown(sc.said.pairs, pairs))
				continue
			}
			sc.said.again = size + max(jump*sc.said.pairs-pairs, 1)
		}
	}
}

// openScan is an open scan and when it is looked at next: what happens to it
// meanwhile only moves that later.
type openScan struct {
	*scan
	look schema.Time
}

// lookEvery is how often a scan is looked at that grows or has been told of lately.
const lookEvery = time.Minute

// due looks at every open scan whose time may have come.
func (d *Detector) due(now schema.Time) {
	var closing []*scan
	for i := range d.open {
		sc := &d.open[i]
		if now < sc.look {
			continue
		}
		sc.look = now.Add(lookEvery)
		switch quiet := now.Sub(sc.last); {
		case quiet >= sc.closeAfter():
			closing = append(closing, sc.scan)
		case quiet >= settleAfter && !sc.said.settled:
			d.settle(sc.scan)
		case now.Sub(sc.said.at) >= updateEvery:
			d.refresh(sc.scan)
		}
	}
	for _, sc := range closing {
		d.close(sc, "quiet for "+schema.Duration(sc.closeAfter()).String())
	}
}

func (sc *scan) closeAfter() time.Duration {
	if sc.slow {
		return closeSlow
	}
	return closeFast
}

// settle tells the totals of a scan that went quiet, if they are news.
func (d *Detector) settle(sc *scan) {
	m := sc.measure(d)
	if float64(m.scale.Pairs.Count) >= settling*float64(sc.said.pairs) || m.kind(sc) != sc.said.kind || len(sc.evidence().exporters) > sc.said.exporters {
		d.say(sc, schema.Update, "totals, quiet for "+schema.Duration(settleAfter).String())
	}
	sc.said.settled = true
}

// refresh tells what changed since the last revision. Measuring is not cheap,
// so it waits for a change that can be seen without.
func (d *Detector) refresh(sc *scan) {
	exporter := len(sc.evidence().exporters) > sc.said.exporters
	size := d.records.at(sc.suspect.record).size()
	if !exporter && size < sc.said.look {
		return
	}
	sc.said.look = lookAfter(size)
	switch m := sc.measure(d); {
	case exporter:
		d.say(sc, schema.Update, "another exporter saw it")
	case m.kind(sc) != sc.said.kind:
		d.say(sc, schema.Update, "became "+string(m.kind(sc)))
	case m.scale.Pairs.Count >= growth*sc.said.pairs:
		d.say(sc, schema.Update, reasonGrown(sc.said.pairs, m.scale.Pairs.Count))
	}
}

// lookAfter is the size at which a scan may have changed enough to be measured.
func lookAfter(size uint64) uint64 { return size + size/4 + 1 }

// close tells the totals and forgets the scan. What it was about will not be
// told of again unless it is touched again.
func (d *Detector) close(sc *scan, reason string) {
	d.say(sc, schema.Close, reason)
	d.stats.Closed++
	s := sc.suspect
	rec := d.records.at(s.record)
	for _, set := range []*set{&rec.failed, &rec.other} {
		for at, c := range set.all(&d.slab) {
			if sc.covers(c) {
				c.marks |= markTold
				set.change(&d.slab, at, c)
			}
		}
	}
	s.scans = slices.DeleteFunc(s.scans, func(o *scan) bool { return o == sc })
	d.open = slices.DeleteFunc(d.open, func(o openScan) bool { return o.scan == sc })
	rec.since = 0
	if len(s.open(sc.track)) == 0 {
		s.evidence[sc.track] = evidence{}
		if s.sketch[sc.track] != nil {
			s.sketch[sc.track] = new(sketches)
		}
	}
}

// evidence is that of the scan's track.
func (sc *scan) evidence() *evidence { return &sc.suspect.evidence[sc.track] }

// size is about how many distinct targets the source has; it is cheap.
func (r *record) size() uint64 { return r.failed.estimate() + r.other.estimate() }
