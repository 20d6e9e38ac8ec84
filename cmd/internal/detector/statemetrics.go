package detector

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/stream"
)

// stateCounts is what became of state that was to be restored.
type stateCounts struct {
	corrupt, newer, otherWindow atomic.Uint64 // parts that were refused
	restored                    atomic.Uint64 // partitions
	restoring                   atomic.Int64  // ns that it took, all together
}

// StateStats says what became of the state.
type StateStats struct {
	stream.StateStats
	Corrupt, Newer, OtherWindow uint64        // parts that were refused
	Restored                    uint64        // partitions
	Took                        time.Duration // to restore these
}

// Why a part of the state is refused.
const (
	whyCorrupt = "corrupt"
	whyNewer   = "newer"
	whyWindow  = "other_window"
)

func (c *stateCounts) refuse(why string) {
	switch why {
	case whyNewer:
		c.newer.Add(1)
	case whyWindow:
		c.otherWindow.Add(1)
	default:
		c.corrupt.Add(1)
	}
}

func (c *stateCounts) restoredIn(took time.Duration) {
	c.restored.Add(1)
	c.restoring.Add(int64(took))
}

// stateStats may be called at any time, from any goroutine.
func (d *Detector) stateStats() StateStats {
	c := &d.states
	s := StateStats{
		Corrupt: c.corrupt.Load(), Newer: c.newer.Load(), OtherWindow: c.otherWindow.Load(),
		Restored: c.restored.Load(), Took: time.Duration(c.restoring.Load()),
	}
	if store := d.store.Load(); store != nil {
		s.StateStats = store.Stats()
	}
	return s
}

func (d *Detector) registerState(s *service.Service) {
	s.Gauges("checkpoint_age_seconds", "How long ago the oldest part of the state was written that has changed since, by partition; 0 where Kafka has all.", "partition",
		func(yield func(string, float64)) {
			for _, w := range d.held() {
				yield(strconv.Itoa(int(w.at.Partition)), w.checkpointAge().Seconds())
			}
		})
	s.Counters("checkpoints_total", "Parts of the state by what became of them.", "fate",
		func(yield func(string, uint64)) {
			st := d.stateStats()
			yield("written", st.Written)
			yield("failed", st.Failed)
		})
	s.Counter("checkpoint_bytes_total", "Bytes of state written to Kafka, compressed.", func() uint64 { return d.stateStats().Bytes })
	s.Counters("state_refused_total", "Parts of the state in Kafka that could not be used, and are built from the flows, by why.", "why",
		func(yield func(string, uint64)) {
			st := d.stateStats()
			yield(whyCorrupt, st.Corrupt)
			yield(whyNewer, st.Newer)
			yield(whyWindow, st.OtherWindow)
		})
	s.Counter("restored_total", "Partitions whose state was restored.", func() uint64 { return d.stateStats().Restored })
	s.Gauge("restore_seconds", "Seconds that these took, all together: from the assignment until the state was what it was before.", func() float64 { return d.stateStats().Took.Seconds() })
}

// checkpointAge is how long ago the oldest part was written that has changed since.
func (w *worker) checkpointAge() time.Duration {
	w.mu.Lock()
	next := w.next
	w.mu.Unlock()
	if n, since := w.kept.behind(next); n > 0 {
		return time.Since(since)
	}
	return 0
}
