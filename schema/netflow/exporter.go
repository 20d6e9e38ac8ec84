package netflow

import (
	"container/list"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// exporter is all that has one address, version and domain. Mostly that is one exporter with one port. But
// several exporters may stand behind one address, each with its own port and its own meaning of a template
// id; or one announces its templates from one port and sends data from others, as some line
// cards do. So data is read by the template of its own port. One that another port announced is lent to it
// once it has waited for its own, if the data looks as the template says: see lend.
type exporter struct {
	generation atomic.Uint64 // grows with each change of what is known

	// Guarded by Templates.mu.
	gone     bool // nothing left: whoever holds it must look again
	sessions map[uint16]*session
	order    list.List       // of *template, as Templates.order
	lent     map[uint16]bool // ports that take the templates of others
	anywhere bool            // so many did that all may
}

const (
	// hold is how long data waits for a template from its own port, if another one has it. An exporter
	// that starts announces its templates with its first data, or before.
	hold = 5 * time.Second
	// borrowers is how many ports must have taken templates of others until all may at once: an exporter
	// that sends data from anywhere.
	borrowers = 16
	// stale is how much later another template must have been announced for one to be out of use. Over UDP
	// templates are repeated, by default after 10 (RFC 7011, section 10.3.6) or 30 minutes (Cisco).
	stale = schema.Time(2 * time.Hour)
)

// exporter is the key of no port.
func (k sessionKey) exporter() sessionKey {
	k.port = 0
	return k
}

// find returns the template of this id for data from this port, nil if there is none yet.
func (e *exporter) find(port, id uint16) *template {
	if s := e.sessions[port]; s != nil {
		if m := s.templates[id]; m != nil {
			return m
		}
	}
	if port == 0 || e.anywhere || e.lent[port] {
		m, _ := e.only(id)
		return m
	}
	return nil
}

// only returns the template of this id that all ports have which announced one lately, nil if there is
// none, or if they disagree.
func (e *exporter) only(id uint16) (m *template, disagree bool) {
	var newest schema.Time
	for _, s := range e.sessions {
		if c := s.templates[id]; c != nil {
			newest = max(newest, c.when)
		}
	}
	for _, s := range e.sessions {
		switch c := s.templates[id]; {
		case c == nil || c.when < newest-stale:
		case m == nil || c.same(m.announcement) && c.when > m.when:
			m = c
		case !c.same(m.announcement):
			return nil, true
		}
	}
	return m, false
}

// samplerOf returns the session whose rates count for data of this one: its own, if it said any. A port that
// announces data templates is an exporter of its own, so what another such port says is not said of it.
func (e *exporter) samplerOf(own *session) *session {
	if own != nil && own.says() {
		return own
	}
	var best *session
	for _, s := range e.sessions {
		if !s.says() || own != nil && own.options < len(own.templates) && s.options < len(s.templates) {
			continue
		}
		if best == nil || s.sampling.when > best.sampling.when || s.sampling.when == best.sampling.when && s.key.port < best.key.port {
			best = s
		}
	}
	return best
}

// says reports whether a session said anything of how it samples, or when it started.
func (e *session) says() bool { return e.sampling.said() || len(e.sampling.by) > 0 }

// settled notes that a port has a template of its own: it takes those of others no longer, and what other
// ports announced long ago and nobody uses is forgotten. An exporter that starts again has another port.
func (t *Templates) settled(m *template) {
	e := m.session.exporter
	delete(e.lent, m.session.key.port)
	for range 8 {
		old := e.order.Front().Value.(*template)
		switch {
		case old.when >= m.when-stale:
			return
		case old.session == m.session || old.used.Swap(false):
			e.order.MoveToBack(old.mine)
		default:
			t.remove(old)
		}
	}
}
