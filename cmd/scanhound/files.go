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

// recordings are the files that a command reads, and what became of them.
type recordings struct {
	reader    *flowfile.Reader
	decoder   *netflow.Decoder
	templates *netflow.Templates
	live      bool // standard input is among them: somebody may be waiting for each line
	failed    int  // files that could not be read to their end
	log       func(error)
}

func openRecordings(ctx context.Context, files []string, s *service.Service) *recordings {
	cfg := netflow.DefaultConfig()
	stdin := s.Stdin
	live := slices.Contains(files, "-")
	if live {
		stdin = interruptible(ctx, stdin)
	}
	templates := netflow.NewTemplates(cfg)
	return &recordings{
		reader:    flowfile.Open(files, stdin),
		templates: templates,
		live:      live,
		decoder:   netflow.NewDecoder(templates, cfg),
		log:       func(err error) { s.Log.Error("a file was not read to its end", "error", err) },
	}
}

// flows yields the flows of all files, a datagram's or a few lines' at a time.
// What is wrong with one file is told, and the next one read.
func (r *recordings) flows() iter.Seq[[]schema.Flow] {
	decode := func(flows []schema.Flow, from netip.Addr, received schema.Time, datagram []byte) []schema.Flow {
		flows, _ = r.decoder.Decode(flows, from, received, datagram)
		return flows
	}
	return func(yield func([]schema.Flow) bool) {
		for flows, err := range r.reader.Flows(decode) {
			if err != nil {
				r.failed++
				r.log(err)
				continue
			}
			if !yield(flows) {
				return
			}
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
