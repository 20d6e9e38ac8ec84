package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/profile"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// replay runs decoding, orientation and detection over files, in event time.
// The same files give the same alerts, to the byte.
type replay struct {
	Files  []string            `arg:"" name:"file" help:"Captures (pcap, pcapng) of exporter datagrams, files of one datagram each, or flows as JSON lines of decode or goflow2; gzip and zstd are seen through, - is standard input."`
	Output string              `default:"text" enum:"text,json" env:"-" help:"How alerts are written: ${enum}, one a line."`
	Final  bool                `env:"-" help:"Only the last revision of each alert."`
	Orient ingest.OrientConfig `embed:"" prefix:"orient-" group:"Orientation:"`
	detection
}

// detection is what the detector's settings file says of finding scans.
type detection struct {
	Detect     detect.Config  `embed:"" group:"Detection:"`
	Profile    profile.Config `embed:"" group:"Detection:"`
	Exceptions string         `placeholder:"FILE" group:"Detection:" help:"YAML file of what looks like a scan and is none."`
}

// open returns a detector of all sources with these settings.
func (c *detection) open(s *service.Service) (*detect.Alone, error) {
	choice, err := profile.Load(c.Profile, c.Detect.Rules, s.Given)
	if err != nil {
		return nil, s.MisconfiguredIn("", err)
	}
	cfg := c.Detect
	cfg.Rules = choice.InForce().Rules
	state, err := detect.New(cfg)
	d := &detect.Alone{Detector: state}
	if err != nil || c.Exceptions == "" {
		return d, err
	}
	text, err := os.ReadFile(c.Exceptions)
	if err != nil {
		return nil, service.Misconfigured(fmt.Errorf("exceptions: %w", err))
	}
	list, err := detector.ReadExceptions(text)
	if err != nil {
		return nil, service.Misconfigured(fmt.Errorf("exceptions: read %s: %w", c.Exceptions, err))
	}
	d.SetExceptions(list)
	return d, nil
}

// Run reads all files.
func (c *replay) Run(ctx context.Context, s *service.Service) error {
	hound, err := c.detection.open(s)
	if err != nil {
		return err
	}
	r := openRecordings(ctx, c.Files, s)
	pairing := detect.NewPairing(c.Orient.Conversations, c.Orient.Services)
	out := &alertWriter{w: bufio.NewWriter(s.Stdout), json: c.Output == "json", final: c.Final}
	batch := int64(0)
	for flows := range r.flows() {
		pairing.Orient(flows)
		if err := out.write(hound.Observe(flows, batch)); err != nil {
			return err
		}
		batch++
		if r.live {
			if err := out.w.Flush(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	stats := hound.Stats() // before the end closes what is open
	err = errors.Join(out.write(hound.Finish("end of input")), out.close())
	t := newTable(s.Stderr)
	r.report(t)
	reportDetection(t, pairing.Stats, stats)
	return errors.Join(err, t.flush(), r.err(), ctx.Err())
}

func reportDetection(t *table, o detect.OrientStats, d detect.Stats) {
	t.stage("oriented by")
	for rule, n := range o.By {
		t.nonzero(schema.Orientation(rule).String(), n)
	}
	t.nonzero("turned round", o.Swapped)
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
	json  bool
	final bool

	last  map[string]schema.Alert
	order []string
	line  []byte
}

func (a *alertWriter) write(alerts []schema.Alert) error {
	for i := range alerts {
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
	if a.json {
		a.line, err = schema.AppendAlert(a.line[:0], alert)
	} else {
		a.line = appendLine(a.line[:0], alert)
	}
	if err != nil {
		return err
	}
	_, err = a.w.Write(append(a.line, '\n'))
	return err
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
