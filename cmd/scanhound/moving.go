package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/stream"
)

// settledState is what detectors have written, and the flows of which all are in it.
type settledState struct {
	ends  *stream.Ends
	saved []*stream.Saved
}

// lookEvery is how often it is looked whether something still comes.
const lookEvery = 250 * time.Millisecond

// settled waits until no flow has come for a while, and all that came are in the state.
func (c *reshardCommand) settled(ctx context.Context, s *service.Service) (*settledState, error) {
	for {
		ends, err := c.silent(ctx, s.Log)
		if err != nil {
			return nil, err
		}
		saved, err := stream.LookAtState(ctx, c.Kafka, c.State, c.Group, s.Log)
		if err != nil {
			return nil, err
		}
		err = complete(ends, saved)
		if err == nil {
			return &settledState{ends, saved}, nil
		}
		s.Log.Info("the state is not complete yet: detectors write all of it within one checkpoint-interval", "why", err)
		if err := pause(ctx, max(c.Quiet/4, lookEvery)); err != nil {
			return nil, err
		}
	}
}

// silent waits until the topic has got nothing for a while.
func (c *reshardCommand) silent(ctx context.Context, log *slog.Logger) (*stream.Ends, error) {
	var last *stream.Ends
	since, told := time.Now(), time.Now()
	for {
		ends, err := stream.LookAtEnds(ctx, c.Kafka, c.Flows, log)
		switch {
		case err != nil:
			return nil, err
		case len(ends.Next) == 0:
			return nil, fmt.Errorf("there is no topic %s: name the one that the detectors read", c.Flows)
		case last == nil || !slices.Equal(ends.Next, last.Next):
			last, since = ends, time.Now()
		case time.Since(since) >= c.Quiet:
			return ends, nil
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			log.Info("waiting until no ingest writes to the old topic", "topic", c.Flows, "quiet", time.Since(since).Round(time.Second).String(), "of", c.Quiet.String())
		}
		if err := pause(ctx, lookEvery); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// complete says which flows are not in the state.
func complete(ends *stream.Ends, saved []*stream.Saved) error {
	for partition, end := range ends.Next {
		if end == 0 {
			continue // nothing ever came
		}
		if partition >= len(saved) {
			return fmt.Errorf("partition %d has no state", partition)
		}
		for part := range detect.Slices {
			sl := saved[partition].Slices[part]
			switch {
			case sl == nil:
				return fmt.Errorf("partition %d: part %d is missing", partition, part)
			case sl.Topic != ends.ID && sl.Topic != [16]byte{} && ends.ID != [16]byte{}:
				return fmt.Errorf("partition %d: part %d is of another topic of the same name", partition, part)
			case sl.Covered < end:
				return fmt.Errorf("partition %d: part %d has the flows below %d, of %d", partition, part, sl.Covered, end)
			}
		}
	}
	return nil
}

// move writes the state of each new partition, one after another: only one is in memory
// at a time.
func (c *reshardCommand) move(ctx context.Context, s *service.Service, from *settledState, to *stream.Ends) error {
	alerts, err := stream.LookAtEnds(ctx, c.To, c.Alerts, s.Log)
	if err != nil {
		return err
	}
	store, err := stream.OpenStateStore(c.To, c.Made.State, c.Group, s.Log)
	if err != nil {
		return err
	}
	defer store.Close()
	for partition := range to.Next {
		state, like, err := from.share(partition, len(to.Next))
		if err != nil {
			return err
		}
		if state == nil {
			continue // nothing ever came
		}
		sl := stream.Slice{Settings: like.Settings, Topic: to.ID, Written: time.Now()}
		if n := len(alerts.Next); n > 0 {
			sl.Alerts = alerts.Next[partition%n] // those of the flows to come
		}
		if err := writeParts(ctx, store, int32(partition), state, sl); err != nil {
			return fmt.Errorf("write the state of partition %d: %w", partition, err)
		}
		s.Log.Info("the state of a partition is written", "topic", c.Made.State, "partition", partition, "sources", state.Stats().Sources)
	}
	return nil
}

// share joins what all partitions have for one of another number of them; like is one of
// the slices that it is made of. Without any slices there is nothing.
func (f *settledState) share(to, of int) (state *detect.Detector, like *stream.Slice, err error) {
	var raw []byte
	for partition := range f.ends.Next {
		for part := 0; part < detect.Slices && partition < len(f.saved); part++ {
			sl := f.saved[partition].Slices[part]
			if sl == nil {
				continue
			}
			if raw, err = sl.Unpack(raw[:0]); err == nil && state == nil {
				state, err = emptyLike(raw)
				like = sl
			}
			if err == nil {
				err = state.MergeMoved(raw, detect.Move{From: partition, FromCount: len(f.ends.Next), To: to, ToCount: of})
			}
			if err != nil {
				return nil, nil, fmt.Errorf("partition %d, part %d: %w", partition, part, err)
			}
		}
	}
	return state, like, nil
}

// emptyLike is an empty state that takes slices like this one.
func emptyLike(raw []byte) (*detect.Detector, error) {
	info, err := detect.DescribeSlice(raw)
	if err != nil {
		return nil, err
	}
	cfg := defaults.Of[detect.Config]()
	cfg.Window, cfg.Memory = info.Window, math.MaxInt64 // a detector that takes it over has the budget
	return detect.New(cfg)
}

// writeParts writes all parts of a state and waits for them.
func writeParts(ctx context.Context, store *stream.StateStore, partition int32, state *detect.Detector, like stream.Slice) error {
	written := make(chan error, detect.Slices) // all of them: nobody may be left waiting
	const together = 8
	var failed error
	await := func() {
		if err := <-written; failed == nil {
			failed = err
		}
	}
	var raw []byte
	for part := range detect.Slices {
		if part >= together {
			await()
		}
		sl := like
		sl.Part = part
		raw = state.AppendSlice(raw[:0], part)
		sl.Pack(raw)
		store.Write(ctx, partition, &sl, func(err error) { written <- err })
	}
	for range min(together, detect.Slices) {
		await()
	}
	return failed
}
