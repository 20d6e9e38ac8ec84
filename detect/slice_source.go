package detect

import (
	"maps"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// sourceState is a source outside of the table.
type sourceState struct {
	key     uint64
	seen    uint32
	one     contact // without marks: the rest is its record
	oldest  stamp
	since   uint32
	failed  setState
	other   setState
	suspect *suspect
	looks   []schema.Time // when its open scans are looked at next
}

// netState is what is held of a /64 beside its state.
type netState struct {
	key uint64
	net64
}

// commonState is what belongs to no segment.
type commonState struct {
	lastTick  schema.Time
	ticks     uint64
	hand      cursor
	opened    uint64
	exporters []netip.Addr
}

// The least bytes that these take.
const (
	minSource = 11
	minNet    = 8 + 9*netMembers + 3
)

// maxSources is more than a segment can have.
const maxSources = 1 << 26

func (d *Detector) writeSegment(w *wire, x *slice) {
	s := &d.table.segments[x.part]
	x.places = uint8(bits.Len(uint(len(s.slots))))
	w.u8(&x.places)
	n := s.used
	w.count(&n, minSource, maxSources)
	// Behind a free slot nobody was pushed on by those at the end of the array: put
	// one by one into an empty one of this size, all come to lie where they are.
	first := 0
	for n > 0 && s.slots[first].key != 0 {
		first++
	}
	var room []contact
	if n > 0 {
		room = make([]contact, 2*maxContacts)
	}
	for i := range s.slots {
		if at := &s.slots[(first+i)&(len(s.slots)-1)]; at.key != 0 {
			of := d.sourceState(at, room)
			w.source(&of, x.second())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.nets.of[x.part])) {
		x.nets = append(x.nets, netState{key, *d.nets.of[x.part][key]})
	}
	w.nets(x)
	d.writeTables(w, x)
}

// segment reads what writeSegment wrote.
func (w *wire) segment(x *slice) {
	w.u8(&x.places)
	w.check(x.places <= 32, "a table larger than it can be")
	list(w, &x.sources, minSource, maxSources, func(of *sourceState) {
		w.source(of, x.second())
		seg, _ := home(of.key)
		w.check(seg == uint64(x.part), "a source of another part")
	})
	w.nets(x)
	w.targets(x)
	w.goods(x)
	w.answering(x)
}

// sourceState takes a source out of the table; its contacts lie in room.
func (d *Detector) sourceState(s *slot, room []contact) sourceState {
	x := sourceState{key: s.key, seen: s.seen}
	if s.bits&slotRecord == 0 {
		x.one = contact{s.word, s.one}
		return x
	}
	rec := d.records.at(uint32(s.word))
	x.oldest, x.since = s.oldest, rec.since
	x.failed, x.other = d.copySet(&rec.failed, room[:maxContacts]), d.copySet(&rec.other, room[maxContacts:])
	if x.suspect = d.suspectOf(rec); x.suspect == nil {
		return x
	}
	for _, sc := range x.suspect.scans {
		at, _ := slices.BinarySearchFunc(d.open, sc, func(o openScan, sc *scan) int { return compareOpen(o.scan, sc) })
		x.looks = append(x.looks, d.open[at].look)
	}
	return x
}

func (w *wire) source(x *sourceState, now uint32) {
	record, v6, suspicious := x.one.marks == 0, x.key&keyV6 != 0, x.suspect != nil
	w.bits(&record, &v6, &suspicious)
	w.key(&x.key, v6)
	w.back(&x.seen, now)
	if !record {
		w.u8((*uint8)(&x.one.marks))
		word := x.one.word
		w.u64(&word)
		x.one.word = word
		w.check(x.one.marks&outcomeMarks != 0 && x.one.marks.class() <= classOther && !suspicious, "a contact without an outcome")
		return
	}
	w.u16((*uint16)(&x.oldest))
	w.since(&x.since, x.seen)
	w.set(&x.failed, true)
	w.set(&x.other, false)
	w.check(!w.reading || distinctTargets(x.failed.contacts, x.other.contacts), "a target that is there twice")
	if !suspicious {
		return
	}
	if w.reading {
		x.suspect = new(suspect)
	}
	w.suspect(x.suspect, &x.looks)
	if w.reading && w.err == nil && x.suspect.key() != x.key {
		w.fail("a suspect with the address of another")
	}
}

// key is what the table knows a source by.
func (s *suspect) key() uint64 {
	if s.net {
		return netKeyOf(s.addr)
	}
	return keyOf(s.addr)
}

func (w *wire) key(key *uint64, v6 bool) {
	if v6 {
		w.u64(key)
		w.check(*key&keyV6 != 0, "an IPv6 source with the key of an IPv4 one")
		return
	}
	address := uint32(*key)
	w.u32(&address)
	*key = 1<<32 | uint64(address)
}

// since is a time before seen, or 0 for none.
func (w *wire) since(since *uint32, seen uint32) {
	ago := uint64(0)
	if *since != 0 {
		ago = uint64(seen-*since) + 1
	}
	num(w, &ago)
	*since = 0
	if ago != 0 {
		w.check(ago <= uint64(seen), "a time before 1970")
		*since = seen - uint32(ago-1)
	}
}

func (w *wire) nets(x *slice) {
	list(w, &x.nets, minNet, maxNets, func(n *netState) {
		w.u64(&n.key)
		for i := range n.members {
			w.u64(&n.members[i].key)
			num(w, &n.members[i].failed)
		}
		signed(w, &n.distinct)
		num(w, &n.failed)
		w.back(&n.seen, x.second())
		seg, _ := home(n.key)
		w.check(seg == uint64(x.part) && n.key&keyV6 != 0, "a /64 of another part")
	})
}

func (d *Detector) commonState() commonState {
	c := commonState{lastTick: d.lastTick, ticks: uint64(d.ticks), hand: d.table.hand, opened: d.opened}
	c.exporters = slices.SortedFunc(maps.Keys(d.flags), netip.Addr.Compare)
	return c
}

func (w *wire) common(c *commonState) {
	w.time(&c.lastTick)
	num(w, &c.ticks)
	signed(w, &c.hand.seg)
	signed(w, &c.hand.place)
	w.check(c.hand.seg >= 0 && c.hand.seg < common && c.hand.place >= 0, "a sweep that is nowhere")
	num(w, &c.opened)
	list(w, &c.exporters, 1, maxExportersKnown, w.addr)
}
