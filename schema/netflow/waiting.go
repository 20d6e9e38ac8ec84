package netflow

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/schema"
)

const (
	// waitCost is what a set that waits takes beside its bytes.
	waitCost = 256
	// maxMissing is how many missing templates are listed.
	maxMissing = 4096
)

// waiting is the data that came before its template. All is guarded by Templates.mu but oldest.
type waiting struct {
	missing map[templateKey]*missing
	order   list.List           // of *missing, the one asked for longest ago first
	queue   list.List           // of *early, the oldest first
	of      map[exporterKey]int // bytes with their cost
	total   int                 // the same of all
	oldest  atomic.Int64        // when the oldest came; 0 if none waits. Read without mu
	stats   WaitingStats
}

// WaitingStats counts the data sets that came before their template, and what became of them. Those
// of all decoders that share the templates, Sets.NoTemplate, are Seen = Waiting + Recovered + Lost.
type WaitingStats struct {
	Seen, Waiting, Recovered, Lost SetCount
}

// SetCount is a number of sets and their bytes, for their records cannot be counted.
type SetCount struct{ Sets, Bytes uint64 }

func (c *SetCount) add(bytes int) { c.Sets, c.Bytes = c.Sets+1, c.Bytes+uint64(bytes) }
func (c *SetCount) sub(bytes int) { c.Sets, c.Bytes = c.Sets-1, c.Bytes-uint64(bytes) }

// Missing is a template that data asked for and nobody has announced.
type Missing struct {
	Exporter      netip.Addr
	Port          uint16 // with Config.KeyByPort
	Version       uint16 // 9, or 10 for IPFIX
	Domain        uint32
	ID            uint16
	Waiting, Lost SetCount
	First, Last   schema.Time // when data asked for it
}

type templateKey struct {
	exporterKey
	id uint16
}

type missing struct {
	key           templateKey
	owner         *Decoder // who heard of it last
	sets          []*early // oldest first
	waiting, lost SetCount
	first, last   schema.Time
	place         *list.Element // nil when it is missing no more
}

// early is a data set that came before its template, with what its datagram said.
type early struct {
	of       *missing
	body     []byte
	lacking  int
	received schema.Time
	exporter schema.Exporter
	clock    clock
	place    *list.Element
	template *template // that came
}

