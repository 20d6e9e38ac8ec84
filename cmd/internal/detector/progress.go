package detector

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// progressEvery is how often the log says how far restorations are.
const progressEvery = 10 * time.Second

// counting is how far the flows are that are counted again.
type counting struct {
	from  int64     // the first offset
	began time.Time // zero: none has been counted
}

// begins notes the first record that is counted. mu is held.
func (w *worker) begins(first *kgo.Record) {
	c := &w.restore.counting
	if !c.began.IsZero() {
		return
	}
	c.from, c.began = first.Offset, time.Now()
	if w.restore.rebuilds {
		w.d.log.Warn("state is built from the flows that there are: the first flows of it are counted",
			"partition", w.at.Partition, "offset", first.Offset, "stamped", first.Timestamp)
	}
}

// pace is how fast a restoration is.
type pace struct {
	share float64 // of what is to be counted again
	flows float64 // a second
	left  time.Duration
}

// pace reckons from what has been counted; ok is false before there is anything. mu is held.
func (w *worker) pace(now time.Time) (p pace, ok bool) {
	r := &w.restore
	took := now.Sub(r.counting.began).Seconds()
	done, all := w.next-r.counting.from, w.goal()-r.counting.from
	if r.counting.began.IsZero() || took <= 0 || done <= 0 || all <= 0 {
		return pace{}, false
	}
	p.share = min(1, float64(done)/float64(all))
	p.flows = float64(w.state.Stats().Consumed) / took
	p.left = time.Duration(float64(max(0, all-done)) / float64(done) * took * float64(time.Second))
	return p, true
}

// goal is the offset below which flows are counted again. mu is held.
func (w *worker) goal() int64 {
	goal := min(w.at.Committed, w.at.High)
	if n := len(w.restore.waiting); n > 0 {
		goal = max(goal, w.restore.waiting[n-1].Covered)
	}
	return goal
}

// String is a half sentence.
func (p pace) String() string {
	return fmt.Sprintf("%.0f%% done, %.0f flows/s, %.0f s left", 100*p.share, p.flows, p.left.Seconds())
}

// tellProgress logs how far restorations are, until ctx ends.
func (d *Detector) tellProgress(ctx context.Context) error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.logProgress()
		}
	}
}

func (d *Detector) logProgress() {
	for _, w := range d.held() {
		if how := w.restoring(); how != nil {
			d.log.Info("restoring", "how_far", how.Error())
		}
	}
}
