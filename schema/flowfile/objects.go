package flowfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// objectSource hands out the JSON objects of an array, or of objects one behind
// the other, however they stand on lines. What stands between them (brackets of
// the array, commas, blanks) is nobody's.
//
// An object whose braces do not close ends where the next begins: with a brace at
// the beginning of a line, as no program writes one within an object.
type objectSource struct {
	r    *bufio.Reader
	n    uint64 // the line that is read, from 1
	text []byte // of the object
}

func newObjectSource(r *bufio.Reader) *objectSource { return &objectSource{r: r, n: 1} }

var errEndWithin = errors.New("the file ends within an object")

// next returns an object and the number of the line on which it begins.
func (s *objectSource) next() ([]byte, uint64, error) {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, s.n, err
		}
		switch c {
		case '\n':
			s.n++
		case ' ', '\t', '\r', ',', '[', ']', byteOrderMark[0], byteOrderMark[1], byteOrderMark[2]:
		case '{':
			return s.object()
		default:
			return s.garbage(c)
		}
	}
}

// garbage skips what is no object, up to the next that could be one.
func (s *objectSource) garbage(c byte) ([]byte, uint64, error) {
	at := s.n
	s.text = append(s.text[:0], c)
	for {
		c, err := s.r.ReadByte()
		if err == io.EOF {
			return s.text, at, nil
		}
		if err != nil {
			return nil, at, err
		}
		if c == '{' || c == '\n' {
			return s.text, at, s.r.UnreadByte()
		}
		if len(s.text) < maxProtoName { // enough to be shown
			s.text = append(s.text, c)
		}
	}
}

// object reads on behind an opening brace.
func (s *objectSource) object() ([]byte, uint64, error) {
	at := s.n
	s.text = append(s.text[:0], '{')
	long, quoted, escaped := false, false, false
	for depth := 1; depth > 0; {
		c, err := s.r.ReadByte()
		switch {
		case err == io.EOF:
			return nil, at, errEndWithin
		case err != nil:
			return nil, at, err
		case c == '\n':
			s.n++
			if next, err := s.r.Peek(1); err == nil && next[0] == '{' {
				return s.text, at, nil // the parser says what is wrong with it
			}
			quoted = false // no string has a line end
		case escaped:
			escaped = false
		case quoted:
			quoted, escaped = c != '"', c == '\\'
		case c == '"':
			quoted = true
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		if len(s.text) < bufferSize {
			s.text = append(s.text, c)
		} else {
			long = true
		}
	}
	if long {
		return nil, at, errLongLine
	}
	return s.text, at, nil
}

// isOneLine reports whether the object with which text begins ends on its first line.
func isOneLine(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	s := newObjectSource(bufio.NewReader(bytes.NewReader(line)))
	_, _, err := s.next()
	return err == nil
}
