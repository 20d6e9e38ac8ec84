package settings

import (
	"io"
	"net/netip"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// common are the settings of every program and command.
type common struct {
	Settings string `group:"Common:" placeholder:"FILE" help:"YAML file of settings: keys are flag names, nested maps are joined by -."`
	Log      Log    `embed:"" prefix:"log-" group:"Common:"`
	Version  bool   `group:"Common:" env:"-" help:"Print the version."`
}

// newParser returns kong's model of cli. Kong itself never looks into the
// environment: it would read what the file should have overridden, and stop at
// the first error.
func newParser(p Program, cli any, c *common, out io.Writer) *kong.Kong {
	k, err := kong.New(cli,
		kong.Name(p.Name),
		kong.Description(p.Help),
		kong.Vars{"admin": p.Admin},
		kong.Embed(c),
		kong.Writers(out, out),
		kong.ValueFormatter(helpText),
		kong.TypeMapper(reflect.TypeFor[netip.AddrPort](), kong.MapperFunc(anyAddress)),
		// 80 columns is what kong assumes of anything but a terminal.
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 80, Compact: true}),
	)
	if err != nil {
		panic("BUG: settings of " + p.Name + ": " + err.Error())
	}
	for _, f := range allFlags(k) {
		f.Envs, f.Tag.Envs = nil, nil
	}
	return k
}

// anyAddress takes what netip does, and a port alone, which net.Listen takes for all
// addresses of the machine.
func anyAddress(c *kong.DecodeContext, to reflect.Value) error {
	var text string
	if err := c.Scan.PopValueInto("address", &text); err != nil {
		return err
	}
	if strings.HasPrefix(text, ":") {
		text = "[::]" + text
	}
	return to.Addr().Interface().(*netip.AddrPort).UnmarshalText([]byte(text))
}

func allFlags(k *kong.Kong) []*kong.Flag {
	var flags []*kong.Flag
	// The visitor never fails.
	_ = kong.Visit(k.Model.Node, func(v kong.Visitable, next kong.Next) error {
		if f, ok := v.(*kong.Flag); ok {
			flags = append(flags, f)
		}
		return next(nil)
	})
	return flags
}

// variable returns the name of the environment variable of f, or "" where f is
// for the command line alone, which its author says with env:"-".
func variable(f *kong.Flag) string {
	switch tag := f.Tag.Get("env"); {
	case f.Name == "help", tag == "-":
		return ""
	case tag != "":
		return tag
	default:
		return prefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(f.Name))
	}
}

// prefix begins the name of every variable. The program's name is not part of
// it: the programs of one installation share most of their settings.
const prefix = "SCANHOUND_"

// inFile says whether f may stand in the settings file.
func inFile(f *kong.Flag) bool { return f.Name != "settings" && variable(f) != "" }

func isSecret(f *kong.Flag) bool { return f.Tag.Has("secret") }

// helpText is the help of one flag with its values, default and variable.
func helpText(v *kong.Value) string {
	if v.Flag == nil {
		return v.Help
	}
	var notes []string
	if v.Enum != "" {
		notes = append(notes, "one of "+strings.Join(v.EnumSlice(), ", "))
	}
	if v.Default != "" {
		notes = append(notes, "default "+v.Default)
	}
	if name := variable(v.Flag); name != "" {
		notes = append(notes, "$"+name)
	}
	if len(notes) == 0 {
		return v.Help
	}
	return v.Help + " [" + strings.Join(notes, "; ") + "]"
}
