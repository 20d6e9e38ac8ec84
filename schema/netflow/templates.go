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
// which holds as long as the exporter's generation does.
type Templates struct {
	cfg Config

	mu        sync.Mutex
	exporters map[exporterKey]*exporter
	order     list.List // of *template, the least recently announced first
	fields    int       // of all templates
	rates     int       // of all exporters
	evicted   uint64
	refused   uint64
}

// exporterKey is one source of templates: ids mean something only within it.
type exporterKey struct {
	addr    netip.Addr
	version uint16
	domain  uint32
}

type exporter struct {
	key        exporterKey
	generation atomic.Uint64 // grows with each change below

	// Guarded by Templates.mu.
	gone      bool // no template left: whoever holds it must look again
	templates map[uint16]*template
	options   int       // of templates
	order     list.List // of *template, as Templates.order
	sampling  sampling
}

type template struct {
	plan
	exporter *exporter
	announcement
	used atomic.Bool // decoded something since it was last looked at for eviction

	// Guarded by Templates.mu.
	when     schema.Time // last announced
	all, own *list.Element
}

// TemplateInfo is a template as a person reads it.
type TemplateInfo struct {
	Exporter netip.Addr
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
}

// NewTemplates returns an empty set of templates.
func NewTemplates(cfg Config) *Templates {
	return &Templates{cfg: cfg.orDefault(), exporters: map[exporterKey]*exporter{}}
}

// List returns what is held, ordered by exporter, version, domain and id.
func (t *Templates) List() []TemplateInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]TemplateInfo, 0, t.order.Len())
	for _, e := range t.exporters {
		for _, m := range e.templates {
			all = append(all, TemplateInfo{
				Exporter: e.key.addr, Version: e.key.version, Domain: e.key.domain, ID: m.id, Options: m.options,
				Fields: m.announcement.fields(e.key.version), When: m.when, Sampling: e.sampling.rate,
			})
		}
	}
	slices.SortFunc(all, func(a, b TemplateInfo) int {
		return cmp.Or(a.Exporter.Compare(b.Exporter), cmp.Compare(a.Version, b.Version),
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
	if m == nil || m.options != a.options || m.scopes != a.scopes || string(m.raw) != string(a.raw) {
		return false
	}
	m.when = when
	t.order.MoveToBack(m.all)
	e.order.MoveToBack(m.own)
	return true
}

// hold keeps a new template, in the place of an older one of its id, and makes room for it.
func (t *Templates) hold(key exporterKey, a announcement, p plan, when schema.Time) {
	a.raw = slices.Clone(a.raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.exporters[key]
	if e == nil {
		e = &exporter{key: key, templates: map[uint16]*template{}}
		t.exporters[key] = e
	}
	// The new one first: an exporter that has none is gone.
	old := e.templates[a.id]
	m := &template{plan: p, exporter: e, announcement: a, when: when}
	m.all, m.own = t.order.PushBack(m), e.order.PushBack(m)
	e.templates[a.id] = m
	t.count(m, 1)
	if old != nil {
		t.order.Remove(old.all)
		e.order.Remove(old.own)
		t.count(old, -1)
	}
	e.generation.Add(1)
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
	t.drop(m)
}

// drop forgets m, and with its last template the exporter.
func (t *Templates) drop(m *template) {
	e := m.exporter
	t.order.Remove(m.all)
	e.order.Remove(m.own)
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
		t.drop(m)
		return 1
	}
	// Only if there is something to find: a datagram can ask thousands of times.
	options, data := id == setOptionsIPFIX && e.options > 0, id == setTemplateIPFIX && e.options < len(e.templates)
	if !options && !data {
		return 0
	}
	for _, m := range e.templates {
		if m.options == options {
			t.drop(m)
			n++
		}
	}
	return n
}
