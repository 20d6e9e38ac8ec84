package service

import (
	"errors"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Settings is a program's settings as resolved, and where each came from.
type Settings struct {
	// Text is what --help or --version asked for. Where it is not empty, it is
	// to be printed and nothing else is set.
	Text string
	// Unknown are the variables SCANHOUND_... that no program has, each with the
	// nearest one that exists in parentheses: a reason to warn.
	Unknown []string

	common  common
	command Command
	flags   []*kong.Flag
	origins map[*kong.Flag]origin
}

// Parse fills cli, a pointer to a struct of kong-tagged fields, from the command
// line, the environment ("NAME=value"), the settings file and the defaults, and
// checks it. Its errors have an [ExitCode].
//
// A field is on the command line only with the tag env:"-"; secret:"" masks it
// wherever settings are shown. A struct among the fields, with embed:"" and
// prefix:"x-" or nameless, is a group; what its Validate says is reported with
// the place of the setting whose name it begins with: "linger: more than 1m".
// Kong's hooks (BeforeApply and the like) are not called.
func Parse(p Program, cli any, args, environ []string) (*Settings, error) {
	var text strings.Builder
	s := &Settings{origins: map[*kong.Flag]origin{}}
	k := newParser(p, cli, &s.common, &text)
	line, err := kong.Trace(k, args)
	if err == nil {
		err = line.Error
	}
	if err != nil {
		return nil, withCode(exitUsage, withoutSecret(k, err))
	}
	if shown, err := s.show(p, line); shown || err != nil {
		s.Text += text.String()
		return s, err
	}
	if err := line.Reset(); err != nil {
		panic("BUG: default of " + p.Name + ": " + err.Error())
	}
	if _, err := line.Apply(); err != nil {
		return nil, withCode(exitUsage, err)
	}
	s.flags = line.Flags()
	s.command = commandOf(line)
	if wrong := newResolver(p, k, s, line).resolve(environ); len(wrong) > 0 {
		return nil, withCode(settingsError(wrong).code(), settingsError(wrong))
	}
	if err := line.Validate(); err != nil {
		return nil, withCode(exitUsage, err)
	}
	return s, nil
}

// show answers --help and --version, which need nothing else to be right.
func (s *Settings) show(p Program, line *kong.Context) (bool, error) {
	for _, step := range line.Path {
		switch {
		case step.Flag == nil:
		case step.Flag == line.Model.HelpFlag:
			return true, line.PrintUsage(false)
		case step.Flag.Name == "version":
			s.Text = p.Name + " " + Version().String() + "\n"
			return true, nil
		}
	}
	return false, nil
}

func commandOf(line *kong.Context) Command {
	target := line.Model.Target
	if n := line.Selected(); n != nil {
		target = n.Target
	}
	c, _ := target.Addr().Interface().(Command)
	return c
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

// withoutSecret replaces what kong says of a secret that does not parse: it may
// quote it.
func withoutSecret(k *kong.Kong, err error) error {
	for _, f := range allFlags(k) {
		if flag := "--" + f.Name; isSecret(f) && strings.HasPrefix(err.Error(), flag+": ") {
			return errors.New(refused(origin{fromFlag, flag}, f, "", nil).String())
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
