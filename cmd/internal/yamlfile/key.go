package yamlfile

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Key is a key of a mapping, and what stands there.
type Key struct {
	Name  string
	Line  int
	Value *yaml.Node
}

// Keys returns the keys of m in their order. One that is not a word is a mistake,
// in which it is called what, such as "a key".
func (f *File) Keys(m *yaml.Node, what string) []Key {
	var keys []Key
	for i := 0; i+1 < len(m.Content); i += 2 {
		name, value := m.Content[i], m.Content[i+1]
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			f.Wrong(name.Line, "%s must be a word", what)
			continue
		}
		keys = append(keys, Key{name.Value, name.Line, value})
	}
	return keys
}

// Once reports whether name is not among those seen, which it then joins. That it
// stands twice is a mistake; where is what the mistake's text begins with.
func (f *File) Once(seen map[string]int, where, name string, line int) bool {
	if first, twice := seen[name]; twice {
		f.Wrong(line, "%s%s stands in line %d already", where, name, first)
		return false
	}
	seen[name] = line
	return true
}

// IsNull reports whether nothing stands at n.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Instead is what to write in place of a word that is none of those known.
func Instead(word string, known []string) string {
	if n := Nearest(word, known); n != "" {
		return "did you mean " + n + "?"
	}
	return fmt.Sprintf("there are %v", known)
}
