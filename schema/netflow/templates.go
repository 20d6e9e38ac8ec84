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
	telling  sync.Mutex  // held while onChange runs, so that changes are told in their order
	untold   atomic.Bool // changes holds something

	mu        sync.Mutex
	changes   []change
	exporters map[exporterKey]*exporter
	order     list.List // of *template, the least recently announced first
	fields    int       // of all templates
	rates     int       // of all exporters
	evicted   uint64
	refused   uint64
	waiting   waiting
}

// exporterKey is one source of templates: ids mean something only within it.
type exporterKey struct {
	addr    netip.Addr
	port    uint16 // 0 unless Config.KeyByPort
	version uint16
	domain  uint32
}

type exporter struct {
	key        exporterKey
	generation atomic.Uint64 // grows with each change below

	// Guarded by Templates.mu.
	gone      bool // nothing left: whoever holds it must look again
	templates map[uint16]*template
	options   int       // of templates
	own       int       // of templates
	order     list.List // of *template, as Templates.order
	sampling  sampling
}

type template struct {
	plan
	exporter *exporter
	announcement
	used atomic.Bool // decoded something since it was last looked at for eviction

	// Guarded by Templates.mu.
	own  bool          // announced to a decoder here, not only loaded
	told bool          // told to onChange, or loaded, and not deleted by others since
	when schema.Time   // last announced
	all  *list.Element // in Templates.order
	mine *list.Element // in exporter.order
}

// TemplateInfo is a template as a person reads it.
type TemplateInfo struct {
	Exporter netip.Addr
	Port     uint16 // with Config.KeyByPort
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
		cfg: cfg.orDefault(), exporters: map[exporterKey]*exporter{},
		waiting: waiting{missing: map[templateKey]*missing{}, of: map[exporterKey]int{}},
	}
}

// List returns what is held, ordered by exporter, port, version, domain and id.
func (t *Templates) List() []TemplateInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]TemplateInfo, 0, t.order.Len())
	for _, e := range t.exporters {
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
func (t *Templates) refresh(key exporterKey, a announcement, when schema.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.exporters[key]
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
	e.order.MoveToBack(m.mine)
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
	m := t.put(d.key, a, p, d.base.Received)
	m.own, m.told = true, true
	m.exporter.own++
	t.changed(templateKey{d.key, a.id}.bytes, m.bytes)
	t.waiting.announced(templateKey{d.key, a.id}, d)
	t.makeRoom(m.exporter)
}

// put keeps a new template in the place of an older one of its id.
func (t *Templates) put(key exporterKey, a announcement, p plan, when schema.Time) *template {
	a.raw = slices.Clone(a.raw)
	e := t.exporter(key)
	// The new one first: an exporter that has none is gone.
	old := e.templates[a.id]
	m := &template{plan: p, exporter: e, announcement: a, when: when}
	m.all, m.mine = t.order.PushBack(m), e.order.PushBack(m)
	e.templates[a.id] = m
	t.count(m, 1)
	if old != nil {
		t.order.Remove(old.all)
		e.order.Remove(old.mine)
		t.count(old, -1)
	}
	e.generation.Add(1)
	return m
}

// exporter returns the exporter of this key, a new one if it is not known.
func (t *Templates) exporter(key exporterKey) *exporter {
	e := t.exporters[key]
	if e == nil {
		e = &exporter{key: key, templates: map[uint16]*template{}}
		t.exporters[key] = e
	}
	return e
}

// makeRoom evicts what e, or all, have too much.
func (t *Templates) makeRoom(e *exporter) {
	for len(e.templates) > t.cfg.MaxPerExporter {
		t.evict(e.order.Front().Value.(*template))
	}
	for t.order.Len() > 1 && (t.order.Len() > t.cfg.MaxTemplates || t.fields > t.cfg.MaxTemplates*fieldsPerTemplate) {
		t.evict(t.idlest())
	}
}

// count adds m to what is held, n times.
func (t *Templates) count(m *template, n int) {
	t.fields += n * (len(m.raw)/4 + len(m.steps))
	if m.options {
		m.exporter.options += n
	}
	if m.own {
		m.exporter.own += n
	}
}

// idlest returns the oldest template of those that decode nothing. A flood of templates nobody uses
// must not push out those that are in use; but it looks at a few only.
func (t *Templates) idlest() *template {
	for range 8 {
		m := t.order.Front().Value.(*template)
		if !m.used.Swap(false) {
			return m
		}
		t.order.MoveToBack(m.all)
	}
	return t.order.Front().Value.(*template)
}

func (t *Templates) evict(m *template) {
	t.evicted++
	t.remove(m)
}

// remove is drop, and tells of it.
func (t *Templates) remove(m *template) {
	t.changed(templateKey{m.exporter.key, m.id}.bytes, nil)
	if e := m.exporter; len(e.templates) == 1 { // the exporter goes with its last one
		for k := range e.sampling.by {
			t.changed(samplingKey{e.key, k}.bytes, nil)
		}
		if e.sampling.said() {
			t.changed(samplingKey{e.key, rateKey{}}.bytes, nil)
		}
	}
	t.drop(m)
}

// drop forgets m, and with its last template the exporter.
func (t *Templates) drop(m *template) {
	e := m.exporter
	t.order.Remove(m.all)
	e.order.Remove(m.mine)
	t.count(m, -1)
	delete(e.templates, m.id)
	if len(e.templates) == 0 {
		t.rates -= len(e.sampling.by)
		delete(t.exporters, e.key)
		e.gone = true
	}
	e.generation.Add(1)
}

// withdraw forgets one template, or with id 2 or 3 all of data or of options, and returns how many.
func (t *Templates) withdraw(key exporterKey, id uint16) (n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.exporters[key]
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
