package detect

import (
	"cmp"
	"math/bits"

	"github.com/scanhound/scanhound/detect/internal/lossy"
	"github.com/scanhound/scanhound/schema"
)

// outages remembers which targets served somebody, and how many sources they
// have failed since. What served in the last day and now fails for several
// sources is down: its clients try in vain, and do not scan.
type outages struct {
	lossy.Table[outageSlot]
}

// outageSlot: a target that never served is taken for another with 2^-32. So short, four lie in
// a line of memory, and the table in the second cache.
type outageSlot struct {
	tag    uint32 // of the hash of the contact
	served uint32 // second; 0: free
	failed uint32 // second of the last failure
	by     uint32 // sources that it failed, a bit for each by hash
}

const (
	outageSlots   = 1 << 16 // 16 bytes each
	outageSources = 5
	outageServed  = 24 * 3600 // seconds within which it served
	outageFailed  = 3600      // seconds within which each source failed after the one before
)

// of is the slot of the contact with this hash, and its tag there; nil while nothing is known.
func (t *outages) of(hash uint64) (*outageSlot, uint32) { return t.Slot(hash >> 1), uint32(hash >> 32) }

// serve notes that the contact with this hash answered.
func (t *outages) serve(hash uint64, now uint32) {
	t.Make(outageSlots)
	s, tag := t.of(hash)
	*s = outageSlot{tag: tag, served: now}
}

// fail notes that it, if it ever served, failed for a source.
func (t *outages) fail(hash uint64, source uint64, now uint32) {
	s, tag := t.of(hash)
	if s == nil || s.tag != tag || s.served == 0 {
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
func (s *outageSlot) merge(o outageSlot) {
	switch {
	case o.tag == s.tag && o.served == s.served && o.failed == s.failed:
		s.by |= o.by
	case cmp.Or(cmp.Compare(o.served, s.served), cmp.Compare(o.tag, s.tag), cmp.Compare(o.failed, s.failed)) > 0:
		*s = o
	}
}

// down reports whether it is a target in an outage of its own.
func (t *outages) down(hash uint64, now uint32) bool {
	s, tag := t.of(hash)
	return s != nil && s.tag == tag && bits.OnesCount32(s.by) >= outageSources && now-s.served <= outageServed
}

// served reports whether it answered somebody within a day.
func (t *outages) served(hash uint64, now uint32) bool {
	s, tag := t.of(hash)
	return s != nil && s.tag == tag && now-s.served <= outageServed
}

// isDown: so many of the key's targets are down that the rest reaches no threshold.
func (l *ledger) isDown(acc *account, k *key, h int, count, want uint64) bool {
	var down uint64
	for _, c := range acc.failed.all(&l.slab) {
		if c.marks&markReported == 0 && k.has(c) && l.outages.down(c.hash(), l.second) &&
			(c.stamp().after(k.stamp(), l.now) || c.stamp().age(k.stamp()) < l.thresholds.spans[h]) {
			down++
		}
	}
	down *= acc.failed.weight()
	return count-min(down, count) < want
}
