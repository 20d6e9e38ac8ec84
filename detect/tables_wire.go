package detect

import "github.com/scanhound/scanhound/detect/internal/wire"

// The fixed tables are cut into as many parts as the table of sources, by place. Who
// has a place in them has nothing to do with the sources beside it. Their bytes (in the
// words of slice.go):
//
//	outage    gap:u tag:4 served:ago failed:u (0 none, 1+ago) sources:u  (gaps between places)
//	          key:8 instead of gap and tag in version 1
//	good      gap:u tag:4 ago:u hours  (likewise)
//	responder host:4 seen:ago
//	visit     key:8 seen:ago by:u, since version 2

// What a part of each table has.
const (
	tableParts     = 1 << segmentBits
	outagesPart    = outageSlots >> segmentBits
	knownGoodPart  = goodSlots >> segmentBits
	respondersPart = responderSlots >> segmentBits
	visitsPart     = visitSlots >> segmentBits
)

// outageState is a slot of outages that is taken.
type outageState struct {
	place uint32 // in the part
	outageSlot
}

// goodState is a slot of knownGood that is taken.
type goodState struct {
	place uint32 // in the part
	goodSlot
}

func (n *network) writeTables(w *wire.Wire, x *slice) {
	for place, t := range n.outages.Part(int(x.part), tableParts) {
		if t.served != 0 {
			x.outages = append(x.outages, outageState{uint32(place), *t})
		}
	}
	for place, g := range n.knownGood.Part(int(x.part), tableParts) {
		if g.hour != 0 {
			x.knownGood = append(x.knownGood, goodState{uint32(place), *g})
		}
	}
	for _, a := range n.responders.Part(int(x.part), tableParts) {
		if a.seen != 0 {
			x.responders = append(x.responders, *a)
		}
	}
	for _, v := range n.visits.Part(int(x.part), tableParts) {
		if v.key != 0 {
			x.visits = append(x.visits, *v)
		}
	}
	x.wireTables(w)
}

func (x *slice) wireTables(w *wire.Wire) {
	x.wireOutages(w)
	x.wireKnownGood(w)
	x.wireResponders(w)
	if w.Has(2) {
		x.wireVisits(w)
	}
}

func (x *slice) wireVisits(w *wire.Wire) {
	const least = 10 // bytes
	wire.List(w, &x.visits, least, visitsPart, func(v *visit) {
		w.U64(&v.key)
		w.Back(&v.seen, x.second())
		wire.Num(w, &v.by)
		w.Check(v.key&1 == 1 && v.key>>1%visitSlots/visitsPart == uint64(x.part), "a port of another part")
	})
}

func (x *slice) wireOutages(w *wire.Wire) {
	const least = 8   // bytes
	next := uint32(0) // the first place that may be taken
	wire.List(w, &x.outages, least, outagesPart, func(t *outageState) {
		if w.Has(2) {
			w.Gap(&t.place, &next, outagesPart)
			w.U32(&t.tag)
		} else {
			t.readKey(w, x.part)
		}
		w.Back(&t.served, x.second())
		w.Since(&t.failed, x.second())
		wire.Num(w, &t.by)
		w.Check(t.served != 0, "a target that never served")
	})
}

// readKey: version 1 had all of the hash.
func (t *outageState) readKey(w *wire.Wire, part uint32) {
	var key uint64
	w.U64(&key)
	place := uint32(key >> 1 % outageSlots)
	w.Check(key&1 == 1 && place/outagesPart == part, "a target of another part")
	t.place, t.tag = place%outagesPart, uint32(key>>32)
}

func (x *slice) wireKnownGood(w *wire.Wire) {
	const least = 6   // bytes
	next := uint32(0) // the first place that may be taken
	wire.List(w, &x.knownGood, least, knownGoodPart, func(g *goodState) {
		w.Gap(&g.place, &next, knownGoodPart)
		w.U32(&g.tag)
		hours := x.second() / 3600
		w.Back(&g.hour, hours)
		w.Check(g.hour != 0, "a pair of no place")
	})
}

func (x *slice) wireResponders(w *wire.Wire) {
	const least = 5 // bytes
	wire.List(w, &x.responders, least, respondersPart, func(a *responder) {
		w.U32(&a.host)
		w.Back(&a.seen, x.second())
		w.Check(hashHost(a.host)%responderSlots/respondersPart == uint64(x.part) && a.seen != 0, "a host of another part")
	})
}

func (n *network) mergeTables(x *slice) {
	for _, t := range x.outages {
		n.outages.Make(outageSlots)
		n.outages.Slot(uint64(x.part*outagesPart + t.place)).merge(t.outageSlot)
	}
	for _, g := range x.knownGood {
		n.knownGood.Make(goodSlots)
		n.knownGood.Slot(uint64(x.part*knownGoodPart + g.place)).merge(g.goodSlot)
	}
	for _, a := range x.responders {
		n.responders.merge(a)
	}
	for _, v := range x.visits {
		n.visits.Make(visitSlots)
		n.visits.Slot(v.key >> 1).merge(v)
	}
}
