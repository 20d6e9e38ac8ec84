package detect

import (
	"cmp"
	"math/bits"

	"github.com/scanhound/scanhound/detect/internal/lossy"
	"github.com/scanhound/scanhound/schema"
)

// visits remembers to which ports of our hosts strangers come. Who offers a service to
// strangers on the port that it asks of others is a peer among peers.
type visits struct {
	lossy.Table[visit]
}

// visit is a port of one of our hosts.
type visit struct {
	key  uint64 // the hash of the contact that a stranger had, with its lowest bit set
	seen uint32 // second of the latest stranger
	by   uint32 // strangers, a bit for each by hash
}

const (
	visitSlots   = 1 << 15 // 16 bytes each
	visitBits    = 4       // strangers that make a peer
	visitFor     = 24 * 3600
	lowestPeered = 1024 // no peer-to-peer program takes a system port
)

func visitKey(hash uint64) uint64 { return hash | 1 }

// isStranger reports whether a contact is that of somebody outside with a port of ours that
// a peer-to-peer program may have.
func (n *network) isStranger(f *schema.Flow, c contact) bool {
	return len(n.cfg.Internal) > 0 && c.port() >= lowestPeered && c.marks.class() <= classUDP &&
		n.isInternal(f.Dst.Addr) && !n.isInternal(f.Src.Addr)
}

// come notes that a stranger came to the port whose contact has this hash.
func (v *visits) come(hash, stranger uint64, now uint32) {
	v.Make(visitSlots)
	s := v.Slot(hash >> 1)
	if s.key != visitKey(hash) || now-s.seen > visitFor {
		*s = visit{key: visitKey(hash)}
	}
	s.seen = now
	s.by |= 1 << (schema.Mix64(stranger) % 32)
}

// strangers is how many came to a port of a host lately, at the least.
func (v *visits) strangers(hash uint64, now uint32) int {
	s := v.Slot(hash >> 1)
	if s == nil || s.key != visitKey(hash) || now-s.seen > visitFor {
		return 0
	}
	return bits.OnesCount32(s.by)
}

// merge joins what another state knows of a port, or of another in its place: the later stays.
func (s *visit) merge(o visit) {
	switch {
	case o.key == s.key && o.seen == s.seen:
		s.by |= o.by
	case cmp.Or(cmp.Compare(o.seen, s.seen), cmp.Compare(o.key, s.key)) > 0:
		*s = o
	}
}

// isVisited reports whether strangers come to the source on the port that it asks of others.
func (j *judge) isVisited(s *suspect, k *key) bool {
	at := contact{uint64(short(s.addr))<<32 | uint64(k.port())<<16, k.marks &^ (outcomeMarks | markReported)}
	return j.visits.strangers(at.hash(), j.second) >= visitBits
}
