package detect

import (
	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/schema"
)

// account is a source that has touched more than one target: one line of memory. Most
// have no more targets than lie in it.
type account struct {
	failed  set    // targets that count
	other   set    // targets that answered, or of which too little is known
	since   uint32 // second of the first failed contact since the last alert closed; 0: none
	suspect uint32 // 1 + index of what is held beside; 0: nothing
	_       [8]byte
}

const (
	accountSize      = lineSize
	accountChunkBits = 12
	accountChunk     = 1 << accountChunkBits
)

// accounts are accounts by index, in chunks that never move and begin on a page, so that
// none lies across two lines, with a list of free ones that runs through since.
type accounts struct {
	chunks []*[accountChunk]account
	next   uint32 // never used from here on
	free   uint32 // 1 + index of the first free one
	live   uint64
}

func (r *accounts) at(i uint32) *account {
	return &r.chunks[i>>accountChunkBits][i&(accountChunk-1)]
}

func (r *accounts) get() (uint32, *account) {
	r.live++
	if r.free != 0 {
		i := r.free - 1
		acc := r.at(i)
		r.free = acc.since
		*acc = account{}
		return i, acc
	}
	if int(r.next>>accountChunkBits) >= len(r.chunks) {
		r.chunks = append(r.chunks, new([accountChunk]account))
	}
	r.next++
	return r.next - 1, r.at(r.next - 1)
}

func (r *accounts) put(i uint32) {
	r.live--
	*r.at(i) = account{since: r.free}
	r.free = i + 1
}

func (r *accounts) bytes() uint64 { return r.live * accountSize }

// again handles another flow to a target in the failed set.
func (l *ledger) updateFailed(acc *account, at int, c contact) change {
	known := acc.failed.at(&l.slab, at)
	strong := known.marks.isStrong()
	news := known.merge(c, l.now, l.recountAfter)
	if known.marks.isProbe() {
		acc.failed.change(&l.slab, at, known)
		// Of a faint one that becomes strong the refusal came first: exporters tell an RST
		// at once, and a SYN when it is old.
		news = news || !strong && known.marks.isStrong() && known.marks&markReported == 0
		return change{c: known, fresh: news, known: true}
	}
	acc.failed.remove(&l.slab, at)
	acc.other.add(&l.slab, known, known.hash(), l.now, l.units.window)
	return change{c: known, probed: true, known: true, turned: known.isTurned()}
}

// recountSeconds is how long a target that an alert reported must have been left
// alone before touching it is the beginning of another scan.
const recountSeconds = 5 * 60 // seconds

// purge drops what is older than the window from the account of a source that has
// been quiet for so long.
func (l *ledger) purge(s *slot, acc *account, quiet uint32) {
	latest := l.units.stamp(schema.Time(s.seen) * 1e9)
	oldest := uint32(0)
	s.oldest = latest
	recent := func(c contact) bool {
		age := c.stamp().age(latest)
		if age+quiet > l.units.window {
			return false
		}
		if age > oldest {
			oldest, s.oldest = age, c.stamp()
		}
		return true
	}
	acc.failed.keep(&l.slab, recent)
	l.remember(acc, s.key, s.seen, recent)
	acc.other.keep(&l.slab, recent)
	sus := l.suspectOf(acc)
	if sus == nil {
		return
	}
	l.forgetClosed(sus)
	sus.notBefore = notBefore{}
	then := sliding.Window{Now: paneOf(latest), Panes: l.panes.Panes}
	for _, k := range sus.sketch {
		if k != nil {
			k.expire(&then, quiet>>paneShift)
		}
	}
	if acc.failed.n == 0 {
		sus.sketch = [trackCount]*sketches{}
	}
}

// promote gives a source whose one contact lies in its slot an account, unless c
// is that contact again or all that is left of the window.
func (l *ledger) promote(s *slot, c contact, g *sighting) bool {
	one := contact{s.word, s.one}
	second := uint32(g.t.Seconds())
	switch {
	case one.stamp().age(l.units.stamp(schema.Time(s.seen)*1e9))+l.unseen(s) > l.units.window:
		s.word, s.one, s.seen = c.word, c.marks, second
		return false
	case one.same(c):
		l.repeated(g, c, one)
		one.merge(c, l.now, l.recountAfter)
		s.word, s.one, s.seen = one.word, one.marks, max(s.seen, second)
		return false
	}
	index, acc := l.accounts.get()
	s.oldest = one.stamp()
	if n := l.update(acc, one, one.hash()); n.fresh {
		acc.since = s.seen
	}
	s.word, s.one = uint64(index), 0
	s.bits |= slotAccount
	return true
}

// setOf is where a contact belongs.
func (r *account) setOf(c contact) *set {
	if c.marks.isProbe() {
		return &r.failed
	}
	return &r.other
}
