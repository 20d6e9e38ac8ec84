package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
)

// decode prints flows as the exporters sent them: nothing is turned round.
type decode struct {
	Input input `embed:""`
}

// Run reads all files.
func (d *decode) Run(ctx context.Context, s *service.Service) error {
	r, err := d.Input.open(ctx, s)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(s.Stdout, 1<<16)
	var line []byte
	for flows := range r.flows() {
		for i := range flows {
			line = append(schema.AppendJSON(line[:0], &flows[i]), '\n')
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		if r.live {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	t := newTable(s.Stderr)
	r.report(t)
	return errors.Join(out.Flush(), t.flush(), r.err(), ctx.Err())
}
