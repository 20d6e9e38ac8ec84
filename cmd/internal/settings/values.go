package settings

import (
	"cmp"
	"errors"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// Values are settings that are filled from elsewhere than a command line, such
// as a file of their own: by the names of their flags, with the checks and the
// words that the settings file has.
type Values struct{ flags []*kong.Flag }

// ValuesOf returns the settings of group, a pointer to a struct of kong-tagged fields.
func ValuesOf(group any) Values {
	k, err := kong.New(group, kong.NoDefaultHelp())
	if err != nil {
		panic("BUG: settings of a group: " + err.Error())
	}
	return Values{allFlags(k)}
}

// Names returns the names of all, in the order of their fields.
func (v Values) Names() []string {
	names := make([]string, len(v.flags))
	for i, f := range v.flags {
		names[i] = f.Name
	}
	return names
}

// Set gives the named setting the value that a YAML node spells. Its error says
// what would be accepted. A name that is none is a mistake of the caller's.
func (v Values) Set(name string, n *yaml.Node) error {
	f := v.flag(name)
	list := n.Kind == yaml.SequenceNode
	switch {
	case yamlfile.IsNull(n):
		return errors.New(f.Name + " has no value")
	case n.Kind != yaml.ScalarNode && !list, list && !f.IsCumulative():
		return errors.New(f.Name + ": want " + cmp.Or(accepted(f), "a single value"))
	case !list:
		return v.take(f, n.Value)
	}
	texts := make([]string, len(n.Content))
	for i, e := range n.Content {
		if e.Kind != yaml.ScalarNode || yamlfile.IsNull(e) {
			return errors.New(f.Name + ": an element must be a single value")
		}
		texts[i] = escaped(f, e.Value, true)
	}
	return v.take(f, texts...)
}

func (v Values) take(f *kong.Flag, texts ...string) error {
	value, err := parse(f, texts...)
	if err != nil || !inEnum(f, value) {
		return errors.New(refused(origin{}, f, strings.Join(texts, ","), err).text)
	}
	f.Target.Set(value)
	return nil
}

// Copy gives the named setting the value that it has in from.
func (v Values) Copy(name string, from Values) { v.flag(name).Target.Set(from.flag(name).Target) }

// Node returns the named setting as the settings file would spell it.
func (v Values) Node(name string) *yaml.Node {
	f := v.flag(name)
	if f.IsCumulative() {
		return collection(f.Target)
	}
	return scalar(spell(f.Target))
}

// Same reports whether all values are those of other, of the same group.
func (v Values) Same(other Values) bool {
	for i, f := range v.flags {
		if !reflect.DeepEqual(f.Target.Interface(), other.flags[i].Target.Interface()) {
			return false
		}
	}
	return true
}

func (v Values) flag(name string) *kong.Flag {
	for _, f := range v.flags {
		if f.Name == name {
			return f
		}
	}
	panic("BUG: no setting is named " + name)
}
