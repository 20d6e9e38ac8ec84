package service

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
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

// settingsError is all that is wrong with the settings, a line each.
type settingsError []problem

func (e settingsError) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// code is exitUsage where the command line alone is to blame.
func (e settingsError) code() int {
	for _, p := range e {
		if p.origin.from != fromFlag {
			return exitSettings
		}
	}
	return exitUsage
}

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
	if n := Nearest(key, known); n != "" {
		text += "; did you mean " + n + "?"
	} else {
		text += "; --help lists them"
	}
	return problem{o, text}
}
