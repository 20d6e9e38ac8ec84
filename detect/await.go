package detect

import "net/netip"

// Parts of a state that are written one after another are of different instants. To
// go on exactly, a Detector begins with the earliest and counts the flows again; the
// others are awaited: what flows do to their sources stands in their slices already,
// which are merged when the flows have come as far.

// Await says that the part of a slice will be merged later. Until then flows are not
// counted for its sources, and nothing is said of these. What it knows beyond a single
// source helps at once.
func (d *Detector) Await(b []byte) error {
	x, err := d.readOwnSlice(b)
	if err != nil {
		return err
	}
	if !d.ledger.awaited[x.part] {
		d.ledger.awaited[x.part] = true
		d.ledger.awaiting++
	}
	if x.part != common {
		d.ledger.reserve(x) // how far a sweep goes depends on the places of all
	}
	if d.clock.now == 0 {
		return nil // what it knows is of another time
	}
	x.bring(d.second)
	if x.part == common {
		d.mergeCommon(&x.common)
	} else {
		d.network.mergeTables(x)
	}
	return nil
}

// Awaiting is how many parts are awaited.
func (d *Detector) Awaiting() int { return d.ledger.awaiting }

// arrived notes that the part of a slice is there. If it was awaited, the slice knows
// better than what was put together meanwhile.
func (d *Detector) arrived(x *slice) {
	if !d.ledger.awaited[x.part] {
		return
	}
	d.ledger.awaited[x.part] = false
	d.ledger.awaiting--
	if x.part == common {
		d.network.forgetExporters()
	} else {
		d.network.clearTables(int(x.part))
	}
}

// forgetExporters drops what is known of exporters.
func (n *network) forgetExporters() {
	n.scalings, n.sendsFlags, n.flagged = map[netip.Addr]scaling{}, map[netip.Addr]bool{}, netip.Addr{}
	n.views, n.view, n.viewed = map[viewKey]*view{}, nil, viewKey{}
}

// clearTables empties a part of each fixed table.
func (n *network) clearTables(part int) {
	for _, t := range n.outages.Part(part, tableParts) {
		*t = outageSlot{}
	}
	for _, g := range n.knownGood.Part(part, tableParts) {
		*g = goodSlot{}
	}
	for _, a := range n.responders.Part(part, tableParts) {
		if a.seen != 0 {
			*a = responder{}
			n.responders.held--
		}
	}
	for _, v := range n.visits.Part(part, tableParts) {
		*v = visit{}
	}
}

// awaits reports whether the source's part is awaited.
func (l *ledger) awaits(key uint64) bool {
	if l.awaiting == 0 {
		return false
	}
	seg, _ := home(key)
	return l.awaited[seg]
}

// bring moves what a slice knows beyond its sources back to a second before it was
// written: no time may lie ahead of the clock.
func (x *slice) bring(now uint32) {
	for i := range x.outages {
		t := &x.outages[i]
		t.served, t.failed = min(t.served, now), min(t.failed, now)
	}
	for i := range x.knownGood {
		x.knownGood[i].hour = min(x.knownGood[i].hour, now/3600)
	}
	for i := range x.responders {
		x.responders[i].seen = min(x.responders[i].seen, now)
	}
	for i := range x.visits {
		x.visits[i].seen = min(x.visits[i].seen, now)
	}
	for i := range x.common.views {
		x.common.views[i].since = min(x.common.views[i].since, now)
	}
}
