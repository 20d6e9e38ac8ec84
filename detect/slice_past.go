package detect

import "github.com/scanhound/scanhound/schema"

// pasts are the scans of a suspect that have closed.
func (w *wire) pasts(s *suspect) {
	n := len(s.past)
	w.count(&n, 40, maxPast)
	if w.reading && n > 0 {
		s.past = make([]*past, n)
	}
	for i := range n {
		if w.reading {
			s.past[i] = &past{suspect: s}
		}
		w.past(s.past[i])
	}
}

func (w *wire) past(p *past) {
	w.bits(&p.again)
	num(w, &p.nth)
	w.scope(&p.scope)
	w.time(&p.first)
	w.time(&p.last)
	w.time(&p.heard)
	signed(w, &p.pause)
	w.probed(&p.probed)
	w.alert(&p.alert)
}

func (w *wire) probed(p *probed) {
	attempt := func(a *attempt) {
		w.u32(&a.host)
		w.u32(&a.at)
	}
	list(w, &p.failed, 8, maxContacts, attempt)
	list(w, &p.touched, 8, maxContacts, attempt)
	list(w, &p.maps, 3, maxFine, func(m *probedMap) {
		num(w, &m.base)
		w.numbers(&m.failed)
		w.numbers(&m.touched)
	})
	list(w, &p.around, 1, maxContacts, func(net *uint32) { num(w, net) })
	signed(w, &p.bits)
	w.check(p.bits >= 0 && p.bits <= 32, "a network of no length")
}

// maxAlert is far beyond an alert without footprint and sketch.
const maxAlert = 1 << 16

// alert is its JSON, behind its length.
func (w *wire) alert(a *schema.Alert) {
	var b []byte
	if !w.reading {
		b, _ = schema.AppendAlert(nil, a) // it never fails
	}
	n := len(b)
	w.count(&n, 1, maxAlert)
	if !w.reading {
		w.b = append(w.b, b...)
		return
	}
	b = w.take(n)
	read, err := schema.ParseAlert(b)
	if err != nil {
		w.fail("an alert that is none")
		return
	}
	*a = *read
}
