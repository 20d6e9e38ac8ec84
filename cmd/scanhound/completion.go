package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// completion prints what teaches a shell the commands, flags and values.
type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: bash, zsh or fish."`
}

// Run prints it.
func (c *completion) Run(_ context.Context, s *service.Service) error {
	write := map[string]func(io.Writer, settings.Described) error{"bash": bash, "zsh": zsh, "fish": fish}[c.Shell]
	return write(s.Stdout, settings.Describe(program, new(cli)))
}

// word is what a flag's value may be, for bash: the words, or that it is a file.
func word(enum []string, file bool) string {
	switch {
	case len(enum) > 0:
		return "words='" + strings.Join(enum, " ") + "'"
	case file:
		return "files=1"
	default:
		return ":"
	}
}

func bash(w io.Writer, d settings.Described) error {
	var b strings.Builder
	b.WriteString(`# bash completion of scanhound: source <(scanhound completion bash)
_scanhound() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words= files= i
  # Bash cuts at =, so of --flag=value there are three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} != -* && ${COMP_WORDS[i-1]} != = && ${COMP_WORDS[i]} != = ]]; then
      command+=${command:+ }${COMP_WORDS[i]}
      case $command in PARENTS) ;; *) break ;; esac
    fi
  done
  case "$command $prev" in
`)
	for _, c := range d.Commands {
		_, name, _ := strings.Cut(c.Name, " ")
		for _, s := range c.Settings {
			if s.Placeholder != "" {
				fmt.Fprintf(&b, "    '%s --%s') %s ;;\n", name, s.Name, word(s.Enum, s.File))
			}
		}
	}
	b.WriteString("    *)\n      case \"$command\" in\n")
	var names, parents []string
	for _, c := range d.Commands {
		_, name, _ := strings.Cut(c.Name, " ")
		if !strings.Contains(name, " ") {
			names = append(names, name)
		}
		words, values := flags(c), ":"
		if len(c.Commands) > 0 {
			parents = append(parents, name)
			values = word(subcommands(c), false)
		}
		for _, a := range c.Args {
			values = word(a.Enum, a.File)
		}
		fmt.Fprintf(&b, "        '%s') if [[ $cur == -* ]]; then words='%s'; else %s; fi ;;\n", name, strings.Join(words, " "), values)
	}
	fmt.Fprintf(&b, "        *) if [[ $cur == -* ]]; then words='--help --version'; else words='%s'; fi ;;\n", strings.Join(names, " "))
	b.WriteString(`      esac
      ;;
  esac
  if [[ -n $files ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  fi
}
complete -F _scanhound scanhound
`)
	_, err := io.WriteString(w, strings.Replace(b.String(), "PARENTS", strings.Join(parents, "|"), 1))
	return err
}

// subcommands are the last words of the commands of a command.
func subcommands(d settings.Described) (names []string) {
	for _, c := range d.Commands {
		names = append(names, c.Name[strings.LastIndexByte(c.Name, ' ')+1:])
	}
	return names
}

func flags(d settings.Described) (names []string) {
	for _, s := range d.Settings {
		names = append(names, "--"+s.Name)
	}
	return names
}

// brief is the first sentence, for a list.
func brief(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, "; ")
	return strings.TrimSuffix(first, ".")
}

func zsh(w io.Writer, d settings.Described) error {
	var b strings.Builder
	b.WriteString(`#compdef scanhound
# zsh completion of scanhound: scanhound completion zsh > "${fpath[1]}/_scanhound"
_scanhound() {
  local state
  _arguments -C '(- *)--help[show help]' '(- *)--version[print the version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local -a commands=(
`)
	for _, c := range d.Commands {
		if _, name, _ := strings.Cut(c.Name, " "); !strings.Contains(name, " ") {
			fmt.Fprintf(&b, "        '%s:%s'\n", name, zshText(brief(c.Help)))
		}
	}
	b.WriteString("      )\n      _describe command commands\n      ;;\n    argument)\n      case $words[1] in\n")
	for _, c := range d.Commands {
		_, name, _ := strings.Cut(c.Name, " ")
		if strings.Contains(name, " ") {
			continue // its parent offers its name
		}
		fmt.Fprintf(&b, "        %s)\n          _arguments", name)
		for _, s := range c.Settings {
			fmt.Fprintf(&b, " \\\n            '--%s", s.Name)
			if s.Placeholder != "" {
				b.WriteString("=")
			}
			fmt.Fprintf(&b, "[%s]", zshText(brief(s.Help)))
			if s.Placeholder != "" {
				fmt.Fprintf(&b, ":%s:%s", zshText(strings.ToLower(s.Placeholder)), zshValues(s.Enum, s.File))
			}
			b.WriteString("'")
		}
		for _, a := range c.Args {
			fmt.Fprintf(&b, " \\\n            '*:argument:%s'", zshValues(a.Enum, a.File))
		}
		if len(c.Commands) > 0 {
			fmt.Fprintf(&b, " \\\n            '1:command:%s'", zshValues(subcommands(c), false))
		}
		b.WriteString("\n          ;;\n")
	}
	b.WriteString("      esac\n      ;;\n  esac\n}\n_scanhound \"$@\"\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func zshValues(enum []string, file bool) string {
	switch {
	case len(enum) > 0:
		return "(" + strings.Join(enum, " ") + ")"
	case file:
		return "_files"
	default:
		return " "
	}
}

// zshText is text within brackets within single quotes.
func zshText(text string) string {
	return strings.NewReplacer(`'`, `'\''`, `[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(text)
}

func fish(w io.Writer, d settings.Described) error {
	var b strings.Builder
	b.WriteString("# fish completion of scanhound: scanhound completion fish > ~/.config/fish/completions/scanhound.fish\ncomplete -c scanhound -f\n")
	for _, c := range d.Commands {
		_, name, _ := strings.Cut(c.Name, " ")
		first, sub, nested := strings.Cut(name, " ")
		if nested {
			fmt.Fprintf(&b, "complete -c scanhound -n '__fish_seen_subcommand_from %s' -a %s -d %s\n", first, sub, fishText(brief(c.Help)))
			name = sub
		} else {
			fmt.Fprintf(&b, "complete -c scanhound -n __fish_use_subcommand -a %s -d %s\n", name, fishText(brief(c.Help)))
		}
		for _, s := range c.Settings {
			fmt.Fprintf(&b, "complete -c scanhound -n '__fish_seen_subcommand_from %s' -l %s%s -d %s\n", name, s.Name, fishValues(s.Placeholder != "", s.Enum, s.File), fishText(brief(s.Help)))
		}
		for _, a := range c.Args {
			if values := fishValues(false, a.Enum, a.File); values != "" {
				fmt.Fprintf(&b, "complete -c scanhound -n '__fish_seen_subcommand_from %s'%s\n", name, values)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func fishValues(takes bool, enum []string, file bool) string {
	switch {
	case len(enum) > 0 && takes:
		return " -x -a '" + strings.Join(enum, " ") + "'"
	case len(enum) > 0:
		return " -a '" + strings.Join(enum, " ") + "'"
	case file && takes:
		return " -r -F"
	case file:
		return " -F"
	case takes:
		return " -x"
	default:
		return ""
	}
}

func fishText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
