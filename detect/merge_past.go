package detect

import (
	"cmp"
	"slices"
)

// adoptPast gives a suspect its closed scans, and puts those told of again in their order.
func (d *Detector) adoptPast(s *suspect) {
	d.reopened = slices.DeleteFunc(d.reopened, func(p *past) bool { return p.suspect == s })
	for _, p := range s.past {
		p.suspect = s
		if p.again {
			at, _ := slices.BinarySearchFunc(d.reopened, p, comparePast)
			d.reopened = slices.Insert(d.reopened, at, p)
			d.opened = max(d.opened, p.nth+1)
		}
	}
}

func comparePast(a, b *past) int {
	return cmp.Or(cmp.Compare(a.nth, b.nth), cmp.Compare(a.alert.ID, b.alert.ID))
}

// past joins the closed scans of two states: all of who has closed more, or of both,
// and of each scan the state with more revisions.
func (j *joining) past(s, o *suspect) {
	more, less := s.past, o.past
	if j.ahead < 0 {
		more, less = less, more
	}
	more = slices.Clone(more)
	for _, p := range less {
		at := slices.IndexFunc(more, func(q *past) bool { return q.alert.ID == p.alert.ID })
		switch {
		case at >= 0 && cmp.Or(cmp.Compare(p.alert.Revision, more[at].alert.Revision), cmp.Compare(p.heard, more[at].heard)) > 0:
			more[at] = p
		case at < 0 && j.ahead == 0 && len(more) < maxPast:
			more = append(more, p)
		}
	}
	s.past = more
	j.d.adoptPast(s)
}

// mergePrints joins the footprints of two sketches and which of the addresses failed:
// those have the places of the maps, which may change.
func (s *sketches) mergePrints(o *sketches, later bool) {
	failed := map[uint32]*numbers{}
	for _, k := range []*sketches{s, o} {
		for i := range k.footprint.fine {
			base := k.footprint.fine[i].base
			if failed[base] == nil {
				failed[base] = new(numbers)
			}
			failed[base].merge(&k.failures.fine[i])
		}
	}
	s.footprint.merge(o.footprint, later)
	s.failures.fine = [maxFine]numbers{}
	for i := range s.footprint.fine {
		s.failures.fine[i] = *failed[s.footprint.fine[i].base]
	}
	if later {
		s.failures.latest, s.failures.next = o.failures.latest, o.failures.next
	}
}
