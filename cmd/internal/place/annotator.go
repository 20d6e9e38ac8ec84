package place

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// Annotator writes countries and autonomous systems into flows. A lookup takes
// a few hundred nanoseconds and traffic comes back to the same addresses, so it
// remembers what it looked up.
type Annotator struct {
	book    *Book
	edition uint64
	slots   []slot // direct-mapped
}

type slot struct {
	addr netip.Addr
	Where
}

const remembered = 1 << 14 // 40 bytes each

// NewAnnotator returns one for a goroutine.
func (b *Book) NewAnnotator() *Annotator { return &Annotator{book: b} }

// Annotate sets the country of both ends, and the autonomous system where the
// exporter did not.
func (n *Annotator) Annotate(flows []schema.Flow) {
	if !n.book.Located() {
		return
	}
	if e := n.book.Edition(); e != n.edition || n.slots == nil {
		n.edition, n.slots = e, make([]slot, remembered)
	}
	for i := range flows {
		n.side(&flows[i].Src)
		n.side(&flows[i].Dst)
	}
}

func (n *Annotator) side(s *schema.Side) {
	if !s.Addr.IsValid() {
		return
	}
	b := s.Addr.As16()
	at := &n.slots[schema.Mix64(binary.BigEndian.Uint64(b[:8])^binary.BigEndian.Uint64(b[8:]))%remembered]
	if at.addr != s.Addr {
		*at = slot{s.Addr, n.book.Look(s.Addr)}
	}
	s.Country = at.Country
	if s.AS == 0 {
		s.AS = at.AS
	}
}
