package flowfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/scanhound/scanhound/schema"
)

// batchSize is how many flows of lines are handed on at once: it hides the
// price of handing on and stays in a second-level cache.
const batchSize = 256

var byteOrderMark = []byte("\xef\xbb\xbf") // some editors begin UTF-8 with it

// lineKind is what a line is that can be read.
type lineKind uint8

const (
	aFlow lineKind = iota
	aHeader
	aNonIP
	anEvent // of another kind than flows
)

// parser reads one line, without its end, into f, which may hold an older flow.
type parser func(line []byte, f *schema.Flow) (lineKind, error)

// readLines reads one flow a line with parse. A line that parse refuses is
// counted and reported; a file in which it refuses all is refused too.
func readLines(r *Reader, in *input, give func([]schema.Flow) bool, parse parser) error {
	lines := &lineSource{r: in.Reader}
	return readUnits(r, in, give, parse, lines.next, '\n')
}

// readUnits reads one flow a unit with parse: a line, or an object over several
// lines, whose last byte is end. next returns a unit and the number of the line
// on which it begins.
func readUnits(r *Reader, in *input, give func([]schema.Flow) bool, parse parser, next func() ([]byte, uint64, error), end byte) error {
	t := taker{stats: &r.stats.Lines, parse: parse, batch: make([]schema.Flow, 0, batchSize)}
	var cut error
	for cut == nil {
		if len(t.batch) == batchSize || len(t.batch) > 0 && !unitWaits(in.Reader, end) {
			if !give(t.batch) {
				return nil
			}
			t.batch = t.batch[:0]
		}
		line, n, err := next()
		if err == io.EOF && len(line) == 0 {
			break
		}
		switch {
		case err == io.EOF:
			err = nil
		case err != nil && err != errLongLine:
			err = in.reason(err)
			cut = err
		}
		if p := t.take(line, n, err); p != nil {
			p.File = in.name
			r.report(*p)
		}
	}
	if len(t.batch) > 0 && !give(t.batch) {
		return nil
	}
	return t.verdict(in.name, cut)
}

// taker takes the units of one file.
type taker struct {
	stats *Lines
	parse parser
	batch []schema.Flow
	flows bool
	other uint64 // events that are no flows
	last  uint64
	first *Problem
}

// take reads a unit, which err says cannot be read, and returns what is wrong with it.
func (t *taker) take(line []byte, n uint64, err error) *Problem {
	t.stats.Read++
	t.last = n
	kind := aFlow
	switch {
	case err != nil:
	case len(bytes.TrimSpace(line)) == 0:
		t.stats.Blank++
		return nil
	default:
		t.batch = t.batch[:len(t.batch)+1]
		kind, err = t.parse(withoutEnd(line), &t.batch[len(t.batch)-1])
		if err == nil && kind == aFlow {
			t.flows = true
		} else {
			t.batch = t.batch[:len(t.batch)-1]
		}
	}
	if err == nil {
		t.stats.count(kind)
		if kind == anEvent {
			t.other++
		}
		return nil
	}
	t.stats.Broken++
	p := &Problem{Unit: "line", Number: n, Text: err.Error()}
	if t.first == nil {
		t.first = p
	}
	return p
}

// verdict says what is wrong with the file as a whole.
func (t *taker) verdict(name string, cut error) error {
	switch {
	case !t.flows && t.first != nil:
		return fmt.Errorf("%s: none of its lines is a flow; line %d: %s", name, t.first.Number, t.first.Text)
	case cut != nil:
		return fmt.Errorf("%s is read in part, up to line %d: %w", name, t.last, cut)
	case !t.flows && t.other > 0:
		return fmt.Errorf("%s: none of its %d events is a flow (of Suricata's, flow and netflow are read, which eve-log must be told to write; of Zeek's, conn)", name, t.other)
	}
	return nil
}

func (l *Lines) count(kind lineKind) {
	switch kind {
	case aFlow:
		l.Flows++
	case aHeader:
		l.Header++
	case aNonIP:
		l.NotIP++
	case anEvent:
		l.Events++
	}
}

// withoutEnd cuts the end of a line, but no tabs: a column may be empty.
func withoutEnd(line []byte) []byte { return bytes.TrimRight(line, "\r\n") }

// unitWaits reports whether the next unit can be read without waiting. If not,
// what was read is handed on first: a pipe may stay silent for hours.
func unitWaits(r *bufio.Reader, end byte) bool {
	waiting, _ := r.Peek(r.Buffered())
	return bytes.IndexByte(waiting, end) >= 0
}

// lineSource hands out line by line.
type lineSource struct {
	r *bufio.Reader
	n uint64
}

func (s *lineSource) next() ([]byte, uint64, error) {
	line, err := readLine(s.r)
	s.n++
	if s.n == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	return line, s.n, err
}

var errLongLine = fmt.Errorf("longer than %d bytes", bufferSize)

// readLine returns the next line; of one that is longer than the buffer it
// skips the rest.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	return nil, errLongLine
}
