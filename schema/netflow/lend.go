package netflow

import "github.com/scanhound/scanhound/schema"

// early reports whether it is too early to lend the template that m lacks: the port that has it sends data
// too, since m began to wait, so that the two are probably two exporters, of which one has yet to announce
// its own.
func (t *Templates) early(m *missing, now schema.Time) bool {
	e := t.exporters[m.key.exporter()]
	if e == nil || len(m.sets) == 0 {
		return false
	}
	c, _ := e.only(m.key.id)
	first := m.sets[0].received
	return c != nil && schema.Time(c.session.heard.Load()) > first && now <= first.Add(t.cfg.WaitAge-hold)
}

// lend lets the port of m take templates of other ports from now on, if they agree, and all that waits
// looks as they say. It gives what waits to the decoder that heard of it last.
func (t *Templates) lend(m *missing) bool {
	e := t.exporters[m.key.exporter()]
	if e == nil {
		return false
	}
	c, _ := e.only(m.key.id)
	if c == nil {
		return false
	}
	for _, s := range m.sets {
		if !c.fits(s) {
			return false
		}
	}
	if e.lent == nil {
		e.lent = map[uint16]bool{}
	}
	e.lent[m.key.port] = true
	e.anywhere = e.anywhere || len(e.lent) >= borrowers
	e.generation.Add(1)
	t.waiting.announced(m.key, nil)
	return true
}

// lendAll lends whatever can be.
func (t *Templates) lendAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.waiting
	for at := w.asking.Front(); at != nil; {
		m := at.Value.(*missing)
		at = at.Next()
		if len(m.sets) > 0 {
			t.lend(m)
		}
	}
	w.watch(t.cfg.WaitAge)
}

// fits reports whether s, read by m, is whole records, and flows that can be: with another layout of the same
// length times lie anywhere, and packets have more or fewer bytes than there are.
func (m *template) fits(s *early) bool {
	if s.outer != nil {
		return false // nobody was met who sends lists from a port without templates
	}
	d := Decoder{templates: &Templates{}, clock: s.clock, base: schema.Flow{Received: s.received, Exporter: s.exporter}}
	if !m.two || m.options {
		d.addressless(m, s.body, s.lacking)
		return d.stats.Records.Cut == 0 || s.lacking > 0
	}
	flows := d.records(nil, &view{}, m, s.body, s.lacking)
	if len(flows) == 0 || d.stats.Records.Cut > 0 && s.lacking == 0 {
		return false
	}
	bad := 0
	for i := range flows {
		if !plausible(&flows[i], s.clock.export) {
			bad++
		}
	}
	return bad*8 <= len(flows)
}

// plausible reports whether f can be a flow that was exported at that time.
func plausible(f *schema.Flow, export schema.Time) bool {
	const day = schema.Time(24 * 3600 * 1e9)
	for _, s := range []*schema.Side{&f.Src, &f.Dst} {
		if !s.Addr.IsValid() || s.Packets == 0 && s.Bytes > 0 && s.Untold&schema.UntoldPackets == 0 {
			return false
		}
		if p := s.Packets; p > 0 && s.Untold&schema.UntoldBytes == 0 && (s.Bytes < 20*p || s.Bytes > 65_535*p) {
			return false
		}
	}
	if f.Src.Addr.IsMulticast() || f.Proto > 142 && f.Proto < 253 { // those have no name
		return false
	}
	return export == 0 || f.Start == 0 || f.Start <= f.End && f.End <= export+day && f.Start >= export-60*day
}
