package settings

import (
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// Described is a program, or one of its commands, as manuals and shells show it.
type Described struct {
	Name     string // as it is typed: scanhound replay
	Help     string
	Args     []Argument
	Settings []Setting
	Commands []Described
}

// Argument is what a command takes without a name.
type Argument struct {
	Usage string // [<programs> ...]
	Help  string
	Enum  []string
	File  bool
}

// Setting is a flag as its readers see it.
type Setting struct {
	Name, Help, Group string
	Placeholder       string   // of a value: FILE; "" where it takes none
	Default           string   // as it stands in a settings file; "" where there is none
	Enum              []string // the only values, if they are few
	Variable          string   // of the environment; "" for the command line alone
	InFile            bool     // it may stand in the settings file
	File              bool     // it names a file
	Required          bool
}

// Describe returns what Parse would take. Nothing is read. A command of commands is followed by these.
func Describe(p Program, cli any) Described {
	k := newParser(p, cli, new(common), io.Discard)
	d := described(p.Name, k.Model.Node)
	d.Help = p.Help
	var all []Described
	for _, c := range d.Commands {
		all = append(append(all, c), c.Commands...)
	}
	d.Commands = all
	return d
}

func described(name string, n *kong.Node) Described {
	d := Described{Name: name, Help: n.Help}
	for _, p := range n.Positional {
		d.Args = append(d.Args, Argument{p.Summary(), p.Help, choices(p), isFile(p)})
	}
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			d.Settings = append(d.Settings, setting(f))
		}
	}
	for _, c := range n.Children {
		if !c.Hidden {
			d.Commands = append(d.Commands, described(name+" "+c.Name, c))
		}
	}
	return d
}

func setting(f *kong.Flag) Setting {
	s := Setting{
		Name: f.Name, Help: f.Help, Enum: choices(f.Value), Variable: variable(f), InFile: inFile(f),
		File: isFile(f.Value), Required: f.Required,
	}
	if f.Group != nil {
		s.Group = strings.TrimSuffix(f.Group.Title, ":")
	}
	switch {
	case f.IsBool():
		s.Default = "false"
	case f.PlaceHolder != "":
		s.Placeholder = f.PlaceHolder
	default:
		s.Placeholder = strings.ToUpper(f.Name[strings.LastIndex(f.Name, "-")+1:])
	}
	if f.Default != "" {
		s.Default = inYAML(f)
	}
	return s
}

// inYAML is the default of f as the settings file would have it.
func inYAML(f *kong.Flag) string {
	node := scalar(f.Default)
	if f.IsCumulative() {
		v, err := parse(f, f.Default)
		if err != nil {
			panic("BUG: default of " + f.Name + ": " + err.Error())
		}
		node = collection(v)
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		panic("BUG: write the default of " + f.Name + ": " + err.Error())
	}
	return strings.TrimSpace(string(text))
}

func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

func isFile(v *kong.Value) bool {
	return v.Name == "file" || v.Flag != nil && (v.Flag.PlaceHolder == "FILE" || v.Flag.PlaceHolder == "FOLDER")
}
