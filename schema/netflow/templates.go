package netflow

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/scanhound/scanhound/schema"
)

// fieldsPerTemplate is how many fields templates have on average at most, and so, with
// Config.MaxTemplates, how much memory they take; those of the corpora have 5 to 60.
const fieldsPerTemplate = 64

// Templates is what exporters have announced: templates, and how they sample. All decoders share
// one. A decoder takes mu only when something new was announced: it keeps a view of each exporter,
// which holds as long as the exporter's generation does. Data that came before its template waits
// here too.
type Templates struct {
	cfg      Config
	onChange func(key, value []byte)
	onLoad   func(from netip.Addr, n *Notices)
	telling  sync.Mutex  // held while onChange runs, so that changes are told in their order
	untold   atomic.Bool // changes holds something

	mu        sync.Mutex
	changes   []change
	sessions  map[sessionKey]*session
	exporters map[sessionKey]*exporter // by the key of no port
	order     list.List                // of *template, the least recently announced first
	fields    int                      // of all templates
	rates     int                      // of all sessions
	evicted   uint64
	refused   uint64
	waiting   waiting
}

// sessionKey is one source of templates: ids mean something only within it (RFC 7011, section 8).
type sessionKey struct {
	addr    netip.Addr
	port    uint16 // 0 if not known
	version uint16
	domain  uint32
}

// session is what was announced from one port of an exporter.
type session struct {
	key      sessionKey
	exporter *exporter
	heard    atomic.Int64 // when it last sent data of its own, while anything waits for a template

	// Guarded by Templates.mu.
	gone      bool // nothing left: what is learned of it is lost
	templates map[uint16]*template
	options   int // of templates
	own       int // of templates
	sampling  sampling
}

type template struct {
	plan
	session *session
	announcement
	used atomic.Bool // decoded something since it was last looked at for eviction

	// Guarded by Templates.mu.
	own     bool          // announced to a decoder here, not only loaded
	told    bool          // told to onChange, or loaded, and not deleted by others since
	when    schema.Time   // last announced
	changed schema.Time   // last; 0 if never
	times   int           // that it changed without a rest
	all     *list.Element // in Templates.order
	mine    *list.Element // in exporter.order
}

// TemplateInfo is a template as a person reads it.
type TemplateInfo struct {
	Exporter netip.Addr
	Port     uint16 // from which it was announced
	Version  uint16 // 9, or 10 for IPFIX
	Domain   uint32
	ID       uint16
	Options  bool // its records speak of the exporter, not of flows
	Fields   []Field
	When     schema.Time // last announced
	Sampling uint32      // of the exporter: one packet in so many, 0 if not said
}

// TemplatesStats counts what is held, and what could not be.
type TemplatesStats struct {
	Held, Exporters, Fields, Rates uint64 // now

	Evicted uint64 // templates that made room
	Refused uint64 // sampling rates for which there was no room

	Waiting WaitingStats // data that came before its template
	Missing uint64       // templates for which there was data; see [Templates.Missing]
}

// NewTemplates returns an empty set of templates.
func NewTemplates(cfg Config) *Templates {
	return &Templates{
		cfg: cfg.orDefault(), sessions: map[sessionKey]*session{}, exporters: map[sessionKey]*exporter{},
		waiting: waiting{missing: map[templateKey]*missing{}, of: map[sessionKey]int{}},
	}
}

