package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
)

// clean turns reversed records of VAST 2013 flow files round and leaves every
// other byte as it is: the cleaning step of the data's own description. The count
// of reversed records goes to stderr, never into the data.
type clean struct {
	Files  []string `arg:"" name:"file" help:"VAST 2013 flow files (CSV with 19 columns); gzip, zstd and bzip2 are seen through, - is standard input."`
	Orient cleaning `embed:"" prefix:"orient-" group:"Orientation:"`
}

// cleaning is the rule's own list of ports: 443 is not in it.
type cleaning struct {
	Services []uint16 `default:"20,21,25,53,80,123,137,138,389,1900,1984,3389,5355" help:"Ports from which a record more likely answers than asks; as in the data's description."`
}

// cleaned counts lines; what enters is the sum of the others.
type cleaned struct {
	lines, reversed, undecided, kept, headers, broken uint64
}

// rows is how many of the lines were records.
func (n *cleaned) rows() uint64 { return n.reversed + n.undecided + n.kept }

// Run cleans all files, one after the other, to standard output.
func (c *clean) Run(ctx context.Context, s *service.Service) error {
	out := bufio.NewWriterSize(s.Stdout, 1<<16)
	var n cleaned
	var all []error
	for _, name := range c.Files {
		before := n
		if err := c.file(ctx, name, s, out, &n); err != nil {
			all = append(all, err)
		} else if broken := n.broken - before.broken; broken > 0 && n.rows() == before.rows() {
			if name == "-" {
				name = "standard input"
			}
			all = append(all, fmt.Errorf("%s: none of its lines is a row of a VAST 2013 flow file, and %d are broken", name, broken))
		}
	}
	t := newTable(s.Stderr)
	t.stage("cleaned")
	t.row("lines", n.lines)
	t.row("reversed, turned round", n.reversed)
	t.row("undecided: both ports are services", n.undecided)
	t.row("kept as they are", n.kept)
	t.nonzero("headers and blank lines", n.headers)
	t.nonzero("broken, left out", n.broken)
	return errors.Join(append(all, out.Flush(), t.flush())...)
}

const byteOrderMark = "\ufeff"

func (c *clean) file(ctx context.Context, name string, s *service.Service, out io.Writer, n *cleaned) error {
	number, end := 0, "\n"
	for line, err := range flowfile.RawLines(name, s.Stdin) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if number++; err != nil && !flowfile.IsLong(err) {
			return err
		}
		n.lines++
		text, mark := string(line), ""
		if rest, ok := strings.CutPrefix(text, byteOrderMark); ok && number == 1 {
			text = rest
			if n.lines == 1 { // within the data it would be a part of a value
				mark = byteOrderMark
			}
		}
		row := strings.TrimRight(text, "\r\n")
		if tail := text[len(row):]; tail != "" {
			end = tail
		}
		if err == nil {
			row, err = c.line(row, n)
		}
		if err != nil {
			n.broken++
			s.Log.Warn("a line is left out", "file", name, "line", number, "error", err)
			continue
		}
		if _, err := io.WriteString(out, mark+row+end); err != nil {
			return err
		}
	}
	return ctx.Err()
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
	if strings.TrimSpace(line) == "" {
		n.headers++
		return line, nil
	}
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
	case orient.FromService(&f, services):
		for _, p := range vastPairs {
			column[p[0]], column[p[1]] = column[p[1]], column[p[0]]
		}
		n.reversed++
		return strings.Join(column, ","), nil
	case schema.HasPorts(f.Proto) && orient.BothServices(&f, services):
		n.undecided++
	default:
		n.kept++
	}
	return line, nil
}

// vastFlow reads what the rule looks at.
func vastFlow(column []string) (f schema.Flow, err error) {
	number := func(at int, what string) uint16 {
		v, e := strconv.ParseUint(strings.Trim(column[at], `" `), 10, 16)
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
