package flowfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// A table says what a format calls its columns and what each of them sets in a
// row, which is R. From a header line it makes a plan, along which each line is
// read: the names are looked at once a file.
type table[R any] []column[R]

type column[R any] struct {
	names string // all that are known, in lower case, with spaces between
	must  bool   // a header without it is not of this format
	set   func(*R, []byte) error
}

// plan is what the columns of a file set, in the order of the file.
type plan[R any] struct {
	comma    byte
	unset    string // what stands where there is no value
	optional int    // how many of the last columns may be missing
	columns  []planned[R]
}

type planned[R any] struct {
	name string
	set  func(*R, []byte) error // nil for what is not needed
}

// maxColumns is twice what the widest format has; more is no header.
const maxColumns = 128

// plan reads a header line; it reports whether all is there that must be.
func (t table[R]) plan(header []byte, comma byte) (p plan[R], ok bool) {
	p.comma = comma
	seen := make([]bool, len(t))
	for more := true; more; {
		var name []byte
		name, header, more = cutColumn(header, comma)
		c := planned[R]{name: string(trimSpaces(name))}
		if i := t.find(c.name); i >= 0 && !seen[i] {
			c.set, seen[i] = t[i].set, true
		}
		p.columns = append(p.columns, c)
		if len(p.columns) > maxColumns {
			return p, false
		}
	}
	for i, c := range t {
		if c.must && !seen[i] {
			return p, false
		}
	}
	return p, true
}

// mustPlan is plan of a header that is written here.
func (t table[R]) mustPlan(header string) plan[R] {
	p, ok := t.plan([]byte(header), ',')
	if !ok {
		panic("BUG: a header of our own lacks a column: " + header)
	}
	return p
}

func (t table[R]) find(name string) int {
	name = strings.ToLower(name)
	return slices.IndexFunc(t, func(c column[R]) bool { return slices.Contains(strings.Fields(c.names), name) })
}

// read sets what the columns of a line say. A line that has more or less of
// them than the header was cut, or is no row.
func (p *plan[R]) read(line []byte, row *R) error {
	n := 0
	for more := true; more; n++ {
		if n >= len(p.columns) || p.columns[n].set == nil {
			_, line, more = cutColumn(line, p.comma)
			continue
		}
		var text []byte
		text, line, more = cutColumn(line, p.comma)
		text = trimSpaces(text)
		if p.unset != "" && string(text) == p.unset {
			continue
		}
		if err := p.columns[n].set(row, text); err != nil {
			return &errKey{p.columns[n].name, err}
		}
	}
	if n > len(p.columns) || n < len(p.columns)-p.optional {
		return errColumns{n, len(p.columns)}
	}
	return nil
}

// readCells is read of a line that was cut into its columns.
func (p *plan[R]) readCells(cells [][]byte, row *R) error {
	if n := len(cells); n > len(p.columns) || n < len(p.columns)-p.optional {
		return errColumns{n, len(p.columns)}
	}
	for i, text := range cells {
		if p.columns[i].set == nil || p.unset != "" && string(text) == p.unset {
			continue
		}
		if err := p.columns[i].set(row, text); err != nil {
			return &errKey{p.columns[i].name, err}
		}
	}
	return nil
}

type errColumns struct{ got, want int }

func (e errColumns) Error() string {
	return fmt.Sprintf("has %d columns where the header has %d", e.got, e.want)
}

// errKey says which column or key has a value that cannot be read.
type errKey struct {
	key string
	err error
}

func (e *errKey) Error() string { return e.key + ": " + e.err.Error() }
func (e *errKey) Unwrap() error { return e.err }

// cutColumn returns the first column of a line without the quotes around it,
// and what stands behind its comma.
func cutColumn(line []byte, comma byte) (text, rest []byte, more bool) {
	if len(line) > 0 && line[0] == '"' {
		if end := bytes.IndexByte(line[1:], '"') + 1; end > 0 && end+1 == len(line) {
			return line[1:end], nil, false
		} else if end > 0 && line[end+1] == comma {
			return line[1:end], line[end+2:], true
		}
	}
	if i := bytes.IndexByte(line, comma); i >= 0 {
		return line[:i], line[i+1:], true
	}
	return line, nil, false
}

func trimSpaces(text []byte) []byte {
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	for len(text) > 0 && text[len(text)-1] == ' ' {
		text = text[:len(text)-1]
	}
	return text
}

// into is the setter of a column that one value of the row is parsed from.
func into[R, T any](at func(*R) *T, parse func([]byte) (T, error)) func(*R, []byte) error {
	return func(row *R, text []byte) (err error) {
		*at(row), err = parse(text)
		return err
	}
}

// asText keeps a column until the row is complete: what it means depends on
// another one. It is valid as long as the line.
func asText(text []byte) ([]byte, error) { return text, nil }

// isName reports whether a line begins as names do: no time does.
func isName(line []byte) bool {
	return len(line) > 0 && (line[0]|0x20 >= 'a' && line[0]|0x20 <= 'z' || line[0] == '"')
}
