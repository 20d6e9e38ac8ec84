package orient

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Pairing orients flows with the help of the reverse record: the same
// five-tuple the other way round, seen within the pane. It belongs to one
// goroutine, and is what ingest calls; flows that Flow can decide from the
// record alone never touch its table.
type Pairing struct {
	services services
	slots    []pairSlot
	mask     uint64
	open     []openFlow // of the batch
	touched  uint64
	calls    serverCalls
	synAcks  synAcks
	words    words

	datagrams datagrams
	Stats     Stats
}

// Stats counts every flow once under how it was oriented.
type Stats struct {
	By          [5]uint64 // indexed by schema.Orientation
	Swapped     uint64
	ServerCalls uint64 // marked, see schema.HintServerCall
	Held        uint64 // that may be marked still, see Hold
	Denied      uint64 // whose exporter named the wrong side, as TCP flags or a silent half say
}

// pairSlot remembers the direction in which a conversation was first seen. The
// table forgets as those of internal/lossy do, which costs at most an orientation. It
// is written out because each flow asks three times: to ask each time whether the table
// is made takes some 8 % of Orient.
type pairSlot struct {
	key     uint64 // hash of the five-tuple, the same for both directions
	start   schema.Time
	forward bool // the record went from the lower endpoint to the higher
	reverse bool // and the other direction was seen too
}

// pairWindow is one pane: reverse records further apart are other conversations.
const pairWindow = 5 * time.Minute

// NewPairing makes a table of slots conversations (rounded up to a power of
// two; 32 bytes each). services is usually ServicePorts[:].
func NewPairing(slots int, services []uint16) *Pairing {
	n := 1
	for n < slots {
		n <<= 1
	}
	return &Pairing{services: newServices(services), slots: make([]pairSlot, n), mask: uint64(n - 1), datagrams: newDatagrams(n)}
}

// openFlow is a flow of a batch of which neither the exporter nor the flags say
// who started it.
type openFlow struct {
	key     uint64 // of its conversation
	asker   uint64 // that would have been asked: its Dst
	at      int32  // in the batch
	forward bool
	udp     bool
}

// Orient orients the flows of one datagram or batch in place. Both halves of a
// conversation in one batch find each other whatever their order.
func (p *Pairing) Orient(flows []schema.Flow) {
	p.collect(flows)
	for i := range p.open {
		u := &p.open[i]
		p.remember(&flows[u.at], u.key, u.forward)
	}
	for i := range p.open {
		u := &p.open[i]
		f := &flows[u.at]
		if u.udp && p.datagrams.answers(f, u.asker) {
			continue
		}
		p.byReverse(f, u.key, u.forward)
		if u.udp && f.Orientation == schema.OrientNone && !p.services.from(f) {
			p.datagrams.leave(int(u.at), f)
		}
	}
	p.datagrams.decide(flows)
	for i := range flows {
		f := &flows[i]
		if f.Orientation == schema.OrientNone && (p.services.from(f) || dhcpAnswer(f)) {
			turnToService(f)
		}
		p.Stats.By[f.Orientation]++
		swapped := uint64(0)
		if f.Swapped {
			swapped = 1
		}
		p.Stats.Swapped += swapped // no branch: nobody could foresee it
		p.calls.note(i, f)
	}
	p.Stats.ServerCalls += p.calls.mark(flows)
}

// collect decides what can be decided from a record alone, and leaves the rest open.
func (p *Pairing) collect(flows []schema.Flow) {
	open, n := slices.Grow(p.open[:0], len(flows))[:len(flows)], 0
	for i := range flows {
		f := &flows[i]
		switch {
		case f.Orientation != schema.OrientNone || p.byWord(f):
		case p.synAcks.asks(f):
			f.Orientation = schema.OrientFlags
		case !byFlags(f) && !byType(f) && schema.HasPorts(f.Proto):
			src, dst := socket(f.Src.Addr, f.Src.Port), socket(f.Dst.Addr, f.Dst.Port)
			key, forward := conversation(src, dst, uint64(f.Proto))
			u := &open[n] // field by field: a copy of what was just built waits for it
			u.key, u.asker, u.at, u.forward, u.udp = key, dst, int32(i), forward, p.datagrams.ask(f, src)
			n++
		}
	}
	// The table does not fit the caches: touch all slots first, so that the waits overlap.
	open = open[:n]
	sum := uint64(0)
	for i := range open {
		sum += p.slots[open[i].key&p.mask].key
	}
	p.open, p.touched = open, sum
}

// remember notes that f's direction was seen.
func (p *Pairing) remember(f *schema.Flow, key uint64, forward bool) {
	p.slots[key&p.mask].remember(key, forward, f.EventTime())
}

func (s *pairSlot) remember(key uint64, forward bool, t schema.Time) {
	if s.key != key || t.Sub(s.start) > pairWindow || s.start.Sub(t) > pairWindow {
		*s = pairSlot{key: key, start: t, forward: forward}
		return
	}
	if s.forward == forward {
		return
	}
	s.reverse = true
	if t < s.start {
		s.start, s.forward = t, forward
	}
}

// byReverse decides where both directions were seen: the one towards a system port or a
// service started it, when only one of the ports is one; else the earlier one.
func (p *Pairing) byReverse(f *schema.Flow, key uint64, forward bool) {
	s := &p.slots[key&p.mask]
	if s.key != key || !s.reverse {
		return
	}
	swap, told := p.byPorts(f)
	if !told {
		swap = forward != s.forward
	}
	if swap {
		f.Swap()
	}
	f.Orientation = schema.OrientReverse
}

func (p *Pairing) serves(port uint16) bool { return port <= lastWellKnown || p.services.has(port) }

// taken is a bit of every key, so that a slot without one is free; it chooses no slot.
const taken = 1 << 63

// conversation returns a hash that both directions between two sockets share, of a protocol or what else
// they have in common, and whether the one that is named first is the lower.
func conversation(src, dst, of uint64) (key uint64, forward bool) {
	return fold(min(src, dst), max(src, dst)^of) | taken, src <= dst
}

// socket is a hash of a host and a port.
func socket(a netip.Addr, port uint16) uint64 {
	if a.Is4() {
		b := a.As4()
		return fold(uint64(binary.BigEndian.Uint32(b[:])), uint64(port))
	}
	b := a.As16()
	return fold(binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[:8])^uint64(port))
}

// fold mixes two numbers by a product of 128 bits (Wang Yi's wyhash, whose constants these are).
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return high ^ low
}

// Add adds what another table counted.
func (s *Stats) Add(o Stats) {
	for i, n := range o.By {
		s.By[i] += n
	}
	s.Swapped += o.Swapped
	s.ServerCalls += o.ServerCalls
	s.Held += o.Held
	s.Denied += o.Denied
}
