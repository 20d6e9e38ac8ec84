package detect

import (
	"cmp"
	"unsafe"

	"github.com/scanhound/scanhound/schema"
)

// beginnings is the evidence of sources that are no suspects: what came before the sixth
// failed target. An alert counts it like all that comes later, so that the order in which
// flows arrive does not decide what its numbers are.
//
// Most sources that fail once never become suspects. So there is no place for each: the one
// that was seen longest ago of four makes room. Of it the contacts still tell one flow each
// (see recall).
type beginnings struct {
	of    [1 << segmentBits]begun // by the segment of the source
	bytes uint64
}

// begun is the beginnings of a segment.
type begun struct {
	heads    [][beginningWays]head // a line of memory each
	evidence [][beginningWays]evidence
	clock    schema.Time // of the latest state that was joined
}

// head says whose evidence it is: of one track of a source.
type head struct {
	source uint64 // by its key; 0: free
	seen   uint32 // second of the latest flow
	track  trackKind
}

const (
	beginningWays  = 4   // places of which one may be a source's
	beginningShare = 128 // places of a segment of the table for each place here: some 5 bytes a source
	beginningSize  = uint64(unsafe.Sizeof(evidence{}) + unsafe.Sizeof(head{}))
)

// counts reports whether evidence counts a flow: not if it is nothing but a session.
func (g *sighting) counts() bool { return g.o.isProbe() || g.o&(touched|reached) != 0 }

// begin counts a flow of a source that is no suspect.
func (l *ledger) begin(key uint64, c contact, g *sighting) {
	if !g.counts() {
		return
	}
	h := head{key, uint32(g.t.Seconds()), c.marks.class().track()}
	at, e := l.beginnings.find(h)
	switch {
	case e == nil && g.o == touched && g.f.Exporter.Sampling > 1:
		return // all UDP of a sampled exporter is: that begins nothing
	case e == nil:
		at, e = l.beginnings.place(h, len(l.table.segments[segmentOf(key)].slots))
	case !l.isRecent(at):
		e.forget()
	}
	at.seen = max(at.seen, h.seen)
	e.add(g)
}

// isRecent reports whether the window has something of a beginning.
func (l *ledger) isRecent(h *head) bool {
	return int64(l.second)-int64(h.seen) <= int64(l.windowSeconds)
}

// isOver reports whether the source of a beginning is forgotten, or a suspect meanwhile.
func (l *ledger) isOver(h *head) bool {
	s := l.table.find(h.source)
	return s == nil || s.bits&slotAccount != 0 && l.accounts.at(uint32(s.word)).suspect != 0
}

// leave takes out what began before a source was forgotten.
func (b *beginnings) leave(source uint64) {
	of := &b.of[segmentOf(source)]
	if len(of.heads) == 0 {
		return
	}
	heads, all := of.bucket(schema.Mix64(source))
	for i := range heads {
		if heads[i].source == source {
			heads[i] = head{}
			all[i].forget()
		}
	}
}

func segmentOf(key uint64) uint64 {
	seg, _ := home(key)
	return seg
}

// bucket is where the beginnings of a source, by its hash, lie in a segment that has some.
func (b *begun) bucket(hash uint64) (*[beginningWays]head, *[beginningWays]evidence) {
	_, place := placeOf(hash)
	i := place >> 24 & uint64(len(b.heads)-1)
	return &b.heads[i], &b.evidence[i]
}

// find returns the beginning of a track of a source, or nil.
func (b *beginnings) find(h head) (*head, *evidence) {
	of := &b.of[segmentOf(h.source)]
	if len(of.heads) == 0 {
		return nil, nil
	}
	heads, all := of.bucket(schema.Mix64(h.source))
	for i := range heads {
		if at := &heads[i]; at.source == h.source && at.track == h.track {
			return at, &all[i]
		}
	}
	return nil, nil
}

