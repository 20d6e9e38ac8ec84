package detector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// restoration is how the state of a partition comes back: from slices, each of which is
// merged when the flows have come to its offset, and from the flows in between.
type restoration struct {
	waiting  []*stream.Slice // still to be merged, in the order of their offsets
	waits    [detect.Slices]bool
	parts    int // that were found
	refused  int // that were found and cannot be used
	began    time.Time
	counting counting
	rebuilds bool         // parts come from the flows alone
	begin    int64        // the offset from which flows are counted; -1: an instant
	position int64        // of the alerts, from which said was read
	said     *stream.Said // what may be said again; nil: nothing
	looked   bool         // the fields above are known
	prepared bool         // the slices of the beginning are merged
	ended    bool
}

// look finds out what there is of the state, and from where on the flows are to be read.
func (w *worker) look(ctx context.Context) (from stream.From, err error) {
	defer w.d.frugal.begin()()
	r := &w.restore
	r.began, r.begin = time.Now(), -1
	var saved *stream.Saved
	err = w.insist(ctx, func(ctx context.Context) (err error) {
		saved, err = w.d.store.Load().Read(ctx, w.at.Partition)
		return err
	})
	if err != nil {
		return from, fmt.Errorf("read the state of partition %d: %w", w.at.Partition, err)
	}
	w.sift(saved)
	from = w.plan()
	err = w.insist(ctx, func(ctx context.Context) (err error) {
		r.said, err = w.d.alerts.Load().Said(ctx, w.at.Partition, r.position)
		return err
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	r.looked = err == nil
	return from, err
}

// insist asks Kafka again for what it does not allow.
func (w *worker) insist(ctx context.Context, f func(context.Context) error) error {
	return stream.Insist(ctx, &w.d.watch.refusal, w.d.log, f)
}

// sift keeps the slices that can be used.
func (w *worker) sift(saved *stream.Saved) {
	r := &w.restore
	for _, x := range saved.Refused {
		w.refuse(x.Part, x.Err)
	}
	others, position := 0, int64(-1)
	parts := slices.Sorted(maps.Keys(saved.Slices))
	wrong := w.check(saved, parts)
	for i, part := range parts {
		sl := saved.Slices[part]
		if wrong[i] != nil {
			w.refuse(part, wrong[i])
			continue
		}
		if sl.Settings != w.d.digest() {
			others++
		}
		if position < 0 || sl.Alerts < position {
			position = sl.Alerts
		}
		r.waiting, r.waits[part] = append(r.waiting, sl), true
	}
	if r.parts = len(r.waiting); r.parts == detect.Slices {
		r.position = position // else of flows of which nothing is known yet anything may have been said
	}
	if others > 0 {
		w.d.log.Warn("the state was written by a detector with another window, other rules, or other internal prefixes: detectors of one group should have the same",
			"partition", w.at.Partition, "parts", others)
	}
}

// check says what is wrong with each part.
func (w *worker) check(saved *stream.Saved, parts []int) []error {
	wrong := make([]error, len(parts))
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			var raw []byte
			for i := int(next.Add(1)) - 1; i < len(parts); i = int(next.Add(1)) - 1 {
				if raw, wrong[i] = saved.Slices[parts[i]].Unpack(raw[:0]); wrong[i] == nil {
					wrong[i] = w.state.CheckSlice(parts[i], raw)
				}
			}
		})
	}
	all.Wait()
	return wrong
}

// refuse counts a part that cannot be used; what it knew comes from the flows.
func (w *worker) refuse(part int, err error) {
	why := whyCorrupt
	switch {
	case errors.Is(err, stream.ErrNewer), errors.Is(err, detect.ErrNewerSlice):
		why = whyNewer
	case errors.Is(err, detect.ErrOtherWindow):
		why = whyWindow
	}
	w.restore.refused++
	w.d.states.refuse(why)
	w.d.log.Error("a part of the state is refused: it is built from the flows, as far as they reach",
		"partition", w.at.Partition, "part", part, "why", why, "error", err)
}

// plan says from where on the flows are to be read, and what is lost.
func (w *worker) plan() stream.From {
	r, a := &w.restore, &w.at
	foreign, beyond, last := 0, int64(0), time.Time{}
	for _, sl := range r.waiting {
		var unknown [16]byte
		switch {
		case sl.Topic != a.TopicID && sl.Topic != unknown && a.TopicID != unknown:
			foreign++
			if sl.Written.After(last) {
				last = sl.Written
			}
			sl.Covered = a.Earliest // its offset means nothing here
		case sl.Covered > a.High:
			beyond = max(beyond, sl.Covered-a.High)
			sl.Covered = a.High
		}
	}
	slices.SortFunc(r.waiting, func(x, y *stream.Slice) int {
		return cmp.Or(cmp.Compare(x.Covered, y.Covered), cmp.Compare(x.Part, y.Part))
	})
	log := w.d.log.With("topic", a.Topic, "partition", a.Partition)
	if foreign > 0 {
		log.Error("the topic of the flows was made anew: the state goes on with what stands there; what was not read of the former one is lost",
			"parts", foreign, "read_until", last, "from", a.Earliest)
	}
	if beyond > 0 {
		log.Error("the topic of the flows has lost its end: the state goes on from there", "records", beyond, "from", a.High)
	}
	if r.parts < detect.Slices && a.Earliest < a.High {
		return w.planRebuild()
	}
	if r.parts == 0 {
		return stream.From{}
	}
	first := r.waiting[0].Covered
	if lost := a.Earliest - first; lost > 0 {
		log.Error("flows were deleted before they were counted again: lengthen the topic's retention",
			"records", lost, "covered", first, "from", a.Earliest)
	}
	r.begin = min(max(first, a.Earliest), a.High)
	w.next = r.begin
	for _, sl := range r.waiting {
		w.kept.restored(sl)
	}
	log.Info("restoring the state", "parts", r.parts, "flows_from", r.begin, "committed", a.Committed, "end", a.High)
	return stream.FromOffset(r.begin)
}

