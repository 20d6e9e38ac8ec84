package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/orientation"
	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// replay runs decoding, orientation and detection over files, in event time.
// The same files give the same alerts, to the byte.
type replay struct {
	Input  input              `embed:""`
	Output string             `default:"text" enum:"text,json,ecs,ocsf,cef,cee" env:"-" help:"How alerts are written: ${enum}, one a line."`
	Final  bool               `env:"-" help:"Only the last revision of each alert."`
	Orient orientation.Config `embed:"" prefix:"orient-" group:"Orientation:"`
	Place  place.Config       `embed:"" group:"Places:"`
	rules.Config
}

// Run reads all files.
func (c *replay) Run(ctx context.Context, s *service.Service) error {
	hound, book, err := openHound(&c.Config, c.Place, s)
	if err != nil {
		return err
	}
	r, err := c.Input.open(ctx, s)
	if err != nil {
		return err
	}
	pairing, annotator := c.Orient.Pairing(), book.NewAnnotator()
	out := &alertWriter{w: bufio.NewWriter(s.Stdout), form: formOf(c.Output), final: c.Final, locate: book.Locate}
	batch := int64(0)
	prepare := func(flows []schema.Flow) []schema.Flow {
		pairing.Orient(flows)
		flows = pairing.HoldRecorded(flows)
		annotator.Annotate(flows)
		return flows
	}
	observe := func(flows []schema.Flow) error {
		batch++
		return out.write(hound.Observe(flows, batch-1))
	}
	for flows := range r.ahead(ctx, prepare) {
		if err := observe(flows); err != nil {
			return err
		}
		if r.live {
			if err := out.w.Flush(); err != nil {
				return err
			}
		}
	}
	rest := pairing.Release()
	annotator.Annotate(rest)
	if err := observe(rest); err != nil {
		return err
	}
	stats := hound.Stats() // before the end closes what is open
	err = errors.Join(out.write(hound.Finish("end of input")), out.close())
	t := newTable(s.Stderr)
	r.report(t)
	reportDetection(t, pairing.Stats, stats)
	return errors.Join(err, t.flush(), r.err(), ctx.Err())
}

// openHound returns a detector of all sources with these settings, and what is
// known of places. The files of both are read once.
func openHound(c *rules.Config, p place.Config, s *service.Service) (*detect.Replay, *place.Book, error) {
	hound, err := c.Open(s.Given)
	if err != nil {
		return nil, nil, s.MisconfiguredIn("", err)
	}
	book, err := place.Open(p, s.Log)
	if err != nil {
		return nil, nil, s.MisconfiguredIn("", err)
	}
	hound.SetInternal(slices.Concat(c.Detect.Internal, book.Internal()))
	return hound, book, nil
}

func reportDetection(t *table, o orient.Stats, d detect.Stats) {
	t.stage("oriented by")
	for rule, n := range o.By {
		t.nonzero(schema.Orientation(rule).String(), n)
	}
	t.nonzero("turned round", o.Swapped)
	t.nonzero("that deny the exporter's word", o.Denied)
	t.stage("detected")
	t.row("consumed", d.Consumed)
	d.Fates(func(fate string, n uint64) bool { t.nonzero(fate, n); return true })
	t.row("sources held", d.Sources)
	t.row("alerts opened", d.Opened)
	t.nonzero("alerts closed before the end", d.Closed)
	t.nonzero("closed alerts whose scanner got in later", d.Reopened)
	t.stage("kept silent by")
	d.Guards(func(guard string, n uint64) bool { t.nonzero(guard, n); return true })
}

// alertWriter writes alerts as they come, or with final the last revision of
// each, in the order in which they opened.
type alertWriter struct {
	w     *bufio.Writer
	form  siem.Writer // of no format: lines for a person
	final bool

	locate func(*schema.Alert)

	last  map[string]schema.Alert
	order []string
	line  []byte
}

func (a *alertWriter) write(alerts []schema.Alert) error {
	for i := range alerts {
		a.locate(&alerts[i])
		if a.final {
			a.keep(alerts[i])
		} else if err := a.print(&alerts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *alertWriter) keep(alert schema.Alert) {
	if a.last == nil {
		a.last = map[string]schema.Alert{}
	}
	if !slices.Contains(a.order, alert.ID) {
		a.order = append(a.order, alert.ID)
	}
	a.last[alert.ID] = alert
}

func (a *alertWriter) print(alert *schema.Alert) (err error) {
	switch a.form.Format {
	case "":
		a.line = appendLine(a.line[:0], alert)
	case siem.Native:
		a.line, err = schema.AppendAlert(a.line[:0], alert)
	default:
		a.line, err = a.form.Append(a.line[:0], nil, alert)
	}
	if err != nil {
		return err
	}
	_, err = a.w.Write(append(a.line, '\n'))
	return err
}

// formOf is the form that an output has.
func formOf(output string) siem.Writer {
	w := siem.Writer{Version: service.Version().Version}
	switch output {
	case "text":
	case "json":
		w.Format = siem.Native
	default:
		w.Format = siem.Format(output)
	}
	return w
}

func (a *alertWriter) close() error {
	for _, id := range a.order {
		alert := a.last[id]
		if err := a.print(&alert); err != nil {
			return err
		}
	}
	if err := a.w.Flush(); err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	return nil
}