// place finds a place for a new beginning, in a segment with so many slots.
func (b *beginnings) place(h head, slots int) (*head, *evidence) {
	at, e := b.room(h, slots)
	*at = h
	e.forget()
	return at, e
}

// room is where there is room for a new beginning: who is there makes room first.
func (b *beginnings) room(h head, slots int) (*head, *evidence) {
	b.grow(segmentOf(h.source), slots)
	heads, all := b.of[segmentOf(h.source)].bucket(schema.Mix64(h.source))
	least := weakest(heads)
	return &heads[least], &all[least]
}

// weakest is which of some beginnings makes room first.
func weakest(heads *[beginningWays]head) (least int) {
	for i := range heads {
		if heads[i].compare(heads[least]) < 0 {
			least = i
		}
	}
	return least
}

// compare orders beginnings by who makes room first. That does not depend on where they lie.
func (h head) compare(o head) int {
	return cmp.Or(cmp.Compare(h.seen, o.seen), cmp.Compare(h.source, o.source), cmp.Compare(h.track, o.track))
}

// grow gives a segment with so many slots the places that it should have.
func (b *beginnings) grow(seg uint64, slots int) {
	of, want := &b.of[seg], 1
	for want*beginningWays*beginningShare < slots {
		want *= 2
	}
	if len(of.heads) >= want {
		return
	}
	old := *of
	b.bytes += uint64(want-len(old.heads)) * beginningWays * beginningSize
	of.heads, of.evidence = make([][beginningWays]head, want), make([][beginningWays]evidence, want)
	for i := range old.heads {
		for j, h := range old.heads[i] {
			if h.source != 0 {
				_, e := b.place(h, 0)
				*e = old.evidence[i][j]
			}
		}
	}
}

// take takes the beginning of a track of a source out; nil where there is none.
func (l *ledger) takeBeginning(source uint64, t trackKind) *evidence {
	at, e := l.beginnings.find(head{source: source, track: t})
	if e == nil {
		return nil
	}
	recent, taken := l.isRecent(at), *e
	*at, *e = head{}, evidence{}
	if !recent {
		return nil
	}
	return &taken
}

// forget empties evidence and keeps its room.
func (e *evidence) forget() { *e = evidence{exporters: e.exporters[:0]} }

// recall gives a new suspect the evidence of what came before. Of a contact that was touched
// before that begins, because another took its place, it counts a flow, with the outcome
// that its marks tell and the flags of the current one: a scanner's probes are alike.
func (l *ledger) recall(acc *account, s *suspect, current contact, g *sighting) {
	for t := range s.evidence {
		if e := l.takeBeginning(s.key(), trackKind(t)); e != nil {
			s.evidence[t] = *e
		}
	}
	began := s.evidence
	l.each(acc, func(c contact) {
		t := c.marks.class().track()
		e, of := &s.evidence[t], &began[t]
		if c.isTurned() && c.marks&markReported == 0 {
			e.outcomes[answeredBit]++
		}
		held := of.flows > 0 && !l.units.stamp(of.first).after(c.stamp(), l.now)
		if o := c.outcome(); !held && o != answered && !c.same(current) && c.marks&markReported == 0 && l.remembers(c) {
			e.guess(l.units.timeOf(c.stamp(), l.clock.now), c, o, g.f)
		}
	})
}

// guess counts a flow of which a contact alone tells.
func (e *evidence) guess(t schema.Time, c contact, o outcome, like *schema.Flow) {
	rate, packets := uint64(max(like.Exporter.Sampling, 1)), uint64(1)
	if sentMultiples(like) {
		packets = rate
	}
	if e.flows == 0 {
		e.first, e.last = t, t
	}
	e.first, e.last = min(e.first, t), max(e.last, t)
	e.flows++
	e.packets += packets
	e.scaled += rate
	e.pace.add(t)
	if c.marks.class() == classTCP {
		e.flags.add(like)
	}
	e.outcomesOf(o)
}
