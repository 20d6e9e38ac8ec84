package settings

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Settings is a program's settings as resolved, and where each came from.
type Settings struct {
	// Help is what --help asked for. Where it is not empty, it is to be printed
	// and nothing else is set.
	Help string
	// Version says that --version was asked for; then nothing else is set.
	Version bool
	// Unknown are the variables SCANHOUND_... that no program has, each with the
	// nearest one that exists in parentheses: a reason to warn.
	Unknown []string
	// Command is the struct of the command that was asked for, a pointer into
	// what Parse filled, or that itself.
	Command any

	common  common
	environ []string
	flags   []*kong.Flag
	origins map[*kong.Flag]origin
}

// Parse fills cli, a pointer to a struct of kong-tagged fields, from the command
// line, the environment ("NAME=value"), the settings file and the defaults, and
// checks it. What is wrong with them is an [Error].
//
// A field is on the command line only with the tag env:"-"; secret:"" masks it
// wherever settings are shown. A struct among the fields, with embed:"" and
// prefix:"x-" or nameless, is a group; what its Validate says is reported with
// the place of the setting whose name it begins with: "linger: more than 1m".
// Kong's hooks (BeforeApply and the like) are not called.
func Parse(p Program, cli any, args, environ []string) (*Settings, error) {
	var text strings.Builder
	s := &Settings{environ: environ, origins: map[*kong.Flag]origin{}}
	k := newParser(p, cli, &s.common, &text)
	line, err := kong.Trace(k, args)
	if err == nil {
		err = line.Error
	}
	if err != nil {
		return nil, &Error{true, explained(k, err)}
	}
	if shown, err := s.show(line); shown || err != nil {
		s.Help = text.String()
		return s, err
	}
	if err := line.Reset(); err != nil {
		panic("BUG: default of " + p.Name + ": " + err.Error())
	}
	if _, err := line.Apply(); err != nil {
		return nil, &Error{true, err}
	}
	s.flags = line.Flags()
	s.Command = commandOf(line)
	if wrong := newResolver(p, k, s, line).resolve(environ); len(wrong) > 0 {
		return nil, wrong.err()
	}
	if err := line.Validate(); err != nil {
		return nil, &Error{true, err}
	}
	return s, nil
}

// For fills cli, of another program, from the file and the environment that s was filled from.
func (s *Settings) For(p Program, cli any) (*Settings, error) {
	var args []string
	if s.common.Settings != "" {
		args = []string{"--settings=" + s.common.Settings}
	}
	return Parse(p, cli, args, s.environ)
}

// show answers --help and --version, which need nothing else to be right.
func (s *Settings) show(line *kong.Context) (bool, error) {
	for _, step := range line.Path {
		switch {
		case step.Flag == nil:
		case step.Flag == line.Model.HelpFlag:
			return true, line.PrintUsage(false)
		case step.Flag.Name == "version":
			s.Version = true
			return true, nil
		}
	}
	return false, nil
}

func commandOf(line *kong.Context) any {
	target := line.Model.Target
	if n := line.Selected(); n != nil {
		target = n.Target
	}
	return target.Addr().Interface()
}

// Log returns the settings of the logger.
func (s *Settings) Log() Log { return s.common.Log }

// Given returns where the named setting was given, such as --admin or
// settings.yaml:3, or "" where it has its default.
func (s *Settings) Given(name string) string { return s.origin(name).place }

// Wrong is err as an error of the named setting, with the place where it was
// given: "settings.yaml:3: admin: ...". Without any Settings there is no place.
func (s *Settings) Wrong(name string, err error) error {
	p := problem{text: name + ": " + err.Error()}
	if s != nil {
		p.origin = s.origin(name)
	}
	return &placedError{p, err}
}

// origin returns where the named setting comes from.
func (s *Settings) origin(name string) origin {
	for _, f := range s.flags {
		if f.Name == name {
			return s.origins[f]
		}
	}
	return origin{}
}

// explained adds what would be accepted to what kong says of a flag that does not parse.
// Of a secret it replaces that: it may quote it.
func explained(k *kong.Kong, err error) error {
	for _, f := range allFlags(k) {
		flag := "--" + f.Name
		if !strings.HasPrefix(err.Error(), flag+": ") {
			continue
		}
		if isSecret(f) {
			return errors.New(refused(origin{fromFlag, flag}, f, "", nil).String())
		}
		if want := accepted(f); want != "" {
			return fmt.Errorf("%w: want %s", err, want)
		}
	}
	return err
}

// parse returns the value of f that texts spell.
func parse(f *kong.Flag, texts ...string) (reflect.Value, error) {
	v := reflect.New(f.Target.Type()).Elem()
	f.Set = false // else kong's existingfile leaves v empty
	for _, text := range texts {
		if err := f.Parse(kong.ScanAsType(kong.FlagValueToken, text), v); err != nil {
			return v, err
		}
	}
	return v, nil
}
