package rules

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// entry is one profile of a rules file:
//
//	dmz:
//	  about: servers that the Internet reaches
//	  extends: internet-edge
//	  vertical: [10, 15, 20, 30] # what runs here is known
//
// Without extends it extends the profile that ships under its name, else the
// default one. The keys besides are the names of rules.
type entry struct {
	name    string
	line    int
	about   string
	extends string
	values  []value
}

type value struct {
	rule string
	line int
	node *yaml.Node
}

// extend returns the profiles of below with those that text defines: new ones,
// and ones in the place of those that they are named after.
func extend(below []Profile, text []byte) ([]Profile, error) {
	r := reader{File: yamlfile.Parse(text), below: below, failed: map[string]bool{}}
	r.read()
	for i := range r.entries {
		r.resolve(&r.entries[i], nil)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	all := slices.Clone(below)
	for _, p := range r.done {
		if known := find(all, p.Name); known != nil {
			*known = p
		} else {
			all = append(all, p)
		}
	}
	return all, nil
}

// reader reads a rules file to its end, whatever is wrong with it.
type reader struct {
	*yamlfile.File
	below   []Profile
	entries []entry
	done    []Profile       // resolved
	failed  map[string]bool // that cannot be; said why already
}

func (r *reader) read() {
	if r.Root == nil {
		return
	}
	if r.Root.Kind != yaml.MappingNode {
		r.Wrong(r.Root.Line, "want profiles by name, such as %s: {vertical: [15, 20, 30, 40]}", Default)
		return
	}
	seen := map[string]int{}
	for _, k := range r.Keys(r.Root, "the name of a profile") {
		switch {
		case k.Value.Kind != yaml.MappingNode:
			r.Wrong(k.Line, "profile %s: want rules by name, such as vertical: [15, 20, 30, 40]", k.Name)
		case r.Once(seen, "", "profile "+k.Name, k.Line):
			r.profile(k)
		}
	}
}

func (r *reader) profile(p yamlfile.Key) {
	e := entry{name: p.Name, line: p.Line}
	where := "profile " + p.Name + ": "
	seen := map[string]int{}
	known := append(Names(), "about", "extends")
	for _, k := range r.Keys(p.Value, where+"a key") {
		text := k.Name == "about" || k.Name == "extends"
		switch {
		case !r.Once(seen, where, k.Name, k.Line):
		case !slices.Contains(known, k.Name):
			r.Wrong(k.Line, "%s%s is not a rule; %s", where, k.Name, yamlfile.Instead(k.Name, known))
		case text && (k.Value.Kind != yaml.ScalarNode || yamlfile.IsNull(k.Value)):
			r.Wrong(k.Line, "%s%s: want a text", where, k.Name)
		case k.Name == "about":
			e.about = k.Value.Value
		case k.Name == "extends":
			e.extends = k.Value.Value
		default:
			e.values = append(e.values, value{k.Name, k.Line, k.Value})
		}
	}
	r.entries = append(r.entries, e)
}

func (r *reader) entry(name string) *entry {
	for i := range r.entries {
		if r.entries[i].name == name {
			return &r.entries[i]
		}
	}
	return nil
}

// resolve makes a profile of e, after those that it extends. above are the
// entries that wait for it, by which a circle shows.
func (r *reader) resolve(e *entry, above []string) (Profile, bool) {
	if p := find(r.done, e.name); p != nil {
		return *p, true
	}
	if r.failed[e.name] {
		return Profile{}, false
	}
	above = append(above, e.name)
	if slices.Index(above, e.name) < len(above)-1 {
		r.Wrong(e.line, "profile %s extends itself: %s", e.name, strings.Join(above, " extends "))
		r.failed[e.name] = true
		return Profile{}, false
	}
	p, ok := r.parent(e, above)
	if !ok {
		r.failed[e.name] = true
		return Profile{}, false
	}
	r.fill(&p, e)
	r.done = append(r.done, p)
	return p, true
}

// fill puts into p, a copy of what e extends, what e says itself.
func (r *reader) fill(p *Profile, e *entry) {
	p.Name, p.Shipped, p.From = e.name, false, maps.Clone(p.From)
	if e.about != "" {
		p.About = e.about
	}
	values := settings.ValuesOf(&p.Rules)
	lines := map[string]int{}
	for _, v := range e.values {
		lines[v.rule] = v.line
		if err := values.Set(v.rule, v.node); err != nil {
			r.Wrong(v.line, "profile %s: %s", e.name, err)
		}
		p.From[v.rule] = "profile " + e.name + because(v.node)
	}
	wrong, _ := p.Rules.Validate().(interface{ Unwrap() []error })
	if wrong == nil {
		return
	}
	for _, err := range wrong.Unwrap() {
		rule, _, _ := strings.Cut(err.Error(), " ")
		// What is wrong in the profile that it extends is said there.
		if line, own := lines[strings.TrimSuffix(rule, ":")]; own {
			r.Wrong(line, "profile %s: %s", e.name, err)
		}
	}
}

// parent returns the profile that e extends.
func (r *reader) parent(e *entry, above []string) (Profile, bool) {
	if e.extends != "" && e.extends != e.name {
		if o := r.entry(e.extends); o != nil {
			return r.resolve(o, above)
		}
	}
	switch p := find(r.below, e.extends); {
	case p != nil:
		return *p, true
	case e.extends != "":
		all := names(r.below)
		for _, o := range r.entries {
			if o.name != e.name {
				all = append(all, o.name)
			}
		}
		r.Wrong(e.line, "profile %s: extends %q, which is no profile; %s", e.name, e.extends, yamlfile.Instead(e.extends, all))
		return Profile{}, false
	}
	if p := find(r.below, e.name); p != nil {
		return *p, true
	}
	if o := r.entry(Default); o != nil {
		return r.resolve(o, above)
	}
	return *find(r.below, Default), true
}

// because is the comment beside a value, which often says why.
func because(n *yaml.Node) string {
	if c := strings.TrimSpace(strings.TrimPrefix(n.LineComment, "#")); c != "" {
		return ": " + c
	}
	return ""
}
