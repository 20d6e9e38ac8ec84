package netflow

import "github.com/scanhound/scanhound/schema"

// maxRates is how many samplers and interfaces of one exporter are remembered; a large chassis has
// about as many interfaces.
const maxRates = 4096

// sampling is what the options records of one exporter said.
type sampling struct {
	rate       uint32 // the last one said, for records that name no sampler
	boot       schema.Time
	when       schema.Time // the last time that either was said
	told       bool        // as that of a template
	by         map[rateKey]rate
	interfaces int // of by
}

type rate struct {
	rate uint32
	when schema.Time // last said
	told bool        // as that of a template
}

// said reports whether the exporter said anything of itself.
func (s *sampling) said() bool { return s.rate != 0 || s.boot != 0 }

// rateKey is a sampler or an interface; the zero rateKey is none.
type rateKey struct {
	of uint8
	id uint64
}

const (
	ofSampler   = 1
	ofInterface = 2
)

// learn takes what an options record of the exporter says.
func (t *Templates) learn(e *session, o option, when schema.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.gone {
		return
	}
	s, r, k := &e.sampling, o.rate(), rateKey{}
	switch {
	case o.named:
		k = rateKey{ofSampler, o.sampler}
	case o.iface != 0:
		k = rateKey{ofInterface, uint64(o.iface)}
	}
	if r != 0 && k.of != 0 {
		was, now := s.by[k], rate{r, when, true}
		held := t.note(s, k, now)
		if held && was.rate != r {
			e.exporter.generation.Add(1)
		}
		if held && (was.rate != r || !was.told) {
			t.changed(samplingKey{e.key, k}.bytes, now.bytes)
		}
	}
	was, said := *s, false
	if o.boot != 0 {
		s.boot, said = o.boot, true
	}
	if r != 0 && k.of != ofInterface {
		s.rate, said = r, true
	}
	if !said {
		return
	}
	s.when, s.told = when, true
	changed := s.boot != was.boot || s.rate != was.rate
	if changed {
		e.exporter.generation.Add(1)
	}
	if changed || !was.told {
		t.changed(samplingKey{e.key, rateKey{}}.bytes, s.bytes)
	}
}

// note keeps the rate of k if there is room.
func (t *Templates) note(s *sampling, k rateKey, r rate) bool {
	if _, held := s.by[k]; !held {
		if len(s.by) >= maxRates || t.rates >= t.cfg.MaxTemplates {
			t.refused++
			return false
		}
		if s.by == nil {
			s.by = map[rateKey]rate{}
		}
		t.rates++
		if k.of == ofInterface {
			s.interfaces++
		}
	}
	s.by[k] = r
	return true
}

// rate returns the rate of the record in d.late and f.
func (d *Decoder) rate(v *view, f *schema.Flow) uint32 {
	s := &d.late.sampled
	r := s.rate()
	if r == 0 && s.named {
		r = d.rateOf(v, rateKey{ofSampler, s.sampler})
	}
	if r == 0 && v.perInterface {
		r = d.rateOf(v, rateKey{ofInterface, uint64(f.Src.Interface)})
	}
	if r == 0 {
		r = v.rate
	}
	return r
}