// List returns what is held, ordered by exporter, port, version, domain and id.
func (t *Templates) List() []TemplateInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]TemplateInfo, 0, t.order.Len())
	for _, e := range t.sessions {
		for _, m := range e.templates {
			all = append(all, TemplateInfo{
				Exporter: e.key.addr, Port: e.key.port, Version: e.key.version, Domain: e.key.domain, ID: m.id, Options: m.options,
				Fields: m.announcement.fields(e.key.version), When: m.when, Sampling: e.sampling.rate,
			})
		}
	}
	slices.SortFunc(all, func(a, b TemplateInfo) int {
		return cmp.Or(a.Exporter.Compare(b.Exporter), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Stats returns the counts of now.
func (t *Templates) Stats() TemplatesStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TemplatesStats{
		Held: uint64(t.order.Len()), Exporters: uint64(len(t.exporters)), Fields: uint64(t.fields), Rates: uint64(t.rates),
		Evicted: t.evicted, Refused: t.refused,
		Waiting: t.waiting.stats, Missing: uint64(len(t.waiting.missing)),
	}
}

// refresh notes that a was announced again; false if it is not held as it is now.
func (t *Templates) refresh(key sessionKey, a announcement, when schema.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.sessions[key]
	if e == nil {
		return false
	}
	m := e.templates[a.id]
	if m == nil || !m.same(a) {
		return false
	}
	m.when = when
	if !m.own {
		m.own = true
		e.own++
	}
	if !m.told {
		m.told = true
		t.changed(templateKey{key, a.id}.bytes, m.bytes)
	}
	t.order.MoveToBack(m.all)
	e.exporter.order.MoveToBack(m.mine)
	return true
}

// same reports whether two announcements are of the same template.
func (a announcement) same(b announcement) bool {
	return a.options == b.options && a.scopes == b.scopes && string(a.raw) == string(b.raw)
}

// hold keeps a new template that was announced to d, and gives d what waits for it.
func (t *Templates) hold(d *Decoder, a announcement, p plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, n, changed := t.put(d.key, a, p, d.base.Received)
	if changed {
		d.notices.add(n)
	}
	m.own, m.told = true, true
	m.session.own++
	t.settled(m)
	t.changed(templateKey{d.key, a.id}.bytes, m.bytes)
	t.waiting.announced(templateKey{d.key, a.id}, d)
	t.makeRoom(m.session.exporter)
}

// put keeps a new template in the place of an older one of its id, and says whether that was another one.
func (t *Templates) put(key sessionKey, a announcement, p plan, when schema.Time) (m *template, n Notice, changed bool) {
	a.raw = slices.Clone(a.raw)
	e := t.session(key)
	// The new one first: a session that has none is gone.
	old := e.templates[a.id]
	m = &template{plan: p, session: e, announcement: a, when: when}
	m.all, m.mine = t.order.PushBack(m), e.exporter.order.PushBack(m)
	e.templates[a.id] = m
	t.count(m, 1)
	if old != nil {
		t.order.Remove(old.all)
		e.exporter.order.Remove(old.mine)
		t.count(old, -1)
	}
	e.exporter.generation.Add(1)
	n, changed = m.changedFrom(old)
	return m, n, changed
}

// session returns the session of this key, a new one if it is not known.
func (t *Templates) session(key sessionKey) *session {
	e := t.sessions[key]
	if e == nil {
		of := t.exporters[key.exporter()]
		if of == nil {
			of = &exporter{sessions: map[uint16]*session{}}
			t.exporters[key.exporter()] = of
		}
		e = &session{key: key, exporter: of, templates: map[uint16]*template{}}
		t.sessions[key], of.sessions[key.port] = e, e
		of.generation.Add(1)
	}
	return e
}

// makeRoom evicts what e, or all, have too much.
func (t *Templates) makeRoom(e *exporter) {
	for e.order.Len() > t.cfg.MaxPerExporter {
		t.evict(idlest(&e.order))
	}
	for t.order.Len() > 1 && (t.order.Len() > t.cfg.MaxTemplates || t.fields > t.cfg.MaxTemplates*fieldsPerTemplate) {
		t.evict(idlest(&t.order))
	}
}

// count adds m to what is held, n times.
func (t *Templates) count(m *template, n int) {
	t.fields += n * (len(m.raw)/4 + len(m.steps))
	if m.options {
		m.session.options += n
	}
	if m.own {
		m.session.own += n
	}
}

// idlest returns the oldest template of those that decode nothing. A flood of templates nobody uses
// must not push out those that are in use; but it looks at a few only.
func idlest(order *list.List) *template {
	for range 8 {
		m := order.Front().Value.(*template)
		if !m.used.Swap(false) {
			return m
		}
		order.MoveToBack(order.Front())
	}
	return order.Front().Value.(*template)
}

func (t *Templates) evict(m *template) {
	t.evicted++
	t.remove(m)
}

// remove is drop, and tells of it.
func (t *Templates) remove(m *template) {
	t.changed(templateKey{m.session.key, m.id}.bytes, nil)
	if e := m.session; len(e.templates) == 1 { // the session goes with its last one
		for k := range e.sampling.by {
			t.changed(samplingKey{e.key, k}.bytes, nil)
		}
		if e.sampling.said() {
			t.changed(samplingKey{e.key, rateKey{}}.bytes, nil)
		}
	}
	t.drop(m)
}

// drop forgets m, and with its last template the session.
func (t *Templates) drop(m *template) {
	e := m.session
	t.order.Remove(m.all)
	e.exporter.order.Remove(m.mine)
	t.count(m, -1)
	delete(e.templates, m.id)
	if len(e.templates) == 0 {
		t.rates -= len(e.sampling.by)
		t.end(e)
	}
	e.exporter.generation.Add(1)
}

// end forgets a session of which nothing is known, and with its last session the exporter.
func (t *Templates) end(e *session) {
	delete(t.sessions, e.key)
	delete(e.exporter.sessions, e.key.port)
	e.gone = true
	if len(e.exporter.sessions) == 0 {
		delete(t.exporters, e.key.exporter())
		e.exporter.gone = true
	}
}

// withdraw forgets one template, or with id 2 or 3 all of data or of options, and returns how many.
func (t *Templates) withdraw(key sessionKey, id uint16) (n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.sessions[key]
	if e == nil {
		return 0
	}
	if m := e.templates[id]; m != nil {
		t.remove(m)
		return 1
	}
	// Only if there is something to find: a datagram can ask thousands of times.
	options, data := id == setOptionsIPFIX && e.options > 0, id == setTemplateIPFIX && e.options < len(e.templates)
	if !options && !data {
		return 0
	}
	for _, m := range e.templates {
		if m.options == options {
			t.remove(m)
			n++
		}
	}
	return n
}
