package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"text/tabwriter"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/schema/netflow"
)

// input names what a command reads.
type input struct {
	Files  []string `arg:"" name:"file" help:"Captures (pcap, pcapng) of exporter datagrams, files of one datagram each, or flows: the JSON of decode, goflow2, nfdump, pmacct, Suricata or Zeek, nfdump's CSV, numbers (-o pipe) and text, pmacct's CSV, Argus' CSV, conn.log, VAST 2013. gzip, zstd and bzip2 are seen through, - is standard input."`
	Format string   `placeholder:"WORDS" env:"-" help:"What nfdump was given behind -o, where its text has no header (nfdump -q): long, or 'fmt:%ts %sap -> %dap ...'."`
}

// recordings are the files that a command reads, and what became of them.
type recordings struct {
	reader    *flowfile.Reader
	decoder   *netflow.Decoder
	templates *netflow.Templates
	live      bool // standard input is among them: somebody may be waiting for each line
	failed    int  // files that could not be read to their end
	log       func(error)
}

// open prepares to read all files; none is opened yet.
func (c *input) open(ctx context.Context, s *service.Service) (*recordings, error) {
	files := c.Files
	cfg := netflow.Config{}
	stdin := s.Stdin
	live := slices.Contains(files, "-")
	if live {
		stdin = interruptible(ctx, stdin)
	}
	reader := flowfile.Open(files, stdin)
	if c.Format != "" {
		if err := reader.Format(c.Format); err != nil {
			return nil, s.Misconfigured("format", err)
		}
	}
	templates := netflow.NewTemplates(cfg)
	return &recordings{
		reader:    reader,
		templates: templates,
		live:      live,
		decoder:   netflow.NewDecoder(templates, cfg),
		log:       func(err error) { s.Log.Error("a file was not read to its end", "error", err) },
	}, nil
}

// flows yields the flows of all files, one file after the other, a datagram's or a
// few lines' at a time.
func (r *recordings) flows() iter.Seq[[]schema.Flow] { return r.told(r.reader.Flows(r.decode)) }

// merged yields the flows of all files as one collector would have seen them.
func (r *recordings) merged() iter.Seq[[]schema.Flow] { return r.told(r.reader.Merged(r.decode)) }

func (r *recordings) decode(flows []schema.Flow, from netip.AddrPort, received schema.Time, datagram []byte) []schema.Flow {
	flows, _ = r.decoder.DecodeFrom(flows, from, received, datagram)
	return flows
}

// told tells what is wrong with one file, and goes on with the others.
func (r *recordings) told(all iter.Seq2[[]schema.Flow, error]) iter.Seq[[]schema.Flow] {
	return func(yield func([]schema.Flow) bool) {
		for flows, err := range all {
			if err != nil {
				r.failed++
				r.log(err)
				continue
			}
			if !yield(flows) {
				return
			}
		}
		if late := r.decoder.Finish(nil); len(late) > 0 {
			yield(late)
		}
	}
}

// err says whether all files were read to their end.
func (r *recordings) err() error {
	if r.failed > 0 {
		return fmt.Errorf("%d of the files could not be read to their end", r.failed)
	}
	return nil
}

// report writes what became of all that was read.
func (r *recordings) report(t *table) {
	for _, p := range r.reader.Broken() {
		t.note(p.String())
	}
	t.stage("read")
	r.reader.Stats().Each(t.nonzero)
	decoded, early := r.decoder.Stats(), r.templates.Stats().Waiting
	if decoded.Datagrams > 0 {
		t.stage("decoded")
		decoded.Each(t.nonzero)
		t.nonzero("early sets recovered", early.Recovered.Sets)
		t.nonzero("early sets lost, or waiting at the end", early.Lost.Sets+early.Waiting.Sets)
		t.nonzero("of the early sets, those whose template other ports announced in different ways", early.Ambiguous.Sets)
	}
}

// table is the counts of every stage, for a person.
type table struct {
	w    *tabwriter.Writer
	name string // of the stage, until its first row
}

func newTable(w io.Writer) *table {
	return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

func (t *table) note(text string) { fmt.Fprintln(t.w, text) }

// stage names the rows that follow, if any do.
func (t *table) stage(name string) { t.name = name }

func (t *table) row(name string, n uint64) {
	fmt.Fprintf(t.w, "%s\t%d\t%s\n", t.name, n, name)
	t.name = ""
}

// nonzero is row but for a count of nothing, which would only hide the others.
func (t *table) nonzero(name string, n uint64) {
	if n > 0 {
		t.row(name, n)
	}
}

func (t *table) flush() error { return t.w.Flush() }

// interruptible is r until ctx ends. A read of a terminal or a pipe cannot be
// cut off: the goroutine that waits in it is left to the end of the process.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}
