package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// manual writes the man pages, from what --help says.
type manual struct {
	Out string `default:"." placeholder:"FOLDER" help:"Folder that the pages are written to."`
}

// Run writes them.
func (m *manual) Run(_ context.Context, s *service.Service) error {
	all := pages()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := os.WriteFile(filepath.Join(m.Out, name), []byte(all[name]), 0o644); err != nil {
			return s.Misconfigured("out", err)
		}
		fmt.Fprintln(s.Stdout, name)
	}
	return nil
}

// pages are the man pages by file name: one of scanhound, one of each command, one of each
// other program under the name that the packages give it, and that of the settings file.
func pages() map[string]string {
	all := settings.Describe(program, new(cli))
	out := map[string]string{"scanhound.1": overview(all), "scanhound.yaml.5": settingsPage()}
	for _, c := range all.Commands {
		name := strings.ReplaceAll(c.Name, " ", "-")
		out[name+".1"] = page(name, "1", c)
	}
	for _, d := range deployed() {
		if name := "scanhound-" + d.Name; !strings.Contains(d.Name, " ") {
			d.Name = name
			out[name+".8"] = page(name, "8", d)
		}
	}
	return out
}

// roff is text of a page: what would be a request at the begin of a line, or a dash that
// could be broken or turned into another, is none.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func heading(name, section, about string) string {
	return fmt.Sprintf(".TH \"%s\" \"%s\" \"\" \"scanhound %s\" \"scanhound\"\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(name)), section, roff(service.Version().Version), roff(name), roff(brief(about)))
}

func overview(d settings.Described) string {
	var b strings.Builder
	b.WriteString(heading(d.Name, "1", d.Help))
	b.WriteString(".SH SYNOPSIS\n.B scanhound\n.I command\n[flags]\n.SH DESCRIPTION\n" + roff(d.Help) + "\n.SH COMMANDS\n")
	for _, c := range d.Commands {
		fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(strings.ReplaceAll(c.Name, " ", "-")), roff(c.Help))
	}
	b.WriteString(`.SH "EXIT STATUS"
.TP
0
All is well.
.TP
1
It failed while it ran; the last line says why.
.TP
2
The command line cannot be understood.
.TP
3
A setting, or a file that one names, is wrong.
.TP
4
Kafka or NATS could not be reached.
.SH FILES
.I /etc/scanhound/scanhound.yaml
.SH "SEE ALSO"
`)
	b.WriteString(".BR scanhound.yaml (5),\n.BR scanhound\\-ingest (8),\n.BR scanhound\\-detector (8),\n.BR scanhound\\-alerter (8)\n")
	return b.String()
}

func page(name, section string, d settings.Described) string {
	var b strings.Builder
	b.WriteString(heading(name, section, d.Help))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[flags]", roff(d.Name))
	for _, a := range d.Args {
		b.WriteString(" " + roff(a.Usage))
	}
	b.WriteString("\n.SH DESCRIPTION\n" + roff(d.Help) + "\n")
	for _, a := range d.Args {
		fmt.Fprintf(&b, ".TP\n%s\n%s\n", roff(a.Usage), roff(a.Help))
	}
	var groups []string
	of := map[string][]settings.Setting{}
	for _, s := range d.Settings {
		if of[s.Group] = append(of[s.Group], s); !slices.Contains(groups, s.Group) {
			groups = append(groups, s.Group)
		}
	}
	for _, g := range groups {
		title := g + " flags"
		if g == "" {
			title = "Flags"
		}
		fmt.Fprintf(&b, ".SH \"%s\"\n", roff(strings.ToUpper(title)))
		for _, s := range of[g] {
			b.WriteString(flagText(s))
		}
	}
	b.WriteString(".SH \"SEE ALSO\"\n.BR scanhound (1),\n.BR scanhound.yaml (5)\n")
	return b.String()
}

func flagText(s settings.Setting) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TP\n.B \\-\\-%s", roff(s.Name))
	if s.Placeholder != "" {
		fmt.Fprintf(&b, "=%s", roff(s.Placeholder))
	}
	b.WriteString("\n" + roff(s.Help))
	var notes []string
	if len(s.Enum) > 0 {
		notes = append(notes, "one of "+strings.Join(s.Enum, ", "))
	}
	if s.Default != "" && s.Placeholder != "" {
		notes = append(notes, "default "+s.Default)
	}
	if s.Variable != "" {
		notes = append(notes, "$"+s.Variable)
	}
	if len(notes) > 0 {
		b.WriteString("\n[" + roff(strings.Join(notes, "; ")) + "]")
	}
	return b.String() + "\n"
}

// settingsPage is the file itself, line for line.
func settingsPage() string {
	var b strings.Builder
	b.WriteString(heading("scanhound.yaml", "5", "settings of scanhound and its programs"))
	b.WriteString(".SH DESCRIPTION\nThe file that a package installs as\n.IR /etc/scanhound/scanhound.yaml ,\nand that\n.B scanhound settings\nprints:\n.PP\n.nf\n")
	for line := range strings.Lines(settingsFile()) {
		b.WriteString(roff(line))
	}
	b.WriteString(".fi\n.SH \"SEE ALSO\"\n.BR scanhound (1)\n")
	return b.String()
}
