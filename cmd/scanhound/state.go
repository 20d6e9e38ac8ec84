package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/stream"
)

// stateCommand lists what a detector that starts would find of the state.
type stateCommand struct {
	Kafka stream.KafkaConfig `embed:"" prefix:"kafka-" group:"Kafka:"`
	Topic string             `name:"state-topic" default:"scanhound.state.v1" group:"Kafka:" help:"Compacted topic in which each partition's state is kept in parts."`
	Group string             `name:"detector-group" default:"scanhound-detector.v1" group:"Kafka:" help:"Consumer group of the detectors whose state it is."`
	Parts bool               `env:"-" help:"List each part too."`
}

// Run lists.
func (c *stateCommand) Run(ctx context.Context, s *service.Service) error {
	if _, err := c.Kafka.Options(); err != nil {
		return s.MisconfiguredIn("kafka-", err)
	}
	all, err := stream.LookAtState(ctx, c.Kafka, c.Topic, c.Group, s.Log)
	if err != nil {
		return err
	}
	held := make([]holds, len(all))
	for partition, saved := range all {
		held[partition] = inspect(saved)
	}
	now := time.Now()
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "partition\tparts\tmissing\trefused\toldest\tnewest\tall cover\tnewest covers\tbytes\tread\tsettings\twindow\tsources\topen alerts\t")
	for partition, saved := range all {
		_, _ = t.Write(appendState(nil, partition, saved, &held[partition], now)) // Flush says what is wrong
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for partition, saved := range all {
		for _, r := range saved.Refused {
			fmt.Fprintf(s.Stdout, "partition %d, part %d is refused: %v; a detector builds it from the flows, as far as they reach\n", partition, r.Part, r.Err)
		}
	}
	if c.Parts {
		return listParts(s, all, held, now)
	}
	return nil
}

// holds is what the slices of a partition say of themselves.
type holds struct {
	parts         map[int]detect.SliceInfo
	windows       map[time.Duration]bool
	sources, open int
}

// inspect reads all slices as a detector would. Those that it would refuse are moved to
// the refused.
func inspect(saved *stream.Saved) holds {
	h := holds{parts: map[int]detect.SliceInfo{}, windows: map[time.Duration]bool{}}
	var raw []byte
	for _, part := range slices.Sorted(maps.Keys(saved.Slices)) {
		var info detect.SliceInfo
		var err error
		if raw, err = saved.Slices[part].Unpack(raw[:0]); err == nil {
			info, err = detect.DescribeSlice(raw)
		}
		if err == nil && info.Part != part {
			err = fmt.Errorf("it is part %d", info.Part)
		}
		if err != nil {
			saved.Refused = append(saved.Refused, stream.Refused{Part: part, Err: err})
			delete(saved.Slices, part)
			continue
		}
		h.parts[part], h.windows[info.Window] = info, true
		h.sources, h.open = h.sources+info.Sources, h.open+info.Open
	}
	return h
}

// window is what all slices have in common; of another one a detector takes nothing.
func (h *holds) window() string {
	if len(h.windows) != 1 {
		return "differ"
	}
	for w := range h.windows {
		return inHours(w)
	}
	return ""
}

func inHours(d time.Duration) string { return fmt.Sprintf("%gh", d.Hours()) }

// appendState appends the line of a partition.
func appendState(b []byte, partition int, saved *stream.Saved, h *holds, now time.Time) []byte {
	if len(saved.Slices) == 0 {
		return fmt.Appendf(b, "%d\t0\t%d\t%d\t\t\t\t\t0\t%d\t\t\t0\t0\t\n", partition, detect.Slices, len(saved.Refused), saved.Bytes)
	}
	var oldest, newest time.Time
	var least, most int64
	bytes, first := 0, true
	settings := map[uint64]bool{}
	for _, sl := range saved.Slices {
		if first || sl.Written.Before(oldest) {
			oldest = sl.Written
		}
		if sl.Written.After(newest) {
			newest = sl.Written
		}
		if first || sl.Covered < least {
			least = sl.Covered
		}
		most, bytes, first = max(most, sl.Covered), bytes+sl.Bytes(), false
		settings[sl.Settings] = true
	}
	alike := "alike"
	if len(settings) > 1 {
		alike = "differ"
	}
	return fmt.Appendf(b, "%d\t%d\t%d\t%d\t%v\t%v\t%d\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t\n", partition, len(saved.Slices), detect.Slices-len(saved.Slices), len(saved.Refused),
		age(oldest, now), age(newest, now), least, most, bytes, saved.Bytes, alike, h.window(), h.sources, h.open)
}

func age(at, now time.Time) time.Duration { return now.Sub(at).Round(time.Second) }

func listParts(s *service.Service, all []*stream.Saved, held []holds, now time.Time) error {
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\npartition\tpart\tage\tcovers\talerts from\tbytes\tunpacked\tsettings\tversion\twindow\tflows until\tsources\topen alerts\t")
	for partition, saved := range all {
		for _, part := range slices.Sorted(maps.Keys(saved.Slices)) {
			sl, info := saved.Slices[part], held[partition].parts[part]
			fmt.Fprintf(t, "%d\t%d\t%v\t%d\t%d\t%d\t%d\t%016x\t%d\t%s\t%s\t%d\t%d\t\n", partition, part, age(sl.Written, now), sl.Covered, sl.Alerts,
				sl.Bytes(), sl.Size, sl.Settings, info.Version, inHours(info.Window), time.Unix(info.Clock.Seconds(), 0).UTC().Format(time.RFC3339), info.Sources, info.Open)
		}
	}
	return t.Flush()
}
