package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// explain replays recordings and tells of one source what became of its flows,
// what is held of it, which rules it meets and what keeps the others silent.
type explain struct {
	Source netip.Addr          `arg:"" help:"Address of the source."`
	Files  []string            `arg:"" name:"file" help:"Recordings, as replay reads them."`
	Orient ingest.OrientConfig `embed:"" prefix:"orient-" group:"Orientation:"`
	detection
}

// Run reads all files.
func (c *explain) Run(ctx context.Context, s *service.Service) error {
	hound, err := c.detection.open(s)
	if err != nil {
		return err
	}
	r := openRecordings(ctx, c.Files, s)
	pairing := detect.NewPairing(c.Orient.Conversations, c.Orient.Services)
	own := fates{}
	out := &alertWriter{w: bufio.NewWriter(s.Stdout)}
	batch := int64(0)
	for flows := range r.flows() {
		pairing.Orient(flows)
		for i := range flows {
			mine := flows[i].Src.Addr == c.Source
			before := hound.Stats()
			for _, a := range hound.Observe(flows[i:i+1], batch) {
				if a.Source == c.Source {
					if err := out.print(&a); err != nil {
						return err
					}
				}
			}
			if mine {
				own.add(&flows[i], before, hound.Stats())
			}
		}
		batch++
		if ctx.Err() != nil {
			break
		}
	}
	if err := errors.Join(out.close(), r.err(), ctx.Err()); err != nil {
		return err
	}
	return c.write(s, hound, own)
}

func (c *explain) write(s *service.Service, hound *detect.Alone, own fates) error {
	t := newTable(s.Stdout)
	t.stage("its flows")
	own.each(t.row)
	if err := t.flush(); err != nil {
		return err
	}
	x, held := hound.Explain(c.Source)
	if !held {
		_, err := fmt.Fprintf(s.Stdout, "nothing is held of %s at the end\n", c.Source)
		return err
	}
	detector.WriteExplanation(s.Stdout, &x, hound.Horizons())
	return nil
}

// fates counts the flows of one source by what became of them.
type fates map[string]uint64

func (n fates) add(f *schema.Flow, before, after detect.Stats) {
	was := map[string]uint64{}
	before.Fates(func(fate string, v uint64) bool { was[fate] = v; return true })
	after.Fates(func(fate string, v uint64) bool {
		if v != was[fate] {
			n[fate+", oriented by "+f.Orientation.String()]++
		}
		return true
	})
}

func (n fates) each(row func(string, uint64)) {
	for _, name := range slices.Sorted(maps.Keys(n)) {
		row(name, n[name])
	}
}