// lookback is how much more than the window is read again: flows are stamped
// with their arrival, and an exporter tells of a flow when it has ended.
const lookback = time.Hour

// planRebuild is the plan where parts have no slice: theirs come from the flows.
func (w *worker) planRebuild() stream.From {
	r, a := &w.restore, &w.at
	r.rebuilds = a.Committed > a.Earliest || r.parts > 0
	for _, sl := range r.waiting {
		w.kept.restored(sl)
	}
	log := w.d.log.With("topic", a.Topic, "partition", a.Partition, "parts", detect.Slices-r.parts)
	switch {
	case a.Committed <= a.Earliest && r.parts == 0:
		return stream.From{} // nothing was ever known
	case a.Committed <= a.Earliest || a.LastStamp.IsZero():
		log.Warn("parts of the state are not kept, and are built from all flows there are", "from", a.Earliest)
		return stream.FromOffset(a.Earliest)
	}
	from := a.LastStamp.Add(-w.d.cfg.Detect.Window - lookback)
	log.Warn("parts of the state are not kept, and are built from the flows of the window", "from", from, "committed", a.Committed)
	return stream.FromStamp(from)
}

// Prepare merges what belongs to the beginning, and says what is awaited.
func (w *worker) Prepare(ctx context.Context) error {
	defer w.d.frugal.begin()()
	var raw []byte
	r := &w.restore
	for i := 0; i < r.parts && ctx.Err() == nil; i++ {
		var err error
		if raw, err = w.prepareOne(raw[:0]); err != nil {
			return fmt.Errorf("restore partition %d: %w", w.at.Partition, err)
		}
	}
	if ctx.Err() == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.restore.prepared = true
		w.checkRestored()
	}
	return nil
}

// prepareOne merges the first slice that waits, or announces it and puts it at the end.
func (w *worker) prepareOne(raw []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &w.restore
	sl := r.waiting[0]
	if sl.Covered <= r.begin {
		return raw, w.mergeFirst()
	}
	raw, err := sl.Unpack(raw)
	if err == nil {
		err = w.state.Await(raw)
	}
	r.waiting = append(r.waiting[1:], sl)
	return raw, err
}

// mergeFirst merges the first slice that waits. mu is held.
func (w *worker) mergeFirst() error {
	r := &w.restore
	sl := r.waiting[0]
	var err error
	if w.raw, err = sl.Unpack(w.raw[:0]); err == nil {
		err = w.state.MergeSlice(w.raw)
	}
	sl.Drop()
	r.waiting, r.waits[sl.Part] = r.waiting[1:], false
	return err
}

// arrive merges the slices of flows below next. mu is held.
func (w *worker) arrive(next int64) {
	r := &w.restore
	for len(r.waiting) > 0 && r.waiting[0].Covered <= next {
		if err := w.mergeFirst(); err != nil {
			panic("BUG: a slice that was checked: " + err.Error())
		}
	}
	if r.said != nil && next >= w.at.High {
		r.said.Revisions = nil // what comes now is new
	}
}

// checkRestored notes that the state is what it was. mu is held.
func (w *worker) checkRestored() {
	r, a := &w.restore, &w.at
	if r.ended || !w.restore.prepared || len(r.waiting) > 0 || w.next < min(a.Committed, a.High) && a.Earliest < a.High {
		return
	}
	r.ended, w.raw = true, nil
	if r.parts > 0 || a.Committed > a.Earliest {
		took := time.Since(r.began)
		w.d.states.restoredIn(took)
		w.d.log.Info("the state is restored", "partition", a.Partition, "parts", r.parts, "sources", w.state.Stats().Sources, "took", took.Round(time.Millisecond).String())
	}
}

// wasSaid says whether a revision is known to be in Kafka: it was raised by flows whose
// offset was committed, or stands among the alerts that were written since the slices.
func (w *worker) wasSaid(a *schema.Alert, offset int64) bool {
	said := w.restore.said
	return offset < w.at.Committed || said != nil && said.Revisions[a.MessageID()]
}

// position is where the alerts of flows that are not counted yet will be written, or
// above. While flows are counted again their alerts stand where they were found.
func (w *worker) position() int64 {
	r := &w.restore
	switch {
	case r.said == nil:
		return w.d.alerts.Load().End(w.at.Partition)
	case w.next < w.at.High:
		return r.position
	}
	return max(r.said.End, w.d.alerts.Load().End(w.at.Partition))
}

// restoring says how far the state is from what it was, if it is not; for /readyz.
func (w *worker) restoring() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, a := &w.restore, &w.at
	switch {
	case r.ended:
		return nil
	case !r.looked:
		return fmt.Errorf("partition %d: reading its state", a.Partition)
	case !w.restore.prepared:
		return fmt.Errorf("partition %d: restoring, %d of %d parts are merged", a.Partition, r.parts-len(r.waiting), r.parts)
	}
	how := fmt.Sprintf("partition %d: restoring, %d records to count again, %d of %d parts are merged",
		a.Partition, max(0, w.goal()-max(w.next, a.Earliest)), r.parts-len(r.waiting), r.parts)
	if p, ok := w.pace(time.Now()); ok {
		how += ", " + p.String()
	}
	if r.refused > 0 {
		how += fmt.Sprintf("; %d parts were refused, the log says why, and are built from the flows", r.refused)
	}
	return errors.New(how)
}
