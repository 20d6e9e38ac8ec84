package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// settingsCommand prints the file that a new installation begins with.
type settingsCommand struct{}

// Run prints it.
func (*settingsCommand) Run(_ context.Context, s *service.Service) error {
	_, err := io.WriteString(s.Stdout, settingsFile())
	return err
}

// shared is one setting, and what has it.
type shared struct {
	settings.Setting
	owners   []string
	defaults map[string]string // by owner
}

// deployed are the programs that run for long, and read the settings file.
func deployed() []settings.Described {
	var all []settings.Described
	for _, c := range settings.Describe(program, new(cli)).Commands {
		if c.Name == "scanhound serve" {
			all = append(all, c)
		}
	}
	for _, name := range []string{"ingest", "detector", "alerter"} {
		p := programOf(name)
		all = append(all, settings.Describe(p.Program, p.cli))
	}
	return all
}

// sharedSettings are the settings of all that is deployed, by group.
func sharedSettings() (groups []string, of map[string][]*shared) {
	of = map[string][]*shared{}
	byName := map[string]*shared{}
	for _, p := range deployed() {
		owner := p.Name[strings.LastIndex(p.Name, " ")+1:]
		for _, s := range p.Settings {
			if !s.InFile {
				continue
			}
			if byName[s.Name] == nil {
				byName[s.Name] = &shared{Setting: s, defaults: map[string]string{}}
				of[s.Group] = append(of[s.Group], byName[s.Name])
			}
			byName[s.Name].owners = append(byName[s.Name].owners, owner)
			byName[s.Name].defaults[owner] = s.Default
			if !slices.Contains(groups, s.Group) {
				groups = append(groups, s.Group)
			}
		}
	}
	return groups, of
}

const settingsHead = `# Settings of scanhound: each as a comment, with its default. Remove the # of what you change, and restart.
#
# A flag of the same name wins over the variable, and that over this file. Nested maps are joined by -, so
#   kafka:
#     brokers: [kafka-0:9092]
# is kafka-brokers. What a program does not know is an error, with what was meant; "scanhound check --settings FILE"
# says all that is wrong at once. A line "only serve" is for scanhound serve, and refused by the other programs.
`

// settingsFile is every setting with its default, as comments.
func settingsFile() string {
	var b strings.Builder
	b.WriteString(settingsHead)
	groups, of := sharedSettings()
	for _, g := range groups {
		fmt.Fprintf(&b, "\n\n# ---- %s ----\n", g)
		for _, s := range of[g] {
			s.write(&b)
		}
	}
	return b.String()
}

func (s *shared) write(b *strings.Builder) {
	b.WriteString("\n")
	for _, line := range wrapped(s.Help, 110) {
		fmt.Fprintf(b, "# %s\n", line)
	}
	notes := []string{strings.Join(s.owners, ", ")}
	if len(s.owners) == 1 {
		notes[0] = "only " + notes[0]
	}
	if s.Variable != "" {
		notes = append(notes, "$"+s.Variable)
	}
	if len(s.Enum) > 0 {
		notes = append(notes, "one of "+strings.Join(s.Enum, ", "))
	}
	fmt.Fprintf(b, "# (%s)\n", strings.Join(notes, "; "))
	for _, owner := range s.owners {
		if s.defaults[owner] != s.Default { // no one line is the default of all
			for _, owner := range s.owners {
				fmt.Fprintf(b, "# %s: %s # %s\n", s.Name, s.defaults[owner], owner)
			}
			return
		}
	}
	if s.Default == "" {
		fmt.Fprintf(b, "# %s: %s\n", s.Name, s.Placeholder) // to be filled in
		return
	}
	fmt.Fprintf(b, "#%s: %s\n", s.Name, s.Default)
}

// wrapped breaks text between words into lines of at most n bytes.
func wrapped(text string, n int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > n {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
