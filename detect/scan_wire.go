package detect

import (
	"cmp"
	"encoding/hex"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// The bytes of a scan (in the words of slice.go):
//
//	scan      id:16 track:1 nth:u revision:u seen:u rule:1 contact:8,1 horizon:s count:u
//	          threshold:u flags:1 (0 slow, 1 settled, 2 sequential, 3 key, 4 life, 5 sensitive, 6 fan-out) scope
//	          first last:s heard:s (2)  said at:s pairs seen refresh jump:u kind:text exporters:s (3) severity:text
//	          footprint:1 (0 none, 1 and its own, 2 the track's) [life: counts]
//	          list(session: addr port:2 proto:text back:1) list(asset:text) (4)
//	  scope   all:1 list(host:4) list(port:2 class:1)

// The footprint of a scan.
const (
	printNone   uint8 = iota
	printOwn          // follows
	printShared       // is that of the track's sketches
)

func (sc *scan) wire(w *wire.Wire) {
	id := make([]byte, 16)
	if !w.Reading() {
		hex.Decode(id, []byte(sc.id)) // an id is 32 digits
	}
	for i := range id {
		w.U8(&id[i])
	}
	sc.id = hex.EncodeToString(id)
	w.U8((*uint8)(&sc.track))
	wire.Num(w, &sc.nth)
	wire.Num(w, &sc.revision)
	wire.Num(w, &sc.seen)
	x := &sc.crossing
	w.U8((*uint8)(&x.rule))
	w.U64(&x.contact.word)
	wireMarks(w, &x.contact.marks)
	wire.Signed(w, &x.horizon)
	wire.Num(w, &x.count)
	wire.Num(w, &x.threshold)
	if sc.track >= trackCount || int(x.rule) >= len(ruleKinds) || x.horizon < 0 || x.horizon >= len(horizons) || x.contact.marks.class() > classOther {
		w.Fail("a scan by a rule that nobody knows")
		return
	}
	alive := sc.life != nil
	w.Bits(&sc.slow, &sc.said.settled, &x.sequential, &sc.said.key, &alive, &x.sensitive, &x.fanOut)
	sc.scope.wire(w)
	wire.Signed(w, &sc.first)
	wire.Signed(w, &sc.last)
	if w.Has(2) {
		wire.Signed(w, &sc.heard)
	} else {
		sc.heard = sc.last
	}
	sc.said.wire(w)
	sc.wireFootprint(w)
	if alive {
		if w.Reading() {
			sc.life = new(sketches)
		}
		sc.life.wireCounts(w)
	}
	wire.List(w, &sc.sessions, 5, maxKnown, func(e *schema.Endpoint) {
		w.Addr(&e.Addr)
		w.U16(&e.Port)
		w.Text(&e.Proto)
		w.Bits(&e.Back)
	})
	if w.Has(4) {
		wire.List(w, &sc.assets, 1, maxAssets, w.Text)
	}
}

func (s *scope) wire(w *wire.Wire) {
	w.Bits(&s.all)
	wire.List(w, &s.hosts, 4, maxScope, w.U32)
	wire.List(w, &s.ports, 3, maxScope, func(k *portKey) { k.wire(w) })
}

func (s *said) wire(w *wire.Wire) {
	wire.Signed(w, &s.at)
	wire.Num(w, &s.pairs)
	wire.Num(w, &s.seen)
	wire.Num(w, &s.refreshAt)
	wire.Num(w, &s.jumpAt)
	w.Text((*string)(&s.kind))
	wire.Signed(w, &s.exporters)
	if w.Has(3) {
		w.Text((*string)(&s.severity))
	}
}

func (k *portKey) wire(w *wire.Wire) {
	w.U16(&k.port)
	w.U8((*uint8)(&k.class))
	w.Check(k.class <= classOther, "a port of no protocol")
}

func (sc *scan) wireFootprint(w *wire.Wire) {
	kind, sketch := printNone, sc.suspect.sketch[sc.track]
	switch {
	case sc.footprint == nil:
	case sc.sharesFootprint():
		kind = printShared
	default:
		kind = printOwn
	}
	w.U8(&kind)
	switch {
	case kind == printOwn:
		if w.Reading() {
			sc.footprint = new(footprint)
		}
		sc.footprint.wire(w, sc.suspect.isV4())
	case kind == printShared && w.Reading() && sketch != nil && sketch.footprint != nil:
		sc.footprint = sketch.footprint
	case kind != printNone && w.Reading():
		w.Fail("a footprint that is not there")
	}
}

// sharesFootprint reports whether a scan is about all of its track, and followed.
func (sc *scan) sharesFootprint() bool {
	k := sc.suspect.sketch[sc.track]
	return sc.footprint != nil && k != nil && sc.footprint == k.footprint
}

// compareOpen is the order of the open scans: that in which they opened.
func compareOpen(a, b *scan) int { return cmp.Or(cmp.Compare(a.nth, b.nth), cmp.Compare(a.id, b.id)) }

// dueScan is a scan, whether its footprint is the track's, and when it is due.
type dueScan struct {
	*scan
	shared bool
	dueAt  schema.Time
}

// scans unites the open scans of both, by id. What one state does not have that has
// closed more alerts was closed.
func (j *joining) scans(s, o *suspect, dues []schema.Time, later [trackCount]bool) (united []dueScan) {
	for _, sc := range s.scans {
		at, _ := slices.BinarySearchFunc(j.d.docket.open, sc, func(o openScan, sc *scan) int { return compareOpen(o.scan, sc) })
		united = append(united, dueScan{sc, sc.sharesFootprint(), j.d.docket.open[at].dueAt})
	}
	if j.ahead < 0 {
		united = slices.DeleteFunc(united, func(l dueScan) bool {
			return !slices.ContainsFunc(o.scans, func(sc *scan) bool { return sc.id == l.id })
		})
	}
	for i, sc := range o.scans {
		theirs := dueScan{sc, sc.sharesFootprint(), dues[i]}
		at := slices.IndexFunc(united, func(l dueScan) bool { return l.id == sc.id })
		switch {
		case at >= 0:
			united[at] = united[at].merge(theirs, later[sc.track])
		case j.ahead <= 0:
			united = append(united, theirs)
		}
	}
	return united
}

// merge joins two states of one scan: the one with more revisions stays, and else the
// one that is further on, with the lists of both.
func (l dueScan) merge(o dueScan, later bool) dueScan {
	if further := o.compare(l); further > 0 || further == 0 && later {
		l, o = o, l
	}
	l.first, l.last, l.slow = min(l.first, o.first), max(l.last, o.last), l.slow || o.slow
	for _, e := range o.sessions {
		if len(l.sessions) < maxKnown && !slices.Contains(l.sessions, e) {
			l.sessions = append(l.sessions, e)
		}
	}
	if !l.scope.all && !o.scope.all {
		l.scope.hosts = unite(l.scope.hosts, o.scope.hosts)
		l.scope.ports = unite(l.scope.ports, o.scope.ports)
		l.scope.limit()
	}
	l.assets = unite(l.assets, o.assets)
	slices.Sort(l.assets)
	l.assets = l.assets[:min(len(l.assets), maxAssets)]
	l.heard = max(l.heard, o.heard)
	switch {
	case o.life == nil:
	case l.life == nil:
		l.life = o.life
	default:
		l.life.merge(o.life, &lifeWindow)
	}
	switch {
	case l.shared || o.footprint == nil || o.shared:
	case l.footprint == nil:
		l.footprint = o.footprint
	default:
		l.footprint.merge(o.footprint, false)
	}
	return l
}

func (l dueScan) compare(o dueScan) int {
	a, b := &l.said, &o.said
	settled := 0
	if a.settled != b.settled {
		if settled = -1; a.settled {
			settled = 1
		}
	}
	return cmp.Or(cmp.Compare(l.revision, o.revision), cmp.Compare(a.at, b.at), cmp.Compare(l.last, o.last), cmp.Compare(l.seen, o.seen),
		cmp.Compare(l.dueAt, o.dueAt), settled, cmp.Compare(a.refreshAt, b.refreshAt), cmp.Compare(a.jumpAt, b.jumpAt), cmp.Compare(l.nth, o.nth))
}

// unite appends what is not yet in a list.
func unite[T comparable](l, o []T) []T {
	for _, e := range o {
		if !slices.Contains(l, e) {
			l = append(l, e)
		}
	}
	return l
}

// open makes these the open scans of a suspect.
func (j *joining) open(s *suspect, scans []dueScan) {
	d := j.d
	d.docket.open = slices.DeleteFunc(d.docket.open, func(o openScan) bool { return o.suspect == s })
	s.scans = nil
	for _, l := range scans {
		l.suspect = s
		if k := s.sketch[l.track]; l.shared && k != nil {
			l.footprint = k.footprint
		}
		s.scans = append(s.scans, l.scan)
		d.docket.reopen(l.scan, l.dueAt)
	}
	slices.SortFunc(s.scans, compareOpen)
}
