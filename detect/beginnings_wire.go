package detect

import (
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// The bytes of a beginning (in the words of slice.go):
//
//	beginning source:8 seen:ago track:1 evidence

// beginningState is a beginning outside of its place.
type beginningState struct {
	head
	evidence evidence
}

const (
	minBeginning  = 60      // bytes
	maxBeginnings = 1 << 22 // more than a segment can have
)

// beginningStates are those of a segment of which the window has something, in an order that
// does not depend on where they lie.
func (l *ledger) beginningStates(seg uint32) (states []beginningState) {
	of := &l.beginnings.of[seg]
	for i := range of.heads {
		for j := range of.heads[i] {
			if h := &of.heads[i][j]; h.source != 0 && l.isRecent(h) && !l.isOver(h) {
				states = append(states, beginningState{*h, of.evidence[i][j]})
			}
		}
	}
	slices.SortFunc(states, func(a, b beginningState) int { return a.compare(b.head) })
	return states
}

func (x *slice) wireBeginnings(w *wire.Wire) {
	wire.List(w, &x.beginnings, minBeginning, maxBeginnings, func(b *beginningState) {
		w.U64(&b.source)
		w.Back(&b.seen, x.second())
		w.U8((*uint8)(&b.track))
		b.evidence.wire(w)
		w.Check(b.source != 0 && b.track < trackCount && segmentOf(b.source) == uint64(x.part), "a beginning of another part")
	})
}

// lostBeginnings takes out, before the sources of another state are joined, what that state
// has lost of a source of which it knows more; and of its own what was lost here. Of a
// source that nobody has seen since, the state whose flows go further knows more.
func (l *ledger) lostBeginnings(x *slice) {
	of := &l.beginnings.of[x.part]
	own := max(of.clock, l.clock.own)
	of.clock = max(own, x.clock)
	if l.table.segments[x.part].used == 0 || len(of.heads) == 0 && len(x.beginnings) == 0 {
		return // mostly a state is restored into a new detector
	}
	theirs := map[uint64]uint32{} // when the other state has last seen a source
	for i := range x.sources {
		theirs[x.sources[i].key] = x.sources[i].seen
	}
	further := func(source uint64) int { // which knows more: the other one (+1), this one (-1), neither
		s := l.table.find(source)
		seen, known := theirs[source]
		if s == nil || !known {
			return 0
		}
		return cmp.Or(cmp.Compare(seen, s.seen), cmp.Compare(x.clock, own))
	}
	x.beginnings = slices.DeleteFunc(x.beginnings, func(b beginningState) bool {
		_, e := l.beginnings.find(b.head)
		return e == nil && further(b.source) < 0
	})
	l.beginnings.drop(x.part, func(h *head) bool {
		return further(h.source) > 0 && !slices.ContainsFunc(x.beginnings, func(b beginningState) bool { return b.source == h.source && b.track == h.track })
	})
}

// mergeBeginnings joins those of another state, after its sources. Of two of one source that
// stays which is further on; of more than there is room for, those that were seen last.
func (l *ledger) mergeBeginnings(x *slice) {
	l.beginnings.drop(x.part, l.isOver)
	for i := range x.beginnings {
		b := &x.beginnings[i]
		if l.isOver(&b.head) {
			continue
		}
		at, e := l.beginnings.find(b.head)
		switch {
		case e == nil:
			if at, e = l.beginnings.room(b.head, len(l.table.segments[x.part].slots)); at.compare(b.head) > 0 {
				continue
			}
			*at, *e = b.head, b.evidence
		case e.compare(&b.evidence) < 0:
			*e = b.evidence
		}
		at.seen = max(at.seen, b.seen)
	}
}

// drop takes out some of the beginnings of a segment.
func (b *beginnings) drop(seg uint32, unwanted func(*head) bool) {
	of := &b.of[seg]
	for i := range of.heads {
		for j := range of.heads[i] {
			if h := &of.heads[i][j]; h.source != 0 && unwanted(h) {
				*h, of.evidence[i][j] = head{}, evidence{}
			}
		}
	}
}
