package netflow

import "github.com/scanhound/scanhound/schema"

// maxRates is how many samplers and interfaces of one exporter are remembered; a large chassis has
// about as many interfaces.
const maxRates = 4096

// sampling is what the options records of one exporter said.
type sampling struct {
	rate       uint32 // the last one said, for records that name no sampler
	boot       schema.Time
	by         map[rateKey]uint32
	interfaces int // of by
}

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
func (t *Templates) learn(e *exporter, o option) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.gone {
		return
	}
	s := &e.sampling
	changed := o.boot != 0 && o.boot != s.boot
	if changed {
		s.boot = o.boot
	}
	rate := o.rate()
	k := rateKey{}
	switch {
	case o.named:
		k = rateKey{ofSampler, o.sampler}
	case o.iface != 0:
		k = rateKey{ofInterface, uint64(o.iface)}
	}
	if rate != 0 && k.of != 0 && s.by[k] != rate {
		changed = t.note(s, k, rate) || changed
	}
	if rate != 0 && k.of != ofInterface && s.rate != rate {
		s.rate, changed = rate, true
	}
	if changed {
		e.generation.Add(1)
	}
}

// note keeps the rate of k if there is room.
func (t *Templates) note(s *sampling, k rateKey, rate uint32) bool {
	if _, held := s.by[k]; !held {
		if len(s.by) >= maxRates || t.rates >= t.cfg.MaxTemplates {
			t.refused++
			return false
		}
		if s.by == nil {
			s.by = map[rateKey]uint32{}
		}
		t.rates++
		if k.of == ofInterface {
			s.interfaces++
		}
	}
	s.by[k] = rate
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
