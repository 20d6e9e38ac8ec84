package detect

// sketches count what no longer fits a set. While all is on one port, pairs are
// hosts, and while all is on one host, pairs are ports: then pairs are not counted
// beside. Once that ends, pairs goes on from a copy; what it had of the one port
// or host must keep its hash.
type sketches struct {
	pairs, hosts, ports distinct

	footprint *footprint
	failures  failures
	told      uint64 // about so many pairs are of scans that have closed
	oneHost   uint32
	onePort   portKey
	mode      sketchMode
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

func (s *sketches) expire(w *paneWindow, extra uint32) {
	for _, d := range []*distinct{&s.pairs, &s.hosts, &s.ports} {
		d.expire(w, extra)
	}
}

// newSketches is what sketches take when they begin: hosts or ports, and pairs.
const newSketches = 2 * 2 << precision

func (s *sketches) bytes() uint64 {
	return s.pairs.bytes() + s.hosts.bytes() + s.ports.bytes() + s.failures.bytes()
}

// tell lets the sketches count c, unless it is nothing but a session.
func (d *Detector) tell(rec *record, c contact, hash uint64) {
	s := d.suspectOf(rec)
	if s == nil || c.marks&markAnswered != 0 || !s.hasSketch() {
		return
	}
	k := d.sketchOf(s, c.marks.class().track())
	if k.mode == sketchNone {
		k.begin(1, 1, c)
		k.footprint = d.newFootprint(s, []contact{c})
	}
	k.add(c, hash, &d.panes)
	k.trace(c, d.units.timeOf(c.stamp(), d.clock.now))
}

// sketchOf returns the sketches of a track, new ones if it had nothing to count
// when the others began.
func (d *Detector) sketchOf(s *suspect, t trackKind) *sketches {
	if s.sketch[t] == nil {
		s.sketch[t] = new(sketches)
		d.sketched += newSketches
	}
	return s.sketch[t]
}

// spill starts the sketches of every track, and the footprints of the open scans,
// with all that the sets hold, before the failed ones become a sample.
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
			if shapes[track] == nil {
				shapes[track] = newOutline()
			}
			shapes[track].add(c)
		}
	})
	d.each(rec, func(c contact) {
		if track := c.marks.class().track(); counted(c) {
			k := d.sketchOf(s, track)
			if k.mode == sketchNone {
				k.begin(len(shapes[track].hosts.used), len(shapes[track].ports.used), c)
			}
			k.add(c, c.hash(), &d.panes)
		}
	})
	d.sketchFootprints(rec, s, counted)
	for _, sc := range s.scans {
		d.follow(sc)
	}
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
