package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/ingest"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// clean turns reversed records of VAST 2013 flow files round and leaves every
// other byte as it is: the cleaning step of the data's own description. The count
// of reversed records goes to stderr, never into the data.
type clean struct {
	Files  []string            `arg:"" name:"file" help:"VAST 2013 flow files (CSV with 19 columns); - is standard input."`
	Orient ingest.OrientConfig `embed:"" prefix:"orient-" group:"Orientation:"`
}

// cleaned counts lines; what enters is the sum of the others.
type cleaned struct {
	lines, reversed, undecided, kept, headers, broken uint64
}

// Run cleans all files, one after the other, to standard output.
func (c *clean) Run(ctx context.Context, s *service.Service) error {
	out := bufio.NewWriterSize(s.Stdout, 1<<16)
	var n cleaned
	for _, name := range c.Files {
		if err := c.file(ctx, name, s, out, &n); err != nil {
			return errors.Join(err, out.Flush())
		}
	}
	t := newTable(s.Stderr)
	t.stage("cleaned")
	t.row("lines", n.lines)
	t.row("reversed, turned round", n.reversed)
	t.row("undecided: both ports are services", n.undecided)
	t.row("kept as they are", n.kept)
	t.nonzero("headers", n.headers)
	t.nonzero("broken, left out", n.broken)
	return errors.Join(out.Flush(), t.flush())
}

func (c *clean) file(ctx context.Context, name string, s *service.Service, out io.Writer, n *cleaned) error {
	in := s.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan() && ctx.Err() == nil; number++ {
		n.lines++
		line, err := c.line(lines.Text(), n)
		if err != nil {
			n.broken++
			s.Log.Warn("a line is left out", "file", name, "line", number, "error", err)
			continue
		}
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), ctx.Err())
}

// The columns of VAST 2013 that the rule reads, and those that have a direction:
// addresses, ports, payload, bytes, packets.
const (
	vastColumns  = 19
	vastProtocol = 3
	vastSrcPort  = 7
	vastDstPort  = 8
)

var vastPairs = [...][2]int{{5, 6}, {7, 8}, {12, 13}, {14, 15}, {16, 17}}

func (c *clean) line(line string, n *cleaned) (string, error) {
	column := strings.Split(line, ",")
	if len(column) != vastColumns {
		return "", fmt.Errorf("%d columns, want the %d of a VAST 2013 flow file", len(column), vastColumns)
	}
	if strings.EqualFold(strings.Trim(column[0], `" `), "TimeSeconds") {
		n.headers++
		return line, nil
	}
	f, err := vastFlow(column)
	if err != nil {
		return "", err
	}
	switch services := c.Orient.Services; {
	case detect.FromService(&f, services):
		for _, p := range vastPairs {
			column[p[0]], column[p[1]] = column[p[1]], column[p[0]]
		}
		n.reversed++
		return strings.Join(column, ","), nil
	case schema.HasPorts(f.Proto) && detect.BothServices(&f, services):
		n.undecided++
	default:
		n.kept++
	}
	return line, nil
}

// vastFlow reads what the rule looks at.
func vastFlow(column []string) (f schema.Flow, err error) {
	number := func(at int, what string) uint16 {
		v, e := strconv.ParseUint(strings.TrimSpace(column[at]), 10, 16)
		if e != nil && err == nil {
			err = fmt.Errorf("%s %q is not a number from 0 to 65535", what, column[at])
		}
		return uint16(v)
	}
	proto := number(vastProtocol, "protocol")
	f.Proto = uint8(proto)
	f.Src.Port, f.Dst.Port = number(vastSrcPort, "source port"), number(vastDstPort, "destination port")
	if err == nil && proto > 255 {
		err = fmt.Errorf("protocol %d is not a number from 0 to 255", proto)
	}
	return f, err
}
