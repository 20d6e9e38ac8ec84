package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// explain replays recordings and tells of one source, or of the source of one
// alert, what became of its flows, what is held of it, which rules it meets and
// what keeps the others silent.
type explain struct {
	Subject detector.Subject    `arg:"" name:"source" help:"Address of the source, an IPv6 /64, or the id of an alert (32 hex digits)."`
	Files   []string            `arg:"" name:"file" help:"Recordings, as replay reads them."`
	Orient  ingest.OrientConfig `embed:"" prefix:"orient-" group:"Orientation:"`
	detection
}

// Run reads all files; for an alert they are read up to it before, to find its source.
func (c *explain) Run(ctx context.Context, s *service.Service) error {
	source := c.Subject
	if c.Subject.Alert != "" {
		if slices.Contains(c.Files, "-") {
			return errors.New("an alert is looked for first, which takes recordings that can be read twice: give files")
		}
		var err error
		if source, err = c.find(ctx, s); err != nil {
			return err
		}
	}
	hound, err := c.detection.open(s)
	if err != nil {
		return err
	}
	own := fates{}
	out := &alertWriter{w: bufio.NewWriter(s.Stdout)}
	var asked *schema.Alert
	err = c.each(ctx, s, func(f []schema.Flow, batch int64) error {
		before := hound.Stats()
		for _, a := range hound.Observe(f, batch) {
			if a.ID == c.Subject.Alert {
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
		detector.WriteAlert(s.Stdout, asked)
	}
	return c.write(s, hound, source, own)
}

// each calls see with every flow of the recordings, oriented, and its batch,
// until that returns an error.
func (c *explain) each(ctx context.Context, s *service.Service, see func([]schema.Flow, int64) error) error {
	r := openRecordings(ctx, c.Files, s)
	pairing := detect.NewPairing(c.Orient.Conversations, c.Orient.Services)
	batch := int64(0)
	for flows := range r.flows() {
		pairing.Orient(flows)
		for i := range flows {
			if err := see(flows[i:i+1], batch); err != nil {
				return err
			}
		}
		batch++
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(r.err(), ctx.Err())
}

// errFound ends the search for an alert.
var errFound = errors.New("found")

// find returns the source of the alert.
func (c *explain) find(ctx context.Context, s *service.Service) (source detector.Subject, err error) {
	hound, err := c.detection.open(s)
	if err != nil {
		return source, err
	}
	err = c.each(ctx, s, func(f []schema.Flow, batch int64) error {
		for _, a := range hound.Observe(f, batch) {
			if a.ID == c.Subject.Alert {
				source = detector.Subject{Source: a.Source, Net: a.Prefix != 0}
				return errFound
			}
		}
		return nil
	})
	if err == nil {
		err = fmt.Errorf("no alert has the id %s: recordings, tenant, window and rules must be those of the detector that told of it", c.Subject)
	}
	if errors.Is(err, errFound) {
		err = nil
	}
	return source, err
}

func (c *explain) write(s *service.Service, hound *detect.Alone, source detector.Subject, own fates) error {
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
