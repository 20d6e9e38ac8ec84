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
)

// parser reads one line, without its end, into f, which may hold an older flow.
type parser func(line []byte, f *schema.Flow) (lineKind, error)

// readLines reads one flow a line with parse. A line that parse refuses is
// counted and reported; a file in which it refuses all is refused too.
func readLines(r *Reader, in *input, give func([]schema.Flow) bool, parse parser) error {
	stats, flows := &r.stats.Lines, false
	var first *Problem
	batch := make([]schema.Flow, 0, batchSize)
	for n, end := uint64(1), false; !end; n++ {
		if len(batch) == batchSize || len(batch) > 0 && !lineWaits(in.Reader) {
			if !give(batch) {
				return nil
			}
			batch = batch[:0]
		}
		line, err := readLine(in.Reader)
		end = err != nil && err != errLongLine
		if err == io.EOF && len(line) == 0 {
			break
		}
		stats.Read++
		if n == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		kind := aFlow
		switch {
		case err == errLongLine:
		case err != nil && err != io.EOF:
			err = in.reason(err)
		case len(bytes.TrimSpace(line)) == 0:
			stats.Blank++
			continue
		default:
			batch = batch[:len(batch)+1]
			kind, err = parse(withoutEnd(line), &batch[len(batch)-1])
			if err == nil && kind == aFlow {
				stats.Flows++
				flows = true
				continue
			}
			batch = batch[:len(batch)-1]
		}
		if err == nil {
			stats.count(kind)
			continue
		}
		stats.Broken++
		if first == nil || len(r.broken) < maxProblems {
			p := Problem{in.name, "line", n, err.Error()}
			r.report(p)
			if first == nil {
				first = &p
			}
		}
	}
	if len(batch) > 0 && !give(batch) {
		return nil
	}
	if !flows && first != nil {
		return fmt.Errorf("%s: none of its lines is a flow; line %d: %s", in.name, first.Number, first.Text)
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
	}
}

// withoutEnd cuts the end of a line, but no tabs: a column may be empty.
func withoutEnd(line []byte) []byte { return bytes.TrimRight(line, "\r\n") }

// lineWaits reports whether the next line can be read without waiting. If not,
// what was read is handed on first: a pipe may stay silent for hours.
func lineWaits(r *bufio.Reader) bool {
	waiting, _ := r.Peek(r.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
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
