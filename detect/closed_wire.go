package detect

import (
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// The bytes of a closed scan (in the words of slice.go):
//
//	closed    reopened:1 nth:u scope first last session:s pause:s
//	          failed:list(host:4 second:4) touched:list(host:4 second:4)
//	          list(base:u failed:numbers touched:numbers) list(network:u) bits:s  alert: JSON behind its number:u
//	          goes on:1 [scan evidence kept] (2)
//	  kept    sketch:1 [sketches] its footprint is the scan's:1 at:2 list(contact:8,1)
//
// For scope see scan_wire.go, for numbers internal/bits16.

// wireClosed writes or reads the scans of a suspect that have closed.
func (s *suspect) wireClosed(w *wire.Wire) {
	n := len(s.closedScans)
	w.Count(&n, 40, maxClosed)
	if w.Reading() && n > 0 {
		s.closedScans = make([]*closedScan, n)
	}
	for i := range n {
		if w.Reading() {
			s.closedScans[i] = &closedScan{suspect: s}
		}
		s.closedScans[i].wire(w)
	}
}

func (p *closedScan) wire(w *wire.Wire) {
	w.Bits(&p.reopened)
	wire.Num(w, &p.nth)
	p.scope.wire(w)
	wire.Signed(w, &p.first)
	wire.Signed(w, &p.last)
	wire.Signed(w, &p.lastSession)
	wire.Signed(w, &p.pause)
	p.probed.wire(w)
	wireAlert(w, &p.alert)
	if w.Has(2) {
		p.wireScan(w)
	}
}

// wireScan writes or reads what goes on if the scanner comes back.
func (p *closedScan) wireScan(w *wire.Wire) {
	goesOn := p.scan != nil
	w.Bits(&goesOn)
	if !goesOn {
		return
	}
	if w.Reading() {
		p.scan = &scan{suspect: p.suspect}
	}
	p.scan.wire(w)
	p.evidence.wire(w)
	p.kept.wire(w, p.scan)
}

func (p *probedHosts) wire(w *wire.Wire) {
	attempt := func(a *attempt) {
		w.U32(&a.host)
		w.U32(&a.at)
	}
	wire.List(w, &p.failed, 8, maxContacts, attempt)
	wire.List(w, &p.touched, 8, maxContacts, attempt)
	wire.List(w, &p.maps, 3, maxFine, func(m *probedMap) {
		wire.Num(w, &m.base)
		m.failed.Wire(w)
		m.touched.Wire(w)
	})
	wire.List(w, &p.around, 1, maxContacts, func(net *uint32) { wire.Num(w, net) })
	wire.Signed(w, &p.bits)
	w.Check(p.bits >= 0 && p.bits <= 32, "a network of no length")
}

// maxAlert is far beyond an alert without footprint and sketch.
const maxAlert = 1 << 16

// wireAlert: an alert is its JSON, behind its length.
func wireAlert(w *wire.Wire, a *schema.Alert) {
	var b []byte
	if !w.Reading() {
		b, _ = schema.AppendAlert(nil, a) // it never fails
	}
	n := len(b)
	w.Count(&n, 1, maxAlert)
	if !w.Reading() {
		copy(w.Raw(n), b)
		return
	}
	b = w.Raw(n)
	read, err := schema.ParseAlert(b)
	if err != nil {
		w.Fail("an alert that is none")
		return
	}
	*a = *read
}

// adoptClosed gives a suspect its closed scans, and puts those reopened in their order.
func (d *docket) adoptClosed(s *suspect) {
	d.reopened = slices.DeleteFunc(d.reopened, func(p *closedScan) bool { return p.suspect == s })
	for _, p := range s.closedScans {
		p.suspect = s
		if p.scan != nil {
			p.scan.suspect = s
		}
		if p.reopened {
			at, _ := slices.BinarySearchFunc(d.reopened, p, comparePast)
			d.reopened = slices.Insert(d.reopened, at, p)
			d.opened = max(d.opened, p.nth+1)
		}
	}
}

func comparePast(a, b *closedScan) int {
	return cmp.Or(cmp.Compare(a.nth, b.nth), cmp.Compare(a.alert.ID, b.alert.ID))
}

// closedScans joins the closed scans of two states: all of who has closed more, or of both,
// and of each scan the state with more revisions.
func (j *joining) closedScans(s, o *suspect) {
	more, less := s.closedScans, o.closedScans
	if j.ahead < 0 {
		more, less = less, more
	}
	more = slices.Clone(more)
	for _, p := range less {
		at := slices.IndexFunc(more, func(q *closedScan) bool { return q.alert.ID == p.alert.ID })
		switch {
		case at >= 0 && cmp.Or(cmp.Compare(p.alert.Revision, more[at].alert.Revision), cmp.Compare(p.lastSession, more[at].lastSession)) > 0:
			more[at] = p
		case at < 0 && j.ahead == 0 && len(more) < maxClosed:
			more = append(more, p)
		}
	}
	s.closedScans = slices.DeleteFunc(more, func(p *closedScan) bool { // it goes on in one of them
		return slices.ContainsFunc(s.scans, func(sc *scan) bool { return sc.id == p.alert.ID })
	})
	j.d.docket.adoptClosed(s)
}
