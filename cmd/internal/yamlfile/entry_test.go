package yamlfile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// dog is the fields of an entry: a name, which has a size, and toys.
type dog map[string]string

func (d dog) Names() []string { return []string{"name", "toys"} }

func (d dog) Set(name string, n *yaml.Node) error {
	texts := []string{n.Value}
	if n.Kind == yaml.SequenceNode {
		texts = nil
		for _, e := range n.Content {
			texts = append(texts, e.Value)
		}
	}
	if d[name] = strings.Join(texts, "+"); len(d[name]) > 12 {
		return errors.New(name + " is too long")
	}
	return nil
}

func kennel(text string) (dogs []dog, wrong string) {
	f := yamlfile.Parse([]byte(text))
	for e := range f.Entries("a list of dogs") {
		d := dog{}
		if e.Fill(d) {
			dogs = append(dogs, d)
		}
	}
	if err := f.Err(); err != nil {
		wrong = err.Error()
	}
	return dogs, wrong
}

func TestEntriesFillTheFieldsOfTheirNames(t *testing.T) {
	for text, want := range map[string][]dog{
		"":   nil,
		"[]": nil,
		"~":  nil,
		"- name: rex\n- {name: bello, toys: [a, b]}\n":                         {{"name": "rex"}, {"name": "bello", "toys": "a+b"}},
		"- &d {name: &n rex, toys: [&t ball]}\n- *d\n- {name: *n, toys: [*t]}": {{"name": "rex", "toys": "ball"}, {"name": "rex", "toys": "ball"}, {"name": "rex", "toys": "ball"}},
		"- &d {name: rex, toys: ball}\n- {<<: *d, name: bello}":                {{"name": "rex", "toys": "ball"}, {"name": "bello", "toys": "ball"}},
	} {
		got, wrong := kennel(text)
		if d := cmp.Diff(want, got); d != "" || wrong != "" {
			t.Errorf("%q: %s\n%s", text, wrong, d)
		}
	}
}

func TestAllThatIsWrongWithEntriesIsToldAtOnce(t *testing.T) {
	got, wrong := kennel(`- name: rex
- nmae: bello
  toys: ball
  toys: bone
- 7
- name: somebody-long
  age: 3
- [name]: x
- name: last
`)
	if d := cmp.Diff([]dog{{"name": "rex"}, {"name": "last"}}, got); d != "" {
		t.Error(d)
	}
	want := `line 2: entry 2: nmae is not known here; did you mean name?
line 4: entry 2: toys stands in line 3 already
line 5: entry 3: want a list of dogs
line 6: entry 4: name is too long
line 7: entry 4: age is not known here; there are [name toys]
line 8: entry 5: a key must be a word`
	if d := cmp.Diff(want, wrong); d != "" {
		t.Error(d)
	}
	if _, wrong := kennel("# dogs\nname: rex\n"); wrong != "line 2: want a list of dogs" {
		t.Errorf("no list: %s", wrong)
	}
}
