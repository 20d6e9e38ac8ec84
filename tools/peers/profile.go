package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// profile loads ingest at a rate that it bears and prints where its CPU time goes.
func (h *harness) profile(ctx context.Context, m measurement, v version, rate float64) error {
	type page struct {
		body []byte
		err  error
	}
	got := make(chan page, 1)
	go func() {
		body, err := get(ctx, m.collector.admin+"/debug/pprof/profile?seconds=4")
		got <- page{body, err}
	}()
	if _, err := m.step(ctx, rate, 5*time.Second); err != nil {
		return err
	}
	p := <-got
	if p.err != nil {
		return p.err
	}
	file := filepath.Join(h.dir, fmt.Sprintf("ingest-%s-%.0fk.pprof", v.name, rate/1000))
	if err := os.WriteFile(file, p.body, 0o644); err != nil {
		return err
	}
	top, err := command(ctx, "", "go", "tool", "pprof", "-top", "-nodecount=25", h.program("ingest"), file)
	fmt.Printf("ingest, %s at %s records/s (%s):\n%s\n\n", v.name, thousands(rate), file, top)
	return err
}
