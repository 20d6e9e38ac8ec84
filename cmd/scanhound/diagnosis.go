package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// diagnosis is what the programs' own checks log, as lines for a person: what two programs
// find of one topic stands there once.
type diagnosis struct {
	mu     sync.Mutex
	list   []string
	errors int
}

// of returns a log whose warnings and errors are findings.
func (f *diagnosis) of(program string) slog.Handler { return &finder{f: f, program: program} }

func (f *diagnosis) print(w io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.list {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

type finder struct {
	f       *diagnosis
	program string
	attrs   []slog.Attr
}

func (h *finder) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h *finder) WithGroup(string) slog.Handler                { return h }
func (h *finder) WithAttrs(a []slog.Attr) slog.Handler {
	return &finder{h.f, h.program, append(slices.Clone(h.attrs), a...)}
}

func (h *finder) Handle(_ context.Context, r slog.Record) error {
	var line, mend strings.Builder
	line.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		if a.Key == "mend" {
			fmt.Fprintf(&mend, "\n    %v", a.Value)
		} else {
			fmt.Fprintf(&line, "; %s: %v", a.Key, a.Value)
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	text := strings.ToLower(r.Level.String()) + ": " + line.String() + mend.String()
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if slices.ContainsFunc(h.f.list, func(s string) bool { _, of, _ := strings.Cut(s, ": "); return of == text }) {
		return nil
	}
	if r.Level >= slog.LevelError {
		h.f.errors++
	}
	h.f.list = append(h.f.list, h.program+": "+text)
	return nil
}