// Missing lists the templates that are missing, ordered as [Templates.List]. One is listed until it
// comes, or an hour after data last asked for it; no more than 4,096 are.
func (t *Templates) Missing() []Missing {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Missing, 0, len(t.waiting.missing))
	for k, m := range t.waiting.missing {
		all = append(all, Missing{
			Exporter: k.addr, Port: k.port, Version: k.version, Domain: k.domain, ID: k.id,
			Waiting: m.waiting, Lost: m.lost, First: m.first, Last: m.last,
		})
	}
	slices.SortFunc(all, func(a, b Missing) int {
		return cmp.Or(a.Exporter.Compare(b.Exporter), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// wait keeps a copy of a set of d's datagram until its template comes, or counts it as lost. It
// reports false if the template has come meanwhile.
func (t *Templates) wait(d *Decoder, id uint16, body []byte, lacking int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.exporters[d.key]; e != nil && e.templates[id] != nil {
		return false
	}
	w := &t.waiting
	w.stats.Seen.add(len(body))
	m := w.lack(templateKey{d.key, id}, d.base.Received)
	if m == nil {
		w.stats.Lost.add(len(body))
		return true
	}
	m.owner = d
	cost := len(body) + waitCost
	if w.of[d.key]+cost > t.cfg.WaitBytes || w.total+cost > t.cfg.WaitTotal {
		w.stats.Lost.add(len(body))
		m.lost.add(len(body))
		return true
	}
	s := &early{
		of: m, body: slices.Clone(body), lacking: lacking,
		received: d.base.Received, exporter: d.base.Exporter, clock: d.clock,
	}
	s.place = w.queue.PushBack(s)
	m.sets = append(m.sets, s)
	m.waiting.add(len(body))
	w.stats.Waiting.add(len(body))
	w.charge(d.key, cost)
	w.watch()
	return true
}

// lack returns the missing template of this key, nil if there are too many already.
func (w *waiting) lack(k templateKey, now schema.Time) *missing {
	m := w.missing[k]
	if m == nil {
		if len(w.missing) >= maxMissing {
			first := w.order.Front().Value.(*missing)
			if len(first.sets) > 0 {
				return nil
			}
			w.found(first)
		}
		m = &missing{key: k, first: now}
		m.place = w.order.PushBack(m)
		w.missing[k] = m
	}
	m.last = now
	w.order.MoveToBack(m.place)
	return m
}

// found takes m off the list.
func (w *waiting) found(m *missing) {
	w.order.Remove(m.place)
	m.place = nil
	delete(w.missing, m.key)
}

// charge adds a cost to an exporter's account.
func (w *waiting) charge(k exporterKey, cost int) {
	w.total += cost
	if n := w.of[k] + cost; n > 0 {
		w.of[k] = n
	} else {
		delete(w.of, k)
	}
}

// watch notes when the oldest set came.
func (w *waiting) watch() {
	var at schema.Time
	if front := w.queue.Front(); front != nil {
		at = max(front.Value.(*early).received, 1)
	}
	w.oldest.Store(int64(at))
}

// announced gives what waits for a template to `to`, or to who heard of it last.
func (w *waiting) announced(k templateKey, to *Decoder) {
	m := w.missing[k]
	if m == nil {
		return
	}
	w.found(m)
	if to == nil {
		to = m.owner
	}
	if len(m.sets) > 0 {
		to.inbox = append(to.inbox, m)
		to.ready.Store(true)
	}
}

// expire counts as lost what has waited too long.
func (t *Templates) expire(now schema.Time) {
	oldest := schema.Time(t.waiting.oldest.Load())
	if oldest == 0 || now.Sub(oldest) <= t.cfg.WaitAge {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.waiting
	for front := w.queue.Front(); front != nil; front = w.queue.Front() {
		s := front.Value.(*early)
		if now.Sub(s.received) <= t.cfg.WaitAge {
			break
		}
		s.of.sets = s.of.sets[1:] // both queues are in the order of arrival
		s.of.lost.add(len(s.body))
		w.leave(s)
		w.stats.Lost.add(len(s.body))
	}
	w.watch()
}

// leave ends the waiting of s.
func (w *waiting) leave(s *early) {
	w.queue.Remove(s.place)
	s.of.waiting.sub(len(s.body))
	w.stats.Waiting.sub(len(s.body))
	w.charge(s.of.key.exporterKey, -len(s.body)-waitCost)
}

// forget takes off the list what nobody has asked for in an hour, and what waits for nothing.
func (t *Templates) forget(now schema.Time) {
	const hour = schema.Time(time.Hour)
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.waiting
	for front := w.order.Front(); front != nil; front = w.order.Front() {
		m := front.Value.(*missing)
		if len(m.sets) > 0 || now-m.last < hour {
			return
		}
		w.found(m)
	}
}

// take returns the sets of d whose template came.
func (t *Templates) take(d *Decoder) []*early {
	t.mu.Lock()
	defer t.mu.Unlock()
	d.ready.Store(false)
	var all []*early
	w := &t.waiting
	for _, m := range d.inbox {
		var came *template
		if e := t.exporters[m.key.exporterKey]; e != nil {
			came = e.templates[m.key.id]
		}
		for _, s := range m.sets {
			w.leave(s)
			if s.template = came; came == nil { // gone again already, and so is what waited
				w.stats.Lost.add(len(s.body))
				continue
			}
			w.stats.Recovered.add(len(s.body))
			all = append(all, s)
		}
		m.sets = nil
	}
	d.inbox = nil
	w.watch()
	return all
}

// release decodes what waited for templates that came.
func (d *Decoder) release(flows []schema.Flow) []schema.Flow {
	outcome := d.outcome // is that of the datagram, not of those before it
	for _, s := range d.templates.take(d) {
		d.key, d.clock = s.of.key.exporterKey, s.clock
		d.base = schema.Flow{Received: s.received, Exporter: s.exporter}
		v := d.view()
		if v == nil { // withdrawn since
			v = &view{exporter: s.template.exporter, rates: map[rateKey]uint32{}}
		}
		flows = d.records(flows, v, s.template, s.body, s.lacking)
	}
	d.outcome = outcome
	return flows
}
