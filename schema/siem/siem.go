// Package siem writes alerts in the forms that SIEMs read: ECS, OCSF, CEF and CEE.
//
// The native form says everything. The others say what their vocabulary has words for, and carry
// the rest of the native form beside it where they have a place for that (ECS under scanhound,
// OCSF under unmapped). One document is one line.
package siem

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/schema"
)

// Format is the form of a document.
type Format string

// The forms.
const (
	Native Format = "native" // the bytes that the detector wrote
	ECS    Format = "ecs"    // Elastic Common Schema 9
	OCSF   Format = "ocsf"   // Open Cybersecurity Schema Framework 1.6, Detection Finding
	CEF    Format = "cef"    // ArcSight Common Event Format, version 0
	CEE    Format = "cee"    // names of the CEE field dictionary of 2014
)

var formats = []Format{Native, ECS, OCSF, CEF, CEE}

// UnmarshalText reads the name of a form.
func (f *Format) UnmarshalText(b []byte) error {
	if !slices.Contains(formats, Format(b)) {
		names := make([]string, len(formats))
		for i, f := range formats {
			names[i] = string(f)
		}
		return fmt.Errorf("%q is no format: write %s", b, strings.Join(names, ", "))
	}
	*f = Format(b)
	return nil
}

// Writer writes documents of one form.
type Writer struct {
	Format  Format
	Version string // of this program
	Site    string // of an alert that names none
	Max     int    // bytes of a document; 0: as many as it takes
}

// Append appends the document of an alert, without a line end. What is longer than Max is cut:
// lists lose their ends, and their full counts stay. raw is the alert as it came.
func (w *Writer) Append(b, raw []byte, a *schema.Alert) ([]byte, error) {
	if w.Format == Native && (w.Max == 0 || len(raw) <= w.Max) {
		return append(b, raw...), nil
	}
	begin := len(b)
	for step := 0; ; step++ {
		cut := shortened(a, step)
		var err error
		if b, err = w.append(b[:begin], cut, step > 0); err != nil {
			return b[:begin], fmt.Errorf("alert %s as %s: %w", a.ID, w.Format, err)
		}
		if w.Max == 0 || len(b)-begin <= w.Max {
			return b, nil
		}
		if step == shortenings {
			return b[:begin], fmt.Errorf("alert %s as %s: %d bytes, without its lists, are more than %d: raise the maximum", a.ID, w.Format, len(b)-begin, w.Max)
		}
	}
}

func (w *Writer) append(b []byte, a *schema.Alert, cut bool) ([]byte, error) {
	switch w.Format {
	case CEF:
		return w.cef(b, a), nil
	case Native:
		return schema.AppendAlert(b, a)
	}
	native, err := nativeOf(a)
	if err != nil {
		return b, err
	}
	if cut {
		native["truncated"] = true
	}
	var d document
	switch w.Format {
	case ECS:
		d = w.ecs(a, native)
	case OCSF:
		d = w.ocsf(a, native)
	case CEE:
		d = w.cee(a)
	default:
		return b, fmt.Errorf("no format")
	}
	return json.Append(b, d, json.SortMapKeys)
}

// nativeOf is the native form, to be carried within another.
func nativeOf(a *schema.Alert) (document, error) {
	b, err := schema.AppendAlert(nil, a)
	if err != nil {
		return nil, err
	}
	d := document{}
	return d, json.Unmarshal(b, (*map[string]any)(&d))
}

// shortenings is how many steps of shortening there are.
const shortenings = 3

// shortened leaves out more with each step: what is largest, and what a person misses least.
func shortened(a *schema.Alert, step int) *schema.Alert {
	if step == 0 {
		return a
	}
	c := *a
	c.Footprint = nil
	if step > 1 {
		c.HostsSketch = nil
	}
	if step > 2 {
		c.Targets, c.TopPorts, c.Answered, c.Coverage.Top = first(c.Targets, 3), first(c.TopPorts, 3), first(c.Answered, 3), first(c.Coverage.Top, 3)
		c.SourcePorts, c.Exporters, c.Assets = first(c.SourcePorts, 3), first(c.Exporters, 3), first(c.Assets, 3)
	}
	return &c
}

func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }
