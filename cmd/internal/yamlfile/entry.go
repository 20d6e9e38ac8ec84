package yamlfile

import (
	"fmt"
	"iter"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Entry is one mapping of a file that is a list of them.
type Entry struct {
	Line int

	f     *File
	where string // what its mistakes begin with: "entry 2: "
	node  *yaml.Node
}

// Fields are what the keys of an entry fill. Set's error says which key is wrong
// and what would be accepted.
type Fields interface {
	Names() []string
	Set(name string, n *yaml.Node) error
}

// Entries yields the entries of a file that is a list. A file that is none is a
// mistake; want says what to write, such as "a list of entries, each with ...".
func (f *File) Entries(want string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		switch {
		case f.Root == nil || IsNull(f.Root):
			return
		case f.Root.Kind != yaml.SequenceNode:
			f.Wrong(f.Root.Line, "want %s", want)
			return
		}
		for i, n := range f.Root.Content {
			e := Entry{Line: n.Line, f: f, where: fmt.Sprintf("entry %d: ", i+1), node: behind(n)}
			if e.node.Kind != yaml.MappingNode {
				e.Wrong("want %s", want)
				continue
			}
			if !yield(e) {
				return
			}
		}
	}
}

// Wrong notes a mistake of the entry as a whole.
func (e *Entry) Wrong(format string, args ...any) {
	e.f.Wrong(e.Line, "%s%s", e.where, fmt.Sprintf(format, args...))
}

// Fill gives the entry's values to the fields of their names, and reports whether
// nothing was wrong with any.
func (e *Entry) Fill(to Fields) bool {
	before := len(e.f.wrong)
	known := to.Names()
	seen := map[string]int{}
	keys := e.f.Keys(e.node, e.where+"a key")
	for i := 0; i < len(keys); i++ {
		k := keys[i]
		value := behind(k.Value)
		switch {
		case k.Name == "<<" && value.Kind == yaml.MappingNode: // a merge, as YAML 1.1 has it
			keys = append(keys, e.merged(value, keys)...)
		case !slices.Contains(known, k.Name):
			e.f.Wrong(k.Line, "%s%s is not known here; %s", e.where, k.Name, Instead(k.Name, known))
		case e.f.Once(seen, e.where, k.Name, k.Line):
			if err := to.Set(k.Name, expanded(value)); err != nil {
				e.f.Wrong(k.Line, "%s%v", e.where, err)
			}
		}
	}
	return len(e.f.wrong) == before
}

// merged returns the keys of m that are not among those that the entry has itself.
func (e *Entry) merged(m *yaml.Node, own []Key) []Key {
	return slices.DeleteFunc(e.f.Keys(m, e.where+"a key"), func(k Key) bool {
		return slices.ContainsFunc(own, func(o Key) bool { return o.Name == k.Name })
	})
}

// behind is what an alias stands for.
func behind(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// expanded is n with what the aliases among its elements stand for.
func expanded(n *yaml.Node) *yaml.Node {
	if !slices.ContainsFunc(n.Content, func(e *yaml.Node) bool { return e.Kind == yaml.AliasNode }) {
		return n
	}
	whole := *n
	whole.Content = nil
	for _, e := range n.Content {
		whole.Content = append(whole.Content, behind(e))
	}
	return &whole
}
