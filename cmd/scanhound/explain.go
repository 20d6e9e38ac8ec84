package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/explain"
	"github.com/scanhound/scanhound/cmd/internal/orientation"
	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// explainCommand replays recordings and tells of one source, or of the source of one
// alert, what became of its flows, what is held of it, which rules it meets and
// what keeps the others silent.
type explainCommand struct {
	Subject explain.Subject    `arg:"" name:"source" help:"Address of the source, an IPv6 /64, or the id of an alert (12 or more hex digits of it)."`
	Input   input              `embed:""`
	Orient  orientation.Config `embed:"" prefix:"orient-" group:"Orientation:"`
	Place   place.Config       `embed:"" group:"Places:"`
	rules.Config
}

// Run reads all files; for an alert they are read up to it before, to find its source.
func (c *explainCommand) Run(ctx context.Context, s *service.Service) error {
	source := c.Subject
	if c.Subject.Alert != "" {
		if slices.Contains(c.Input.Files, "-") {
			return errors.New("an alert is looked for first, which takes recordings that can be read twice: give files")
		}
		var err error
		if source, err = c.find(ctx, s); err != nil {
			return err
		}
	}
	hound, book, err := openHound(&c.Config, c.Place, s)
	if err != nil {
		return err
	}
	own := fates{}
	out := &alertWriter{w: bufio.NewWriter(s.Stdout)}
	var asked *schema.Alert
	err = c.each(ctx, s, book, func(f []schema.Flow, batch int64) error {
		before := hound.Stats()
		for _, a := range hound.Observe(f, batch) {
			book.Locate(&a)
			if c.Subject.Is(a.ID) {
				asked = &a
			}
			if a.Source == source.Source && source.Net == (a.Prefix != 0) {
				if err := out.print(&a); err != nil {
					return err
				}
			}
		}
		if source.Has(f[0].Src.Addr) {
			own.add(&f[0], before, hound.Stats())
		}
		return nil
	})
	if err := errors.Join(out.close(), err); err != nil {
		return err
	}
	if asked != nil {
		one := explain.AlertOf(asked)
		one.Write(s.Stdout)
	}
	return c.write(s, hound, source, own)
}

// each calls see with every flow of the recordings, oriented, and its batch,
// until that returns an error.
func (c *explainCommand) each(ctx context.Context, s *service.Service, book *place.Book, see func([]schema.Flow, int64) error) error {
	r, err := c.Input.open(ctx, s)
	if err != nil {
		return err
	}
	pairing, annotator := c.Orient.Pairing(), book.NewAnnotator()
	batch := int64(0)
	seeAll := func(flows []schema.Flow) error {
		annotator.Annotate(flows)
		for i := range flows {
			if err := see(flows[i:i+1], batch); err != nil {
				return err
			}
		}
		batch++
		return nil
	}
	for flows := range r.merged() {
		pairing.Orient(flows)
		if err := seeAll(pairing.HoldRecorded(flows)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(seeAll(pairing.Release()), r.err(), ctx.Err())
}

// errFound ends the search for an alert.
var errFound = errors.New("found")

// find returns the source of the alert.
func (c *explainCommand) find(ctx context.Context, s *service.Service) (source explain.Subject, err error) {
	hound, book, err := openHound(&c.Config, c.Place, s)
	if err != nil {
		return source, err
	}
	err = c.each(ctx, s, book, func(f []schema.Flow, batch int64) error {
		for _, a := range hound.Observe(f, batch) {
			if c.Subject.Is(a.ID) {
				source = explain.Subject{Source: a.Source, Net: a.Prefix != 0}
				return errFound
			}
		}
		return nil
	})
	if err == nil {
		err = fmt.Errorf("no alert has the id %s: recordings, tenant, window and rules must be those of the detector that wrote it", c.Subject)
	}
	if errors.Is(err, errFound) {
		err = nil
	}
	return source, err
}

func (c *explainCommand) write(s *service.Service, hound *detect.Replay, source explain.Subject, own fates) error {
	t := newTable(s.Stdout)
	t.stage("its flows")
	own.each(t.row)
	if err := t.flush(); err != nil {
		return err
	}
	x, held := source.Ask(hound.Detector)
	if !held {
		_, err := fmt.Fprintf(s.Stdout, "nothing is held of %s at the end\n", source)
		return err
	}
	explain.Source(s.Stdout, &x, hound.Horizons())
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
	guarded := map[string]uint64{}
	before.Guards(func(guard string, v uint64) bool { guarded[guard] = v; return true })
	after.Guards(func(guard string, v uint64) bool {
		if _, fate := was[guard]; !fate && v != guarded[guard] {
			n["kept silent by "+guard]++
		}
		return true
	})
}

func (n fates) each(row func(string, uint64)) {
	for _, name := range slices.Sorted(maps.Keys(n)) {
		row(name, n[name])
	}
}
