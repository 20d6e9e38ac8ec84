package netflow

import "github.com/scanhound/scanhound/schema"

// view is what one decoder has seen of one port of an exporter; it is valid as long as the generation is.
type view struct {
	key        sessionKey
	exporter   *exporter
	own        *session // nil if nothing was announced from this port
	generation uint64
	templates  map[uint16]*template
	last       *template // the one that was asked for last

	sampler      *session // whose rates count; nil if nobody said any
	rate         uint32
	boot         schema.Time
	perInterface bool
	rates        map[rateKey]uint32 // asked for, 0 if not said
	lastKey      rateKey
	lastRate     uint32
}

// guests is how many ports, from which nothing was announced, a decoder has a view of beside those from
// which something was.
const guests = 1024

// view returns what is known of the exporter of this datagram, nil if nothing is.
func (d *Decoder) view() *view {
	v := d.current
	if v == nil || v.key != d.key {
		v = d.views[d.key]
		d.current = v
	}
	if v != nil && v.generation == v.exporter.generation.Load() {
		return v
	}
	return d.look(v)
}

// look makes or renews the view of the exporter.
func (d *Decoder) look(v *view) *view {
	t := d.templates
	t.mu.Lock()
	defer t.mu.Unlock()
	if v == nil || v.exporter.gone {
		delete(d.views, d.key)
		e := t.exporters[d.key.exporter()]
		if e == nil {
			d.current = nil
			return nil
		}
		// Some of these are of sessions that are gone, or of ports that sent once.
		if len(d.views) >= 2*len(t.sessions)+guests {
			clear(d.views)
		}
		v = &view{key: d.key, exporter: e, templates: map[uint16]*template{}}
		d.views[d.key] = v
	}
	e := v.exporter
	v.generation = e.generation.Load()
	clear(v.templates)
	clear(v.rates)
	v.last, v.lastKey = nil, rateKey{}
	v.own = e.sessions[d.key.port]
	v.sampler, v.rate, v.boot, v.perInterface = e.samplerOf(v.own), 0, 0, false
	if s := v.sampler; s != nil {
		v.rate, v.boot, v.perInterface = s.sampling.rate, s.sampling.boot, s.sampling.interfaces > 0
	}
	d.current = v
	return v
}

// template returns the template of this id, nil if there is none for this port.
func (d *Decoder) template(v *view, id uint16) *template {
	if v.last != nil && v.last.id == id {
		return v.last
	}
	m := v.templates[id]
	if m == nil {
		d.templates.mu.Lock()
		m = v.exporter.find(v.key.port, id)
		d.templates.mu.Unlock()
		if m == nil {
			return nil
		}
		v.templates[id] = m
	}
	v.last = m
	return m
}

// rateOf returns the rate of a sampler or of an interface, 0 if it was not said.
func (d *Decoder) rateOf(v *view, k rateKey) uint32 {
	if v.lastKey == k {
		return v.lastRate
	}
	r, ok := v.rates[k]
	if !ok && v.sampler != nil {
		d.templates.mu.Lock()
		r = v.sampler.sampling.by[k].rate
		d.templates.mu.Unlock()
		if v.rates == nil || len(v.rates) >= maxRates {
			v.rates = map[rateKey]uint32{}
		}
		v.rates[k] = r
	}
	v.lastKey, v.lastRate = k, r
	return r
}
