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
	Files []string `arg:"" name:"file" help:"Captures (pcap, pcapng) of exporter datagrams, files of one datagram each, or flows as JSON lines; gzip and zstd are seen through, - is standard input."`
}

// Run reads all files.
func (d *decode) Run(ctx context.Context, s *service.Service) error {
	r := openRecordings(ctx, d.Files, s)
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
