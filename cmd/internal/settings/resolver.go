package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// resolver finds the value of each flag of the selected command. It looks at
// what is overridden too: a wrong value in the file is wrong today, not on the
// day on which somebody drops the flag.
type resolver struct {
	s        *Settings
	line     *kong.Context
	given    map[*kong.Flag]bool // on the command line
	keys     []string            // all that a file may hold, this command's or another's
	maps     map[string]bool     // those of them that hold a map
	vars     []string            // all variables that mean something
	problems problems
	failed   map[*kong.Flag]bool
}

func newResolver(p Program, k *kong.Kong, s *Settings, line *kong.Context) *resolver {
	r := &resolver{s: s, line: line, given: map[*kong.Flag]bool{}, failed: map[*kong.Flag]bool{}, maps: map[string]bool{}}
	for _, step := range line.Path {
		if step.Flag != nil {
			r.given[step.Flag] = true
		}
	}
	r.vars = slices.Clone(p.Variables)
	known := allFlags(k)
	for _, other := range p.Others {
		known = append(known, allFlags(newParser(p, other, new(common), nil))...)
	}
	for _, f := range known {
		if name := variable(f); name != "" {
			r.vars = append(r.vars, name)
		}
		if inFile(f) {
			r.keys = append(r.keys, f.Name)
			r.maps[f.Name] = r.maps[f.Name] || f.IsMap()
		}
	}
	return r
}

func (r *resolver) resolve(environ []string) problems {
	env := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	r.s.Unknown = unknownVariables(env, r.vars)
	r.environment(env)
	if path := r.s.common.Settings; path != "" {
		r.file(path)
	}
	for _, f := range r.s.flags {
		if r.given[f] {
			r.s.origins[f] = origin{fromFlag, "--" + f.Name}
			r.allowed(f)
		}
	}
	r.required()
	r.validate()
	return r.problems
}

func (r *resolver) environment(env map[string]string) {
	for _, f := range r.s.flags {
		name := variable(f)
		text, ok := env[name]
		if name == "" || !ok {
			continue
		}
		r.take(f, origin{fromEnvironment, "$" + name}, []fileText{{text: text}})
	}
}

func (r *resolver) file(path string) {
	flags := map[string]*kong.Flag{}
	for _, f := range r.s.flags {
		if inFile(f) {
			flags[f.Name] = f
		}
	}
	file := readSettings(path, func(key string) bool { return r.maps[key] })
	r.problems = append(r.problems, file.problems...)
	for _, v := range file.values {
		f := flags[v.key]
		switch {
		case f != nil:
			r.fromFile(f, v)
		case slices.Contains(r.keys, v.key): // of another command or program
		case v.texts == nil && !v.list && r.isGroup(v.key): // all in it is commented out
		default:
			r.problems = append(r.problems, unknownKey(v.o, v.key, r.keys))
		}
	}
}

func (r *resolver) isGroup(key string) bool {
	return slices.ContainsFunc(r.keys, func(k string) bool { return strings.HasPrefix(k, key+"-") })
}

func (r *resolver) fromFile(f *kong.Flag, v fileValue) {
	switch {
	case v.texts == nil && !v.list:
		r.wrong(f, problem{v.o, fmt.Sprintf(`%s has no value; write "" for an empty one`, f.Name)})
	case v.list && !f.IsCumulative():
		r.wrong(f, problem{v.o, fmt.Sprintf("%s: want a single value, not a list", f.Name)})
	default:
		for i, t := range v.texts {
			v.texts[i].text = escaped(f, t.text, v.list)
		}
		r.take(f, v.o, v.texts)
	}
}

// escaped keeps kong from splitting an element that holds the separator.
func escaped(f *kong.Flag, text string, list bool) string {
	sep := f.Tag.Sep
	if f.IsMap() {
		sep = f.Tag.MapSep
	}
	if !list || sep == -1 {
		return text
	}
	return kong.JoinEscaped([]string{text}, sep)
}

// take gives f the value that texts spell, unless a stronger source has spoken.
func (r *resolver) take(f *kong.Flag, o origin, texts []fileText) {
	spelt := make([]string, len(texts))
	for i, t := range texts {
		spelt[i] = t.text
		if t.o == (origin{}) {
			t.o = o
		}
		v, err := parse(f, t.text)
		if err != nil || !inEnum(f, v) {
			r.wrong(f, refused(t.o, f, t.text, err))
		}
	}
	if r.failed[f] || r.given[f] || r.s.origins[f].from > o.from {
		return
	}
	v, err := parse(f, spelt...)
	if err != nil {
		r.wrong(f, refused(o, f, strings.Join(spelt, ","), err))
		return
	}
	f.Apply(v)
	r.s.origins[f] = o
}

func (r *resolver) wrong(f *kong.Flag, p problem) {
	r.failed[f] = true
	r.problems = append(r.problems, p)
}
