package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/cmd/internal/service"
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
	r := reader{below: below, failed: map[string]bool{}}
	r.read(text)
	for i := range r.entries {
		r.resolve(&r.entries[i], nil)
	}
	if len(r.wrong) > 0 {
		return nil, errors.Join(r.wrong...)
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
	below   []Profile
	entries []entry
	done    []Profile       // resolved
	failed  map[string]bool // that cannot be; said why already
	wrong   []error
}

func (r *reader) refuse(line int, format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

func (r *reader) read(text []byte) {
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&root); {
	case errors.Is(err, io.EOF): // an empty file, or comments only
		return
	case err != nil:
		r.wrong = append(r.wrong, errors.New(strings.TrimPrefix(err.Error(), "yaml: ")))
		return
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		r.refuse(more.Line, "a second document begins here; one file holds one")
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode {
		r.refuse(top.Line, "want profiles by name, such as %s: {vertical: [15, 20, 30, 40]}", Default)
		return
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, body := top.Content[i], top.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			r.refuse(name.Line, "the name of a profile must be a word")
		case body.Kind != yaml.MappingNode:
			r.refuse(name.Line, "profile %s: want rules by name, such as vertical: [15, 20, 30, 40]", name.Value)
		case r.entry(name.Value) != nil:
			r.refuse(name.Line, "profile %s stands in line %d already", name.Value, r.entry(name.Value).line)
		default:
			r.profile(name, body)
		}
	}
}

func (r *reader) profile(name, body *yaml.Node) {
	e := entry{name: name.Value, line: name.Line}
	seen := map[string]int{}
	known := append(Names(), "about", "extends")
	for i := 0; i+1 < len(body.Content); i += 2 {
		key, n := body.Content[i], body.Content[i+1]
		first, twice := seen[key.Value]
		seen[key.Value] = key.Line
		switch {
		case twice:
			r.refuse(key.Line, "profile %s: %s stands in line %d already", e.name, key.Value, first)
		case !slices.Contains(known, key.Value):
			r.refuse(key.Line, "profile %s: %s is not a rule; %s", e.name, key.Value, instead(key.Value, known))
		case key.Value == "about" || key.Value == "extends":
			if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
				r.refuse(key.Line, "profile %s: %s: want a text", e.name, key.Value)
			} else if key.Value == "about" {
				e.about = n.Value
			} else {
				e.extends = n.Value
			}
		default:
			e.values = append(e.values, value{key.Value, key.Line, n})
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
		r.refuse(e.line, "profile %s extends itself: %s", e.name, strings.Join(above, " extends "))
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
	before := len(r.wrong)
	values := service.ValuesOf(&p.Rules)
	lines := map[string]int{}
	for _, v := range e.values {
		lines[v.rule] = v.line
		if err := values.Set(v.rule, v.node); err != nil {
			r.refuse(v.line, "profile %s: %s", e.name, err)
		}
		p.From[v.rule] = "profile " + e.name + because(v.node)
	}
	if err := p.Rules.Validate(); err != nil && len(r.wrong) == before {
		rule, _, _ := strings.Cut(err.Error(), " ")
		line, own := lines[strings.TrimSuffix(rule, ":")]
		if !own {
			line = e.line
		}
		r.refuse(line, "profile %s: %s", e.name, err)
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
		r.refuse(e.line, "profile %s: extends %q, which is no profile; %s", e.name, e.extends, instead(e.extends, all))
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
