package detect

import (
	"cmp"
	"math/bits"

	"github.com/scanhound/scanhound/schema"
)

// targets remembers which targets served somebody, and how many sources they
// have failed since. What served in the last day and now fails for several
// sources is down: its clients try in vain, and do not scan.
//
// It is a fixed table in which a target takes the slot of another; what is
// forgotten costs a guard, never an alert.
type targets struct {
	slots []targetSlot
}

type targetSlot struct {
	key    uint64
	served uint32 // second
	failed uint32 // second of the last failure
	by     uint32 // sources that it failed, a bit for each by hash
}

const (
	targetSlots   = 1 << 16 // 24 bytes each
	outageSources = 5
	outageServed  = 24 * 3600 // seconds within which it served
	outageFailed  = 3600      // seconds within which each source failed after the one before
)

// place is where it belongs.
func (t *targetSlot) place() int { return int(t.key >> 1 % targetSlots) }

func targetKey(hash uint64) uint64 { return hash | 1 }

// touch reads what will be asked of the contact with this hash.
func (t *targets) touch(hash uint64) uint64 {
	if t.slots == nil {
		return 0
	}
	return t.slots[hash>>1%targetSlots].key
}

// serve notes that the contact with this hash answered.
func (t *targets) serve(hash uint64, now uint32) {
	if t.slots == nil {
		t.slots = make([]targetSlot, targetSlots)
	}
	k := targetKey(hash)
	s := &t.slots[k>>1%targetSlots]
	*s = targetSlot{key: k, served: now}
}

// fail notes that it, if it ever served, failed for a source.
func (t *targets) fail(hash uint64, source uint64, now uint32) {
	if t.slots == nil {
		return
	}
	k := targetKey(hash)
	s := &t.slots[k>>1%targetSlots]
	if s.key != k {
		return
	}
	if now-s.failed > outageFailed {
		s.by = 0
	}
	s.failed = now
	s.by |= 1 << (schema.Mix64(source) % 32)
}

// merge joins what another state knows of a target, or of another in its place: who
// served later stays, and of the failures since then the later ones.
func (t *targets) merge(o targetSlot) {
	if t.slots == nil {
		t.slots = make([]targetSlot, targetSlots)
	}
	s := &t.slots[o.place()]
	switch {
	case o.key == s.key && o.served == s.served && o.failed == s.failed:
		s.by |= o.by
	case cmp.Or(cmp.Compare(o.served, s.served), cmp.Compare(o.key, s.key), cmp.Compare(o.failed, s.failed)) > 0:
		*s = o
	}
}

// down reports whether it is a target in an outage of its own.
func (t *targets) down(hash uint64, now uint32) bool {
	if t.slots == nil {
		return false
	}
	k := targetKey(hash)
	s := &t.slots[k>>1%targetSlots]
	return s.key == k && bits.OnesCount32(s.by) >= outageSources && now-s.served <= outageServed
}

// isDown: so many of the key's targets are down that the rest reaches no threshold.
func (d *Detector) isDown(rec *record, k *key, h int, count, want uint64) bool {
	var down uint64
	for _, c := range rec.failed.all(&d.slab) {
		if c.marks&markTold == 0 && k.has(c) && d.targets.down(c.hash(), d.second) &&
			(c.stamp().after(k.stamp(), d.now) || c.stamp().age(k.stamp()) < d.rules.spans[h]) {
			down++
		}
	}
	down *= rec.failed.weight()
	return count-min(down, count) < want
}
