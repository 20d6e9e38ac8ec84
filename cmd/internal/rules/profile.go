package rules

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/scanhound/scanhound/internal/defaults"

	"go.yaml.in/yaml/v3"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
	"github.com/scanhound/scanhound/detect"
)

// Profile is a complete set of rules with a name.
type Profile struct {
	Name  string
	About string // what it is for
	Rules detect.Rules
	// From says of each rule that is not the default where its value stands, and why.
	From map[string]string
	// Shipped: no part of it is from a file.
	Shipped bool
}

// Default is the name of the profile that is chosen where nothing else is, and
// that all others extend in the end. A file may change it.
const Default = "default"

//go:embed shipped.yaml
var shipped []byte

// Read returns all profiles there are by the rules file with that text: those
// that ship, and those of the file, which may have the name of one that ships.
// Its error has a line for each mistake.
func Read(text []byte) ([]Profile, error) {
	base := []Profile{{
		Name: Default, About: "What holds where nothing else is chosen.",
		Rules: defaults.Of[detect.Rules](), From: map[string]string{}, Shipped: true,
	}}
	own, err := extend(base, shipped)
	if err != nil {
		panic("BUG: the profiles that ship: " + err.Error())
	}
	for i := range own {
		own[i].Shipped = true
	}
	return extend(own, text)
}

func find(list []Profile, name string) *Profile {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func names(list []Profile) (all []string) {
	for _, p := range list {
		all = append(all, p.Name)
	}
	return all
}

// Names of the rules, which are those of their flags.
func Names() []string { return settings.ValuesOf(new(detect.Rules)).Names() }

// node writes the profile as an entry of a rules file, with where each value is
// from as a comment.
func (p *Profile) node() (key, value *yaml.Node) {
	key = &yaml.Node{Kind: yaml.ScalarNode, Value: p.Name}
	value = &yaml.Node{Kind: yaml.MappingNode}
	add := func(name string, n *yaml.Node) {
		value.Content = append(value.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, n)
	}
	if p.About != "" {
		add("about", &yaml.Node{Kind: yaml.ScalarNode, Value: p.About})
	}
	values := settings.ValuesOf(&p.Rules)
	for _, name := range values.Names() {
		n := values.Node(name)
		if n.LineComment = p.From[name]; n.LineComment == "" {
			n.LineComment = "default"
		}
		add(name, n)
	}
	return key, value
}

// Text writes profiles as a rules file that Read takes.
func Text(list ...Profile) []byte {
	file := yaml.Node{Kind: yaml.MappingNode}
	for i := range list {
		key, value := list[i].node()
		file.Content = append(file.Content, key, value)
	}
	text, err := yaml.Marshal(&file)
	if err != nil {
		panic("BUG: write profiles: " + err.Error())
	}
	return text
}

// pick returns the named profile; its error says which there are.
func pick(list []Profile, name string) (Profile, error) {
	if p := find(list, name); p != nil {
		return *p, nil
	}
	all := names(list)
	slices.Sort(all)
	return Profile{}, fmt.Errorf("there is no profile %q; %s", name, yamlfile.Instead(name, all))
}
