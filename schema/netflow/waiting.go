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
	order   list.List          // of *missing, the one asked for longest ago first
	queue   list.List          // of *early, the oldest first
	asking  list.List          // of *missing, those with sets, which may be lent the template; the first to be asked first
	of      map[sessionKey]int // bytes with their cost, by exporter
	total   int                // the same of all
	due     atomic.Int64       // when the next is lost, or asked; 0 if none waits. Read without mu
	stats   WaitingStats
}

// WaitingStats counts the data sets that came before their template, and what became of them. Those
// of all decoders that share the templates, Sets.NoTemplate, are Seen = Waiting + Recovered + Lost.
type WaitingStats struct {
	Seen, Waiting, Recovered, Lost SetCount

	// Ambiguous are those of Seen whose template other ports of the address had announced, and not alike.
	Ambiguous SetCount
}

// SetCount is a number of sets and their bytes, for their records cannot be counted.
type SetCount struct{ Sets, Bytes uint64 }

func (c *SetCount) add(bytes int) { c.Sets, c.Bytes = c.Sets+1, c.Bytes+uint64(bytes) }
func (c *SetCount) sub(bytes int) { c.Sets, c.Bytes = c.Sets-1, c.Bytes-uint64(bytes) }

// Missing is a template that data asked for and nobody has announced.
type Missing struct {
	Exporter      netip.Addr
	Port          uint16 // from which data came; 0 if not known
	Version       uint16 // 9, or 10 for IPFIX
	Domain        uint32
	ID            uint16
	Waiting, Lost SetCount
	First, Last   schema.Time // when data asked for it
}

type templateKey struct {
	sessionKey
	id uint16
}

type missing struct {
	key           templateKey
	owner         *Decoder // who heard of it last
	sets          []*early // oldest first
	waiting, lost SetCount
	first, last   schema.Time
	place         *list.Element // nil when it is missing no more
	ask           *list.Element // in waiting.asking, nil if it is not to be asked
	askAt         schema.Time
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
	outer    *template // of lists that wait for theirs; nil for a set that lacks its own
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

// wait keeps a copy of a set of d's datagram until its template comes, or that of the lists in its outer
// records, or counts it as lost. It reports false if the template has come meanwhile.
func (t *Templates) wait(d *Decoder, id uint16, outer *template, body []byte, lacking int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.exporters[d.key.exporter()]
	if e != nil && e.find(d.key.port, id) != nil {
		return false
	}
	w := &t.waiting
	cost, of := len(body)+waitCost, d.key.exporter()
	if m := w.missing[templateKey{d.key, id}]; m != nil && len(m.sets) > 0 && w.full(t, of, cost) && t.lend(m) {
		return false
	}
	w.stats.Seen.add(len(body))
	if e != nil {
		if _, disagree := e.only(id); disagree {
			w.stats.Ambiguous.add(len(body))
		}
	}
	m := w.lack(templateKey{d.key, id}, d.base.Received)
	if m == nil {
		w.stats.Lost.add(len(body))
		return true
	}
	m.owner = d
	if w.full(t, of, cost) {
		w.stats.Lost.add(len(body))
		m.lost.add(len(body))
		return true
	}
	s := &early{
		of: m, outer: outer, body: slices.Clone(body), lacking: lacking,
		received: d.base.Received, exporter: d.base.Exporter, clock: d.clock,
	}
	s.place = w.queue.PushBack(s)
	m.sets = append(m.sets, s)
	m.waiting.add(len(body))
	w.stats.Waiting.add(len(body))
	w.charge(of, cost)
	if len(m.sets) == 1 {
		w.asked(m)
		m.askAt = d.base.Received.Add(hold)
		m.ask = w.asking.PushBack(m)
	}
	w.watch(t.cfg.WaitAge)
	return true
}

// full reports whether there is no room for so much more of an exporter.
func (w *waiting) full(t *Templates, of sessionKey, cost int) bool {
	return w.of[of]+cost > t.cfg.WaitBytes || w.total+cost > t.cfg.WaitTotal
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
	w.asked(m)
}

// asked notes that m need not be asked again.
func (w *waiting) asked(m *missing) {
	if m.ask != nil {
		w.asking.Remove(m.ask)
		m.ask = nil
	}
}

// charge adds a cost to an exporter's account.
func (w *waiting) charge(k sessionKey, cost int) {
	w.total += cost
	if n := w.of[k] + cost; n > 0 {
		w.of[k] = n
	} else {
		delete(w.of, k)
	}
}

// watch notes when something is to be done.
func (w *waiting) watch(age time.Duration) {
	var at schema.Time
	if front := w.queue.Front(); front != nil {
		at = max(front.Value.(*early).received.Add(age), 1)
	}
	if front := w.asking.Front(); front != nil && at != 0 {
		at = max(min(at, front.Value.(*missing).askAt), 1)
	}
	w.due.Store(int64(at))
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

// expire counts as lost what has waited too long, and lends templates to what has waited long enough. It
// reports whether it did the latter.
func (t *Templates) expire(now schema.Time) (lent bool) {
	due := schema.Time(t.waiting.due.Load())
	if due == 0 || now <= due {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.waiting
	for front := w.asking.Front(); front != nil; front = w.asking.Front() {
		m := front.Value.(*missing)
		if now <= m.askAt {
			break
		}
		switch {
		case len(m.sets) == 0:
			w.asked(m)
		case !t.early(m, now) && t.lend(m):
			lent = true
		default:
			m.askAt = now.Add(hold)
			w.asking.MoveToBack(front)
		}
	}
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
	w.watch(t.cfg.WaitAge)
	return lent
}

// leave ends the waiting of s.
func (w *waiting) leave(s *early) {
	w.queue.Remove(s.place)
	s.of.waiting.sub(len(s.body))
	w.stats.Waiting.sub(len(s.body))
	w.charge(s.of.key.exporter(), -len(s.body)-waitCost)
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
		if e := t.exporters[m.key.exporter()]; e != nil {
			came = e.find(m.key.port, m.key.id)
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
	w.watch(t.cfg.WaitAge)
	return all
}

// release decodes what waited for templates that came.
func (d *Decoder) release(flows []schema.Flow) []schema.Flow {
	outcome := d.outcome // is that of the datagram, not of those before it
	for _, s := range d.templates.take(d) {
		d.key, d.clock = s.of.key.sessionKey, s.clock
		d.base = schema.Flow{Received: s.received, Exporter: s.exporter}
		v := d.view()
		if v == nil { // withdrawn since
			v = &view{key: d.key, exporter: s.template.session.exporter}
		}
		flows = d.records(flows, v, cmp.Or(s.outer, s.template), s.body, s.lacking)
	}
	d.outcome = outcome
	return flows
}
