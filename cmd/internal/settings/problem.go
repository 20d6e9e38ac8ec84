package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// origin is where a value stands.
type origin struct {
	from  source
	place string // as a person is told: settings.yaml:3, $SCANHOUND_ADMIN, --admin
}

type source uint8

// The sources, weakest first.
const (
	fromDefault source = iota
	fromFile
	fromEnvironment
	fromFlag
)

func (o origin) String() string {
	if o.from == fromDefault {
		return "default"
	}
	return o.place
}

// problem is one thing wrong with the settings.
type problem struct {
	origin origin
	text   string
}

// String is one line: the place, then what is wrong.
func (p problem) String() string {
	if p.origin.from == fromDefault {
		return p.text
	}
	return p.origin.place + ": " + p.text
}

// problems are all that is wrong with the settings.
type problems []problem

// err is the problems as an error, a line each.
func (all problems) err() error {
	e := &Error{Usage: true}
	lines := make([]string, len(all))
	for i, p := range all {
		lines[i] = p.String()
		e.Usage = e.Usage && p.origin.from == fromFlag
	}
	e.cause = errors.New(strings.Join(lines, "\n"))
	return e
}

// Error is why settings are refused, a line for each thing that is wrong.
type Error struct {
	Usage bool // the command line alone is to blame
	cause error
}

func (e *Error) Error() string { return e.cause.Error() }
func (e *Error) Unwrap() error { return e.cause }

// placedError is a problem with a cause that may be asked for.
type placedError struct {
	problem
	cause error
}

func (e *placedError) Error() string { return e.String() }
func (e *placedError) Unwrap() error { return e.cause }

// refused is the problem of a value that does not parse, or is not allowed.
func refused(o origin, f *kong.Flag, value string, cause error) problem {
	if isSecret(f) {
		value, cause = masked, nil // what a parser says often quotes the value
	}
	value = userinfo.ReplaceAllString(value, "://"+masked+"@")
	want := "another value"
	if w := accepted(f); w != "" {
		want = w
	} else if cause != nil {
		want = reason(cause)
		return problem{o, fmt.Sprintf("%s: %q is not accepted: %s", f.Name, value, want)}
	}
	return problem{o, fmt.Sprintf("%s: %q is not accepted: want %s", f.Name, value, want)}
}

// reason is what err says without the flag's name that kong puts before it.
func reason(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}

// unknownKey is the problem of a key that no setting has.
func unknownKey(o origin, key string, known []string) problem {
	text := key + " is not a setting"
	if n := yamlfile.Nearest(key, known); n != "" {
		text += "; did you mean " + n + "?"
	} else {
		text += "; --help lists them"
	}
	return problem{o, text}
}
