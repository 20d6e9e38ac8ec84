package detect

// The fixed tables are cut into as many parts as the table of sources, by place. Who
// has a place in them has nothing to do with the sources beside it.
const (
	targetsPart   = targetSlots >> segmentBits
	goodsPart     = goodSlots >> segmentBits
	answeringPart = answeringHosts >> segmentBits
)

// goodState is a place of goods that is taken.
type goodState struct {
	place uint32 // in the part
	goodSlot
}

func (d *Detector) writeTables(w *wire, x *slice) {
	if d.targets.slots != nil {
		for _, t := range d.targets.slots[x.part*targetsPart:][:targetsPart] {
			if t.key != 0 {
				x.targets = append(x.targets, t)
			}
		}
	}
	if d.goods.slots != nil {
		for i, g := range d.goods.slots[x.part*goodsPart:][:goodsPart] {
			if g.hour != 0 {
				x.goods = append(x.goods, goodState{uint32(i), g})
			}
		}
	}
	if d.answering.slots != nil {
		for _, a := range d.answering.slots[x.part*answeringPart:][:answeringPart] {
			if a.seen != 0 {
				x.answering = append(x.answering, a)
			}
		}
	}
	w.targets(x)
	w.goods(x)
	w.answering(x)
}

func (w *wire) targets(x *slice) {
	const least = 11 // bytes
	list(w, &x.targets, least, targetsPart, func(t *targetSlot) {
		w.u64(&t.key)
		w.back(&t.served, x.second())
		w.since(&t.failed, x.second())
		num(w, &t.by)
		w.check(t.key&1 == 1 && t.place()/targetsPart == int(x.part), "a target of another part")
	})
}

func (w *wire) goods(x *slice) {
	const least = 6   // bytes
	next := uint32(0) // the first place that may be taken
	list(w, &x.goods, least, goodsPart, func(g *goodState) {
		gap := g.place - next
		num(w, &gap)
		g.place = next + gap
		next = g.place + 1
		w.u32(&g.tag)
		hours := x.second() / 3600
		w.back(&g.hour, hours)
		w.check(gap < goodsPart && g.place < goodsPart && g.hour != 0, "a pair of no place")
	})
}

func (w *wire) answering(x *slice) {
	const least = 5 // bytes
	list(w, &x.answering, least, answeringPart, func(a *answeringHost) {
		w.u32(&a.host)
		w.back(&a.seen, x.second())
		w.check(hashHost(a.host)%answeringHosts/answeringPart == uint64(x.part) && a.seen != 0, "a host of another part")
	})
}

func (d *Detector) mergeTables(x *slice) {
	for _, t := range x.targets {
		d.targets.merge(t)
	}
	for _, g := range x.goods {
		d.goods.merge(g.goodSlot, x.part*goodsPart+g.place)
	}
	for _, a := range x.answering {
		d.answering.merge(a)
	}
}
