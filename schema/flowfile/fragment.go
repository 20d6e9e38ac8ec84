package flowfile

import (
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Exporters that fill datagrams beyond the path's MTU have them fragmented. How
// many are put together at a time, from how many pieces and over how long is
// bounded: 64 datagrams are 4 MB at most, 128 pieces are 64 KB at the smallest
// MTU in use (576), and 60 s is what RFC 8200 section 4.5 gives a receiver.
const (
	maxPending  = 64
	maxPieces   = 128
	maxAssembly = 60 * time.Second
)

// fragments puts datagrams together from their pieces.
type fragments struct {
	pending []*assembly // the oldest first
	lost    uint64      // datagrams that were given up
}

// assembly is a datagram of which pieces are here.
type assembly struct {
	key    fragmentKey
	since  schema.Time
	pieces []piece
	size   int // together
	total  int // 0 until the last piece is here
}

type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
}

type piece struct {
	offset int
	data   []byte
}

// add takes a piece and returns the datagram that it completes, nil if none.
func (f *fragments) add(h *ip, now schema.Time) []byte {
	f.expire(now)
	key := fragmentKey{h.src, h.dst, h.id}
	i := slices.IndexFunc(f.pending, func(a *assembly) bool { return a.key == key })
	if i < 0 {
		if i = len(f.pending); i == maxPending {
			f.giveUp(0)
			i--
		}
		f.pending = append(f.pending, &assembly{key: key, since: now})
	}
	a := f.pending[i]
	switch a.take(h) {
	case pieceWrong:
		f.giveUp(i)
	case pieceLast:
		f.pending = slices.Delete(f.pending, i, i+1)
		return a.join()
	}
	return nil
}

// expire gives up what waits too long. Identifiers come again: a piece of an
// old datagram must not complete a new one.
func (f *fragments) expire(now schema.Time) {
	for i := len(f.pending) - 1; i >= 0; i-- {
		if age := now.Sub(f.pending[i].since); age > maxAssembly || age < -maxAssembly {
			f.giveUp(i)
		}
	}
}

func (f *fragments) giveUp(i int) {
	f.lost++
	f.pending = slices.Delete(f.pending, i, i+1)
}

type pieceVerdict uint8

const (
	pieceKept pieceVerdict = iota
	pieceLast
	pieceWrong
)

// take keeps a piece. One that comes twice is ignored; of pieces that overlap
// otherwise no one knows which is right (RFC 5722).
func (a *assembly) take(h *ip) pieceVerdict {
	begin, end := h.offset, h.offset+len(h.payload)
	switch {
	case len(h.payload) == 0, end > maxDatagram, h.more && end%8 != 0, len(a.pieces) == maxPieces:
		return pieceWrong
	case a.total != 0 && (end > a.total || !h.more && end != a.total):
		return pieceWrong
	}
	for _, p := range a.pieces {
		if p.offset == begin && len(p.data) == len(h.payload) {
			return pieceKept
		}
		if begin < p.offset+len(p.data) && p.offset < end || !h.more && p.offset+len(p.data) > end {
			return pieceWrong
		}
	}
	if !h.more {
		a.total = end
	}
	a.pieces = append(a.pieces, piece{begin, slices.Clone(h.payload)})
	a.size += len(h.payload)
	if a.total != 0 && a.size == a.total {
		return pieceLast
	}
	return pieceKept
}

// join puts the pieces together, all of which are here and none of which overlap.
func (a *assembly) join() (b []byte) {
	slices.SortFunc(a.pieces, func(p, q piece) int { return p.offset - q.offset })
	for _, p := range a.pieces {
		b = append(b, p.data...)
	}
	return b
}
