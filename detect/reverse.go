package detect

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Pairing orients flows with the help of the reverse record: the same
// five-tuple the other way round, seen within the pane. It belongs to one
// goroutine, and is what ingest calls; flows that Orient can decide from the
// record alone never touch its table.
type Pairing struct {
	services []uint16
	slots    []pairSlot
	mask     uint64
	open     []openFlow // of the batch
	touched  uint64
	calls    callBacks
	Stats    OrientStats
}

// OrientStats counts every flow once under how it was oriented.
type OrientStats struct {
	By        [5]uint64 // indexed by schema.Orientation
	Swapped   uint64
	CallBacks uint64 // marked, see schema.HintCallBack
}

// pairSlot remembers the direction in which a conversation was first seen. The
// table is direct-mapped: a newer conversation takes the slot of an older one,
// which costs at most an orientation.
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
	return &Pairing{services: services, slots: make([]pairSlot, n), mask: uint64(n - 1)}
}

// openFlow is a flow of a batch of which neither the exporter nor the flags say
// who started it.
type openFlow struct {
	key     uint64 // of its conversation
	at      int    // in the batch
	forward bool
}

// Orient orients the flows of one datagram or batch in place. Both halves of a
// conversation in one batch find each other whatever their order.
func (p *Pairing) Orient(flows []schema.Flow) {
	p.open = p.open[:0]
	for i := range flows {
		f := &flows[i]
		if f.Orientation == schema.OrientNone && !byExporter(f) && !byFlags(f) && schema.HasPorts(f.Proto) {
			key, forward := conversation(f)
			p.open = append(p.open, openFlow{key, i, forward})
		}
	}
	// The table does not fit the caches: touch all slots first, so that the waits overlap.
	sum := uint64(0)
	for i := range p.open {
		sum += p.slots[p.open[i].key&p.mask].key
	}
	p.touched = sum
	for _, u := range p.open {
		p.remember(&flows[u.at], u.key, u.forward)
	}
	for _, u := range p.open {
		p.byReverse(&flows[u.at], u.key, u.forward)
	}
	for i := range flows {
		f := &flows[i]
		if f.Orientation == schema.OrientNone {
			byService(f, p.services)
		}
		p.Stats.By[f.Orientation]++
		if f.Swapped {
			p.Stats.Swapped++
		}
		p.calls.look(i, f)
	}
	p.Stats.CallBacks += p.calls.mark(flows)
}

// remember notes that f's direction was seen.
func (p *Pairing) remember(f *schema.Flow, key uint64, forward bool) {
	s := &p.slots[key&p.mask]
	t := f.EventTime()
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

// byReverse decides where both directions were seen: the earlier one started
// it. Of two that started together the one towards the lower port did, when
// only that port is a system port or a service.
func (p *Pairing) byReverse(f *schema.Flow, key uint64, forward bool) {
	s := &p.slots[key&p.mask]
	if s.key != key || !s.reverse {
		return
	}
	src, dst := p.serves(f.Src.Port), p.serves(f.Dst.Port)
	swap := forward != s.forward
	if src != dst {
		swap = src
	}
	if swap {
		f.Swap()
	}
	f.Orientation = schema.OrientReverse
}

func (p *Pairing) serves(port uint16) bool {
	if port <= lastWellKnown {
		return true
	}
	for _, s := range p.services {
		if s == port {
			return true
		}
	}
	return false
}

// conversation returns a hash that both directions share, and whether f goes
// from the lower endpoint to the higher.
func conversation(f *schema.Flow) (key uint64, forward bool) {
	a, b := endpointHash(f.Src.Addr, f.Src.Port), endpointHash(f.Dst.Addr, f.Dst.Port)
	forward = a <= b
	if !forward {
		a, b = b, a
	}
	return schema.Mix64(a^schema.Mix64(b^uint64(f.Proto))) | 1, forward
}

func endpointHash(a netip.Addr, port uint16) uint64 {
	if a.Is4() {
		b := a.As4()
		return schema.Mix64(uint64(binary.BigEndian.Uint32(b[:]))<<16 | uint64(port))
	}
	b := a.As16()
	return schema.Mix64(binary.BigEndian.Uint64(b[:8])^schema.Mix64(binary.BigEndian.Uint64(b[8:]))) ^ uint64(port)
}

// Add adds what another table counted.
func (s *OrientStats) Add(o OrientStats) {
	for i, n := range o.By {
		s.By[i] += n
	}
	s.Swapped += o.Swapped
	s.CallBacks += o.CallBacks
}
