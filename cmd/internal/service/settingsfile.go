package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// settingsFile is a YAML file of settings, flattened: the key of a value is the
// name of its flag.
//
//	kafka:                    kafka-brokers, line 2
//	  brokers: [a:9092]
//	log-level: debug          log-level, line 3
type settingsFile struct {
	values   []fileValue
	problems []problem

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
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&root); {
	case errors.Is(err, io.EOF): // an empty file, or comments only
		return
	case err != nil:
		f.syntax(err)
		return
	}
	top := root.Content[0]
	switch {
	case isNull(top):
	case top.Kind != yaml.MappingNode:
		f.wrong(top.Line, "want a map of settings, such as log-level: debug")
	default:
		f.flatten("", top)
	}
	if err := d.Decode(&more); err == nil {
		f.wrong(more.Line, "a second document begins here; one file holds one")
	} else if !errors.Is(err, io.EOF) {
		f.syntax(err)
	}
}

func (f *settingsFile) flatten(prefix string, m *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		name, value := m.Content[i], m.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			f.wrong(name.Line, "a key must be a word")
			continue
		}
		key := prefix + name.Value
		switch {
		case value.Kind == yaml.AliasNode:
			f.wrong(name.Line, "%s: anchors and aliases are not read here; write the value out", key)
		case value.Kind == yaml.MappingNode && !f.isMap(key):
			f.flatten(key+"-", value)
		default:
			f.add(key, name.Line, value)
		}
	}
}

func (f *settingsFile) add(key string, line int, value *yaml.Node) {
	if first, ok := f.seen[key]; ok {
		f.wrong(line, "%s stands in line %d already", key, first)
		return
	}
	f.seen[key] = line
	v := fileValue{key: key, o: f.at(line), list: value.Kind != yaml.ScalarNode}
	switch {
	case isNull(value): // what it means depends on whether key is a setting
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
	if e.Kind != yaml.ScalarNode || isNull(e) {
		f.wrong(e.Line, "%s: an element must be a single value", v.key)
		return
	}
	v.texts = append(v.texts, fileText{name + e.Value, f.at(e.Line)})
}

func (f *settingsFile) at(line int) origin {
	return origin{fromFile, f.path + ":" + strconv.Itoa(line)}
}

func (f *settingsFile) wrong(line int, format string, args ...any) {
	f.problems = append(f.problems, problem{f.at(line), fmt.Sprintf(format, args...)})
}

// syntax reports an error of the YAML parser, which has the line in its text.
func (f *settingsFile) syntax(err error) {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1]) // the pattern takes digits only
		f.wrong(line, "%s", m[2])
		return
	}
	f.problems = append(f.problems, problem{text: f.path + ": " + err.Error()})
}

var yamlLine = regexp.MustCompile(`(?s)^yaml: line (\d+): (.*)$`)

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
