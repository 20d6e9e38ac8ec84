package netflow

import "github.com/scanhound/scanhound/schema"

// view is what one decoder has seen of one exporter; it is valid as long as the generation is.
type view struct {
	exporter   *exporter
	generation uint64
	templates  map[uint16]*template
	last       *template // the one that was asked for last

	rate         uint32
	boot         schema.Time
	perInterface bool
	rates        map[rateKey]uint32 // asked for, 0 if not said
	lastKey      rateKey
	lastRate     uint32
}

// view returns what is known of the exporter of this datagram, nil if nothing is.
func (d *Decoder) view() *view {
	v := d.current
	if v == nil || v.exporter.key != d.key {
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
		e := t.exporters[d.key]
		if e == nil {
			d.current = nil
			return nil
		}
		// No more than so many exporters exist, those known only by their rates among them, so that some of
		// these are of exporters that are gone.
		if len(d.views) >= 2*t.cfg.MaxTemplates {
			clear(d.views)
		}
		v = &view{exporter: e, templates: map[uint16]*template{}, rates: map[rateKey]uint32{}}
		d.views[d.key] = v
	}
	e := v.exporter
	v.generation = e.generation.Load()
	clear(v.templates)
	clear(v.rates)
	v.last, v.lastKey = nil, rateKey{}
	v.rate, v.boot, v.perInterface = e.sampling.rate, e.sampling.boot, e.sampling.interfaces > 0
	d.current = v
	return v
}

// template returns the template of this id, nil if it was not announced.
func (d *Decoder) template(v *view, id uint16) *template {
	if v.last != nil && v.last.id == id {
		return v.last
	}
	m := v.templates[id]
	if m == nil {
		d.templates.mu.Lock()
		m = v.exporter.templates[id]
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
	if !ok {
		d.templates.mu.Lock()
		r = v.exporter.sampling.by[k].rate
		d.templates.mu.Unlock()
		if len(v.rates) >= maxRates {
			clear(v.rates)
		}
		v.rates[k] = r
	}
	v.lastKey, v.lastRate = k, r
	return r
}
