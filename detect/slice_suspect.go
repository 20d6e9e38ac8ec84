package detect

import (
	"cmp"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// maxScans is more than a source can have open: one for each family and track.
const maxScans = 16

// suspect writes or reads what is held beside a record. When scans are looked at
// next stands beside them, in looks. Credits are not written: without them the
// rules are asked again.
func (w *wire) suspect(s *suspect, looks *[]schema.Time) {
	w.addr(&s.addr)
	w.check(s.addr.IsValid(), "a source without an address")
	num(w, &s.closed)
	w.names(s)
	var evidences, sketched [trackCount]bool
	for t := range trackCount {
		evidences[t] = s.evidence[t].flows > 0
		sketched[t] = s.sketch[t] != nil
	}
	w.bits(&s.net, &evidences[0], &evidences[1], &evidences[2], &sketched[0], &sketched[1], &sketched[2])
	for t := range trackCount {
		if evidences[t] {
			w.evidence(&s.evidence[t])
		}
		if sketched[t] {
			if w.reading {
				s.sketch[t] = new(sketches)
			}
			w.sketches(s.sketch[t], s.isV4())
		}
	}
	n := len(s.scans)
	w.count(&n, 40, maxScans)
	if w.reading {
		s.scans, *looks = make([]*scan, n), make([]schema.Time, n)
	}
	for i := range n {
		if w.reading {
			s.scans[i] = &scan{suspect: s}
		}
		w.scan(s.scans[i])
		w.time(&(*looks)[i])
	}
	w.pasts(s)
}

// names are written in the order of the addresses.
func (w *wire) names(s *suspect) {
	names := make([]netip.Addr, 0, len(s.names))
	for _, a := range s.names {
		names = append(names, a)
	}
	slices.SortFunc(names, netip.Addr.Compare)
	list(w, &names, 2, maxNames, func(a *netip.Addr) {
		w.addr(a)
		w.check(a.IsValid(), "a target without an address")
	})
	if !w.reading || len(names) == 0 || w.err != nil {
		return
	}
	s.names = map[uint32]netip.Addr{}
	for _, a := range names {
		s.names[short(a)] = a
	}
}

func (w *wire) evidence(e *evidence) {
	for _, v := range []*uint64{&e.flows, &e.packets, &e.bytes, &e.scaled} {
		num(w, v)
	}
	w.check(e.flows > 0, "evidence of no flow")
	w.time(&e.first)
	w.time(&e.last)
	signed(w, &e.firstOffset)
	signed(w, &e.lastOffset)
	for i := range e.outcomes {
		num(w, &e.outcomes[i])
	}
	for i := range e.oriented {
		num(w, &e.oriented[i])
	}
	for i := range e.flags.flags {
		w.u8(&e.flags.flags[i])
	}
	for i := range e.flags.flows {
		num(w, &e.flags.flows[i])
	}
	num(w, &e.pace.minute)
	for i := range e.pace.flows {
		num(w, &e.pace.flows[i])
	}
	num(w, &e.pace.peak)
	for i := range e.ports {
		w.u16(&e.ports[i].port)
		num(w, &e.ports[i].count)
	}
	list(w, &e.exporters, 1, maxExporters, w.addr)
	num(w, &e.sampling)
}

// The footprint of a scan.
const (
	printNone   uint8 = iota
	printOwn          // follows
	printShared       // is that of the track's sketches
)

func (w *wire) scan(sc *scan) {
	id := make([]byte, 16)
	if !w.reading {
		hex.Decode(id, []byte(sc.id)) // an id is 32 digits
	}
	for i := range id {
		w.u8(&id[i])
	}
	sc.id = hex.EncodeToString(id)
	w.u8((*uint8)(&sc.track))
	num(w, &sc.nth)
	num(w, &sc.revision)
	num(w, &sc.seen)
	x := &sc.crossing
	w.u8((*uint8)(&x.family))
	w.u64(&x.contact.word)
	w.u8((*uint8)(&x.contact.marks))
	signed(w, &x.horizon)
	num(w, &x.count)
	num(w, &x.threshold)
	if sc.track >= trackCount || int(x.family) >= len(familyKinds) || x.horizon < 0 || x.horizon >= len(horizons) || x.contact.marks.class() > classOther {
		w.fail("a scan by a rule that nobody knows")
		return
	}
	w.bits(&sc.slow, &sc.said.settled, &x.early)
	w.scope(&sc.scope)
	w.time(&sc.first)
	w.time(&sc.last)
	w.said(&sc.said)
	w.scanFootprint(sc)
	list(w, &sc.sessions, 5, maxKnown, func(e *schema.Endpoint) {
		w.addr(&e.Addr)
		w.u16(&e.Port)
		w.text(&e.Proto)
		w.bits(&e.Back)
	})
}

func (w *wire) scope(s *scope) {
	w.bits(&s.all)
	list(w, &s.hosts, 4, maxScope, w.u32)
	list(w, &s.ports, 3, maxScope, w.portKey)
}

func (w *wire) said(s *said) {
	w.time(&s.at)
	num(w, &s.pairs)
	num(w, &s.seen)
	num(w, &s.look)
	num(w, &s.again)
	w.text((*string)(&s.kind))
	signed(w, &s.exporters)
}

func (w *wire) portKey(k *portKey) {
	w.u16(&k.port)
	w.u8((*uint8)(&k.class))
	w.check(k.class <= classOther, "a port of no protocol")
}

func (w *wire) scanFootprint(sc *scan) {
	kind, sketch := printNone, sc.suspect.sketch[sc.track]
	switch {
	case sc.footprint == nil:
	case sc.sharesFootprint():
		kind = printShared
	default:
		kind = printOwn
	}
	w.u8(&kind)
	switch {
	case kind == printOwn:
		if w.reading {
			sc.footprint = new(footprint)
		}
		w.footprint(sc.footprint, sc.suspect.isV4())
	case kind == printShared && w.reading && sketch != nil && sketch.footprint != nil:
		sc.footprint = sketch.footprint
	case kind != printNone && w.reading:
		w.fail("a footprint that is not there")
	}
}

// sharesFootprint reports whether a scan is about all of its track, and followed.
func (sc *scan) sharesFootprint() bool {
	k := sc.suspect.sketch[sc.track]
	return sc.footprint != nil && k != nil && sc.footprint == k.footprint
}

// compareOpen is the order of the open scans: that in which they opened.
func compareOpen(a, b *scan) int { return cmp.Or(cmp.Compare(a.nth, b.nth), cmp.Compare(a.id, b.id)) }
