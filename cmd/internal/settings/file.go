package settings

import (
	"os"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// settingsFile is a YAML file of settings, flattened: the key of a value is the
// name of its flag.
//
//	kafka:                    kafka-brokers, line 2
//	  brokers: [a:9092]
//	log-level: debug          log-level, line 3
type settingsFile struct {
	values   []fileValue
	problems problems

	yaml  *yamlfile.File
	path  string
	isMap func(key string) bool
	seen  map[string]int // key to line
}

// fileValue is one key of the file and what stands there: a text, a list of
// texts, or the texts key=value of a map.
type fileValue struct {
	key   string
	texts []fileText
	list  bool
	o     origin
}

type fileText struct {
	text string
	o    origin
}

// readSettings reads the file at path; isMap tells a flag that takes a map from
// a group of flags. What is wrong with the file is in its problems.
func readSettings(path string, isMap func(key string) bool) *settingsFile {
	f := &settingsFile{path: path, isMap: isMap, seen: map[string]int{}}
	text, err := os.ReadFile(path)
	if err != nil {
		f.problems = append(f.problems, problem{text: "read the settings file: " + err.Error()})
		return f
	}
	f.parse(text)
	return f
}

func (f *settingsFile) parse(text []byte) {
	f.yaml = yamlfile.Parse(text)
	switch top := f.yaml.Root; {
	case top == nil || yamlfile.IsNull(top):
	case top.Kind != yaml.MappingNode:
		f.yaml.Wrong(top.Line, "want a map of settings, such as log-level: debug")
	default:
		f.flatten("", top)
	}
	for _, m := range f.yaml.Mistakes() {
		if m.Line == 0 {
			f.problems = append(f.problems, problem{text: f.path + ": yaml: " + m.Text})
			continue
		}
		f.problems = append(f.problems, problem{f.at(m.Line), m.Text})
	}
}

func (f *settingsFile) flatten(prefix string, m *yaml.Node) {
	for _, k := range f.yaml.Keys(m, "a key") {
		key := prefix + k.Name
		switch {
		case k.Value.Kind == yaml.AliasNode:
			f.yaml.Wrong(k.Line, "%s: anchors and aliases are not read here; write the value out", key)
		case k.Value.Kind == yaml.MappingNode && !f.isMap(key):
			f.flatten(key+"-", k.Value)
		default:
			f.add(key, k.Line, k.Value)
		}
	}
}

func (f *settingsFile) add(key string, line int, value *yaml.Node) {
	if !f.yaml.Once(f.seen, "", key, line) {
		return
	}
	v := fileValue{key: key, o: f.at(line), list: value.Kind != yaml.ScalarNode}
	switch {
	case yamlfile.IsNull(value): // what it means depends on whether key is a setting
	case value.Kind == yaml.ScalarNode:
		v.texts = []fileText{{value.Value, v.o}}
	case value.Kind == yaml.SequenceNode:
		for _, e := range value.Content {
			f.element(&v, "", e)
		}
	default:
		for i := 0; i+1 < len(value.Content); i += 2 {
			f.element(&v, value.Content[i].Value+"=", value.Content[i+1])
		}
	}
	f.values = append(f.values, v)
}

func (f *settingsFile) element(v *fileValue, name string, e *yaml.Node) {
	if e.Kind != yaml.ScalarNode || yamlfile.IsNull(e) {
		f.yaml.Wrong(e.Line, "%s: an element must be a single value", v.key)
		return
	}
	v.texts = append(v.texts, fileText{name + e.Value, f.at(e.Line)})
}

func (f *settingsFile) at(line int) origin {
	return origin{fromFile, f.path + ":" + strconv.Itoa(line)}
}
