package flowfile

import (
	"bytes"
	"errors"

	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/schema"
)

// isZeekJSON tells Zeek's objects from goflow2's by the name of an address.
func isZeekJSON(line []byte) bool {
	return isJSON(line) && bytes.Contains(line, []byte(`"id.orig_h"`))
}

func readZeekJSON(r *Reader, in *input, give func([]schema.Flow) bool) error {
	t := zeekTable()
	var row zeekRow
	return readLines(r, in, give, func(line []byte, f *schema.Flow) (lineKind, error) {
		*f = schema.Flow{}
		row = zeekRow{Flow: f}
		if err := t.readJSON(line, &row); err != nil {
			return aFlow, err
		}
		if row.state == nil {
			return aFlow, errNotConn
		}
		return aFlow, row.finish()
	})
}

var (
	errNotConn = errors.New("has no conn_state: of Zeek's logs only conn is read")
	errJSON    = errors.New("is not a JSON object")
)

// readJSON sets what the keys of an object say. Keys mostly come in the order
// of the table, so each is looked for behind the one before.
func (t table[R]) readJSON(line []byte, row *R) error {
	tokens := json.NewTokenizer(line)
	if !tokens.Next() || tokens.Delim != '{' {
		return errJSON
	}
	for at := 0; ; {
		if !tokens.Next() || !tokens.Value.String() {
			return errJSON
		}
		i := t.findFrom(at, tokens.String())
		if !tokens.Next() || tokens.Delim != ':' || !tokens.Next() {
			return errJSON
		}
		switch {
		case tokens.Delim == '{' || tokens.Delim == '[':
			if !skipNested(tokens) {
				return errJSON
			}
		case tokens.Delim != 0:
			return errJSON
		case i >= 0 && !tokens.Value.Null():
			text := []byte(tokens.Value)
			if tokens.Value.String() {
				text = tokens.String()
			}
			if err := t[i].set(row, text); err != nil {
				return &errKey{t[i].names, err}
			}
			at = i + 1
		}
		switch {
		case !tokens.Next():
			return errJSON
		case tokens.Delim == '}':
			if tokens.Next() || tokens.Err != nil {
				return errJSON
			}
			return nil
		case tokens.Delim != ',':
			return errJSON
		}
	}
}

// findFrom returns the place of a column that has one name, -1 if there is none.
func (t table[R]) findFrom(at int, key []byte) int {
	for n := range t {
		if i := (at + n) % len(t); string(key) == t[i].names {
			return i
		}
	}
	return -1
}

// skipNested reads on to the end of the object or array that was just entered.
func skipNested(tokens *json.Tokenizer) bool {
	for depth := 1; depth > 0; {
		if !tokens.Next() {
			return false
		}
		switch tokens.Delim {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	return true
}
