package flowfile

import (
	"strings"

	"github.com/segmentio/encoding/json"
)

// jsonKeys are the columns of a table as the keys of an object. A name with a
// point in it is also that of a key in a nested object: flow.start.
type jsonKeys[R any] []jsonKey[R]

type jsonKey[R any] struct {
	name string
	set  func(*R, []byte) error
}

// keys returns a reader of the columns' keys, in their order: objects mostly have them in
// one order, so that each is found behind the one before.
func (t table[R]) keys() *objectReader[R] {
	o := &objectReader[R]{tokens: new(json.Tokenizer)}
	for _, c := range t {
		for _, name := range strings.Fields(c.names) {
			o.keys = append(o.keys, jsonKey[R]{name, c.set})
		}
	}
	return o
}

// read sets what the keys of an object say. Of a key that has an array, each
// value of it is set.
func (o *objectReader[R]) read(line []byte, row *R) error {
	o.tokens.Reset(line)
	o.row, o.at = row, 0
	if !o.tokens.Next() || o.tokens.Delim != '{' {
		return errJSON
	}
	if err := o.object("", 0); err != nil {
		return err
	}
	if o.tokens.Next() || o.tokens.Err != nil {
		return errJSON
	}
	return nil
}

// maxNesting is how deep keys are looked for: what is deeper is skipped, which
// needs no stack.
const maxNesting = 4

// objectReader is kept from object to object, or each would be an allocation.
type objectReader[R any] struct {
	keys   jsonKeys[R]
	tokens *json.Tokenizer
	row    *R
	at     int // of the key that is expected
}

// object reads up to the closing brace. All keys in it have prefix in front.
func (o *objectReader[R]) object(prefix string, depth int) error {
	t := o.tokens
	for first := true; ; first = false {
		if !t.Next() || !t.Value.String() {
			if first && t.Delim == '}' && t.Err == nil {
				return nil
			}
			return errJSON
		}
		key := t.String()
		i := o.find(prefix, key)
		if !t.Next() || t.Delim != ':' || !t.Next() {
			return errJSON
		}
		var err error
		switch {
		case t.Delim == '{':
			err = o.nested(o.within(prefix, key), depth)
		case t.Delim == '[' && i >= 0:
			err = o.array(i)
		case t.Delim == '[':
			if !skipNested(t) {
				err = errJSON
			}
		case t.Delim != 0:
			err = errJSON
		case i >= 0:
			err = o.set(i)
			o.at = i + 1
		}
		switch {
		case err != nil:
			return err
		case !t.Next():
			return errJSON
		case t.Delim == '}':
			return nil
		case t.Delim != ',':
			return errJSON
		}
	}
}

// nested reads an object whose keys have prefix in front; without one it is skipped.
func (o *objectReader[R]) nested(prefix string, depth int) error {
	switch {
	case prefix != "" && depth < maxNesting:
		return o.object(prefix, depth+1)
	case !skipNested(o.tokens):
		return errJSON
	}
	return nil
}

// array sets each value up to the closing bracket.
func (o *objectReader[R]) array(i int) error {
	for t := o.tokens; t.Next(); {
		switch {
		case t.Delim == ']':
			return nil
		case t.Delim == '{' || t.Delim == '[':
			if !skipNested(t) {
				return errJSON
			}
		case t.Delim == 0:
			if err := o.set(i); err != nil {
				return err
			}
		}
	}
	return errJSON
}

// set sets the value on which the tokens stand.
func (o *objectReader[R]) set(i int) error {
	v := o.tokens.Value
	text := []byte(v)
	switch {
	case v.Null():
		return nil
	case v.String():
		text = o.tokens.String()
	}
	if err := o.keys[i].set(o.row, text); err != nil {
		return &errKey{o.keys[i].name, err}
	}
	return nil
}

// find returns the place of a key, -1 if it is not among them.
func (o *objectReader[R]) find(prefix string, key []byte) int {
	for n := range o.keys {
		i := (o.at + n) % len(o.keys)
		if name := o.keys[i].name; strings.HasPrefix(name, prefix) && name[len(prefix):] == string(key) {
			return i
		}
	}
	return -1
}

// within returns the prefix of what stands in an object under key, empty if
// nothing of it is known.
func (o *objectReader[R]) within(prefix string, key []byte) string {
	for i := range o.keys {
		name := o.keys[i].name
		end := len(prefix) + len(key)
		if len(name) > end && name[end] == '.' && strings.HasPrefix(name, prefix) && name[len(prefix):end] == string(key) {
			return name[:end+1]
		}
	}
	return ""
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
