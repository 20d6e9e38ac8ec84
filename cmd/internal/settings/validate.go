package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// validator is a setting or a group of settings that can check itself.
type validator interface{ Validate() error }

// allowed checks a value from the command line, which kong has parsed.
func (r *resolver) allowed(f *kong.Flag) {
	if !inEnum(f, f.Target) {
		r.wrong(f, refused(r.s.origins[f], f, fmt.Sprint(f.Target), nil))
	}
}

// required reports the settings that have no default and were not given.
func (r *resolver) required() {
	for _, f := range r.s.flags {
		if !f.Required || r.failed[f] || r.s.origins[f].from != fromDefault {
			continue
		}
		text := f.Name + " is required: give --" + f.Name
		if name := variable(f); name != "" {
			text += ", $" + name + " or " + f.Name + " in the settings file"
		}
		r.wrong(f, problem{text: text})
	}
}

// validate asks each group on the way to the selected command, innermost first,
// and each setting. A group that holds a value already refused is not asked.
func (r *resolver) validate() {
	flags := map[uintptr]*kong.Flag{} // by the address of the field
	for _, f := range r.s.flags {
		flags[f.Target.Addr().Pointer()] = f
		if v, ok := f.Target.Addr().Interface().(validator); ok && !r.failed[f] {
			r.report(v.Validate(), "", []member{{f, f.Name}})
		}
	}
	for _, step := range r.line.Path {
		if n := step.Node(); n != nil {
			r.group(n.Target, "", flags)
		}
	}
	r.group(reflect.ValueOf(&r.s.common).Elem(), "", flags)
}

// member is a setting of a group and its name there.
type member struct {
	flag *kong.Flag
	name string
}

// group asks what is grouped in v, then v, and returns v's settings.
func (r *resolver) group(v reflect.Value, prefix string, flags map[uintptr]*kong.Flag) []member {
	var members []member
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i)
		_, embed := tag.Tag.Lookup("embed")
		switch {
		case !tag.IsExported() || tag.Tag.Get("kong") == "-":
		case embed || tag.Anonymous:
			inner := tag.Tag.Get("prefix")
			if field = reflect.Indirect(field); field.Kind() != reflect.Struct {
				continue
			}
			for _, m := range r.group(field, prefix+inner, flags) {
				members = append(members, member{m.flag, inner + m.name})
			}
		default:
			if f := flags[field.Addr().Pointer()]; f != nil {
				members = append(members, member{f, strings.TrimPrefix(f.Name, prefix)})
			}
		}
	}
	check, ok := v.Addr().Interface().(validator)
	if ok && !slices.ContainsFunc(members, func(m member) bool { return r.failed[m.flag] }) {
		r.report(check.Validate(), prefix, members)
	}
	return members
}

// report turns what Validate said, errors joined or one, into problems.
func (r *resolver) report(err error, prefix string, members []member) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			r.report(e, prefix, members)
		}
		return
	}
	p := r.locate(err.Error(), prefix, members)
	if !slices.Contains(r.problems, p) { // an outer group may repeat an inner one
		r.problems = append(r.problems, p)
	}
}

// blame is where the value of m stands, or, where that is the default, the first
// other setting that text names and that somebody has set.
func (r *resolver) blame(m member, text string, members []member) origin {
	words := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,:;()\"", c) })
	for _, other := range members {
		if r.s.origins[m.flag].from != fromDefault {
			break
		}
		if slices.Contains(words, other.name) || slices.Contains(words, other.flag.Name) {
			m = other
		}
	}
	return r.s.origins[m.flag]
}

// locate finds the setting with whose name text begins. Where there is none,
// those of the group that somebody has set are listed.
func (r *resolver) locate(text, prefix string, members []member) problem {
	first, rest, _ := strings.Cut(text, " ")
	word := strings.Trim(first, `-:,"`)
	for _, m := range members {
		if word == m.name || word == m.flag.Name {
			if strings.HasSuffix(first, ":") {
				rest = ": " + rest
			} else {
				rest = " " + rest
			}
			return problem{r.blame(m, rest, members), m.flag.Name + rest}
		}
	}
	var set []string
	for _, m := range members {
		if o := r.s.origins[m.flag]; o.from != fromDefault {
			set = append(set, m.flag.Name+" from "+o.String())
		}
	}
	if prefix != "" {
		text = strings.TrimSuffix(prefix, "-") + ": " + text
	}
	if len(set) > 0 {
		text += " (" + strings.Join(set, ", ") + ")"
	}
	return problem{text: text}
}
