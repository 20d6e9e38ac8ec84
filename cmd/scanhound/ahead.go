package main

import (
	"context"
	"iter"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// ahead reads recordings and prepares their flows in a goroutine of its own, some
// chunks ahead of who ranges over them: one core reads while another one detects.
// Batches and their order are those of merged.
type ahead struct {
	r       *recordings
	prepare func([]schema.Flow) []schema.Flow // each batch, in order
	full    chan *chunk                       // closed when all is read
	free    chan *chunk                       // those that are not in use
	c       *chunk                            // being filled
	from    int                               // where in it the batch begins that comes next
}

// chunk is batches of flows, one behind the other.
type chunk struct {
	flows []schema.Flow
	ends  []int // of each batch
}

// One chunk is detected while one waits and one is filled. A chunk of 200 kB takes
// half a millisecond, beside which it is cheap to wake who waits for it, and all of
// them fit a core's cache.
const (
	chunkFlows = 1 << 10
	chunks     = 3
)

// ahead yields the batches of merged as prepare returns them, empty ones too. When ctx ends, it stops reading, and
// yields what is read: all that is counted as read is also detected. Who ends the
// range does not wait for a read that is under way.
func (r *recordings) ahead(ctx context.Context, prepare func([]schema.Flow) []schema.Flow) iter.Seq[[]schema.Flow] {
	return func(yield func([]schema.Flow) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		a := &ahead{r: r, prepare: prepare, full: make(chan *chunk, chunks), free: make(chan *chunk, chunks)}
		for range chunks {
			a.free <- &chunk{flows: make([]schema.Flow, 0, chunkFlows+chunkFlows/8)}
		}
		go a.read(ctx)
		for c := range a.full {
			from := 0
			for _, to := range c.ends {
				if !yield(c.flows[from:to:to]) {
					return
				}
				from = to
			}
			a.free <- c
		}
	}
}

// read fills one chunk after the other.
func (a *ahead) read(ctx context.Context) {
	defer close(a.full)
	a.c = <-a.free
	for flows := range a.r.told(a.r.reader.Merged(a.decode)) {
		c := a.c
		if len(c.flows) == a.from { // not those that decode has put there
			c.flows = append(c.flows, flows...)
		}
		if flows := a.prepare(c.flows[a.from:]); len(flows) > 0 && &flows[0] != &c.flows[a.from] {
			c.flows = append(c.flows[:a.from], flows...)
		} else {
			c.flows = c.flows[:a.from+len(flows)]
		}
		a.from = len(c.flows)
		c.ends = append(c.ends, a.from)
		if ctx.Err() != nil || (a.from >= chunkFlows || a.r.live) && !a.next(ctx) {
			break
		}
	}
	if a.c != nil {
		a.full <- a.c
	}
}

// next hands the chunk over, and waits for the next one to fill; false if ctx ends.
func (a *ahead) next(ctx context.Context) bool {
	a.full <- a.c // there is room for all
	a.c, a.from = nil, 0
	select {
	case <-ctx.Done():
		return false
	case a.c = <-a.free:
	}
	a.c.flows, a.c.ends = a.c.flows[:0], a.c.ends[:0]
	return true
}

// decode appends the flows of a datagram to the chunk itself, since copying them
// would take as long as decoding them.
func (a *ahead) decode(_ []schema.Flow, from netip.AddrPort, received schema.Time, datagram []byte) []schema.Flow {
	a.c.flows = a.r.decode(a.c.flows, from, received, datagram)
	return a.c.flows[a.from:]
}
