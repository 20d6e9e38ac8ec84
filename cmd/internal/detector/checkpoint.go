package detector

import (
	"context"
	"sync"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/stream"
)

// checkpoints are the slices of a partition's state in Kafka. They are written in turn,
// the one that is furthest behind first, so that no two batches lie far apart.
type checkpoints struct {
	due      time.Time     // when the next one is written
	answered chan struct{} // 1: Kafka has taken a slice, or has not

	mu       sync.Mutex
	parts    [detect.Slices]checkpoint
	inFlight int
}

// checkpoint is how far a part is written.
type checkpoint struct {
	sent, acked int64 // the offset that its last slice covers; -1: none
	at          time.Time
}

func newCheckpoints(now time.Time) *checkpoints {
	c := &checkpoints{answered: make(chan struct{}, 1)}
	for i := range c.parts {
		c.parts[i] = checkpoint{-1, -1, now}
	}
	return c
}

// restored notes a slice that was found.
func (c *checkpoints) restored(sl *stream.Slice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts[sl.Part] = checkpoint{sl.Covered, sl.Covered, sl.Written}
}

// furthestBehind is the part whose last slice covers least, if flows came since.
func (c *checkpoints) furthestBehind(next int64, waits *[detect.Slices]bool) (part int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.parts {
		if !waits[i] && c.parts[i].sent < next && (!ok || c.parts[i].sent < c.parts[part].sent) {
			part, ok = i, true
		}
	}
	return part, ok
}

// begun notes that a slice is on its way. What it returns is called with its fate.
func (c *checkpoints) begun(sl *stream.Slice) (done func(error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight++
	c.parts[sl.Part].sent = sl.Covered
	return func(err error) {
		c.mu.Lock()
		p := &c.parts[sl.Part]
		if c.inFlight--; err == nil { // else it is written again when it is its turn
			p.acked, p.at = max(p.acked, sl.Covered), sl.Written
		}
		c.mu.Unlock()
		select {
		case c.answered <- struct{}{}:
		default:
		}
	}
}

func (c *checkpoints) underWay() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight
}

// behind is how many parts Kafka does not have as of next, and since when the oldest.
func (c *checkpoints) behind(next int64) (n int, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.parts {
		if p := &c.parts[i]; p.acked < next {
			if n++; n == 1 || p.at.Before(since) {
				since = p.at
			}
		}
	}
	return n, since
}

const (
	maxInFlight = 8                    // slices that Kafka has not taken yet
	keepFor     = 5 * time.Millisecond // what flows may wait for slices, but for the last one
)

// Keep writes the slices that are due.
func (w *worker) Keep(ctx context.Context) {
	begin := time.Now()
	step := w.d.cfg.Checkpoint / detect.Slices
	for begin.After(w.kept.due) && time.Since(begin) < keepFor && w.kept.underWay() < maxInFlight && w.keepOne(ctx) {
		w.kept.due = w.kept.due.Add(step)
	}
	if begin.Sub(w.kept.due) > w.d.cfg.Checkpoint {
		w.kept.due = begin // what could not be written in time is not made up for at once
	}
}

// keepOne writes the part that is furthest behind, if there is one.
func (w *worker) keepOne(ctx context.Context) bool {
	w.mu.Lock()
	// Before a slice is written, the alerts of all its flows must be in Kafka.
	if w.unsaid || w.next <= 0 {
		w.mu.Unlock()
		return false
	}
	part, ok := w.kept.furthestBehind(w.next, &w.restore.waits)
	if !ok {
		w.mu.Unlock()
		return false
	}
	w.raw = w.state.AppendSlice(w.raw[:0], part)
	sl := &stream.Slice{Part: part, Covered: w.next, Alerts: w.position(), Written: time.Now(), Settings: w.d.digest(), Topic: w.at.TopicID}
	w.mu.Unlock()
	sl.Pack(w.raw)
	w.d.store.Load().Write(ctx, w.at.Partition, sl, w.kept.begun(sl))
	return true
}

// stalled is how long the last slices may wait for Kafka's next answer. Who gives up
// leaves the next owner some more flows to count.
const stalled = 3 * time.Second

// save writes all that has changed, and waits until Kafka has it.
func (w *worker) save(ctx context.Context) {
	begin := time.Now()
	stall := time.NewTimer(stalled)
	defer stall.Stop()
	n := 0
	for more := true; more || w.kept.underWay() > 0; {
		for more && w.kept.underWay() < maxInFlight {
			if more = ctx.Err() == nil && w.keepOne(ctx); more {
				n++
			}
		}
		if w.kept.underWay() == 0 {
			continue
		}
		select {
		case <-w.kept.answered:
			stall.Reset(stalled)
		case <-ctx.Done():
			more = false
		case <-stall.C:
			w.d.log.Warn("Kafka does not take the state: the next owner counts some flows again", "partition", w.at.Partition)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
	if n > 0 {
		w.d.log.Info("the state is written", "partition", w.at.Partition, "parts", n, "took", time.Since(begin).Round(time.Millisecond).String())
	}
}
