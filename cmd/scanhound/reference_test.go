package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

var (
	defaultLine = regexp.MustCompile(`^#([a-z0-9-]+): (.+)$`)
	emptyLine   = regexp.MustCompile(`^# ([a-z0-9-]+): (\S.*)$`)
)

func TestEveryLineOfTheSettingsFileSaysWhatHoldsWithoutIt(t *testing.T) {
	_, of := sharedSettings()
	owners, read := map[string][]string{}, map[string]bool{}
	for _, list := range of {
		for _, s := range list {
			owners[s.Name] = s.owners
		}
	}
	uncommented := map[string]string{}
	for line := range strings.Lines(run(t, nil, "settings").stdout) {
		line = strings.TrimSuffix(line, "\n")
		if m := defaultLine.FindStringSubmatch(line); m != nil {
			read[m[1]] = true
			for _, owner := range owners[m[1]] {
				uncommented[owner] += line[1:] + "\n"
			}
		} else if m := emptyLine.FindStringSubmatch(line); m != nil {
			read[m[1]] = true
		} else if line != "" && !strings.HasPrefix(line, "# ") && line != "#" {
			t.Errorf("a line that is no comment: %q", line)
		}
	}
	for name := range owners {
		if !read[name] {
			t.Errorf("no line for %s", name)
		}
	}
	for owner, text := range uncommented {
		var p settings.Program
		fill := func() any { return new(cli) }
		args := []string{"serve", "--data=x"}
		if owner != "serve" {
			p, args = programOf(owner).Program, nil
			fill = func() any { return programOf(owner).cli }
		} else {
			p = program
		}
		bare, err := settings.Parse(p, fill(), args, nil)
		if err != nil {
			t.Fatal(err)
		}
		full, err := settings.Parse(p, fill(), append(args, "--settings="+written(t, "scanhound.yaml", text)), nil)
		if err != nil {
			t.Errorf("%s with every default written out:\n%v", owner, err)
			continue
		}
		if got, want := withoutPlaces(full), withoutPlaces(bare); !slices.Equal(got, want) || len(got) < 10 {
			t.Errorf("%s with every default written out differs\n%s\n%s", owner, got, want)
		}
	}
	if r := run(t, nil, "check", "--settings="+written(t, "scanhound.yaml", run(t, nil, "settings").stdout)); r.code != 0 {
		t.Errorf("check of the file as it is: %+v", r)
	}
}

func withoutPlaces(s *settings.Settings) (lines []string) {
	for line := range strings.Lines(string(s.Masked())) {
		line, _, _ = strings.Cut(line, " # ")
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func TestBashCompletes(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	script := written(t, "completion", run(t, nil, "completion", "bash").stdout)
	dir := t.TempDir()
	for _, name := range []string{"one.pcap", "two words.pcap"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"scanhound re":                          "reshard replay",
		"scanhound --":                          "--help --version",
		"scanhound replay --out":                "--output",
		"scanhound replay --output = c":         "cee cef",
		"scanhound replay --output o":           "ocsf",
		"scanhound serve --log-level = w":       "warn",
		"scanhound replay on":                   "one.pcap",
		"scanhound serve --settings tw":         "two words.pcap",
		"scanhound check --online in":           "ingest",
		"scanhound completion ":                 "bash fish zsh",
		"scanhound serve --nats-stream-max-age": "--nats-stream-max-age",
		"scanhound alerts ":                     "export follow list show",
		"scanhound alerts list --sev":           "--severity",
		"scanhound alerts list --severity = h":  "high",
		"scanhound ale":                         "alerts",
	} {
		cmd := exec.Command(shell, "--norc", "-c", `source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _scanhound; printf '%s\n' "${COMPREPLY[@]}"`,
			"bash", script)
		cmd.Args = append(cmd.Args, strings.Split(line, " ")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		got := slices.Sorted(strings.Lines(string(out)))
		all := slices.Sorted(strings.FieldsSeq(want))
		if strings.HasPrefix(want, "two") {
			all = []string{want}
		}
		for i := range got {
			got[i] = strings.TrimSpace(got[i])
		}
		if err != nil || !slices.Equal(got, all) {
			t.Errorf("%q: %q (%v), want %q", line, got, err, all)
		}
	}
}

func TestOtherShellsReadTheirCompletion(t *testing.T) {
	for _, shell := range []string{"zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			text := run(t, nil, "completion", shell).stdout
			if !strings.Contains(text, "nats-stream-max-age") {
				t.Error("a flag is missing")
			}
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("no " + shell + " here")
			}
			if out, err := exec.Command(path, "-n", written(t, "completion", text)).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestManPagesAreRead(t *testing.T) {
	dir := t.TempDir()
	r := run(t, nil, "manual", "--out="+dir)
	names := strings.Fields(r.stdout)
	if !slices.Contains(names, "scanhound-serve.1") || !slices.Contains(names, "scanhound-ingest.8") || !slices.Contains(names, "scanhound.yaml.5") {
		t.Fatal(r)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), ".SH \"SEE ALSO\"\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("groff is missing")
		}
		t.Skip("no groff here")
	}
	for _, name := range names {
		if out, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", filepath.Join(dir, name)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	out, err := exec.Command(groff, "-man", "-Tascii", "-P-cbou", filepath.Join(dir, "scanhound-serve.1")).Output()
	if want := "--nats-stream-max-age=MAX-AGE"; err != nil || !strings.Contains(string(out), "--nats-stream-max-age=") {
		t.Errorf("%v, no %s in\n%s", err, want, out)
	}
}

func TestWhatIsShownOfASettingIsWhatHelpSays(t *testing.T) {
	for _, d := range deployed() {
		p, args := program, []string{"serve", "--help"}
		var fill any = new(cli)
		if !strings.Contains(d.Name, " ") {
			p, fill, args = programOf(d.Name).Program, programOf(d.Name).cli, []string{"--help"}
		}
		var help strings.Builder
		if code := service.Run(t.Context(), p, fill, service.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &help, Stderr: io.Discard}); code != 0 {
			t.Fatal(code)
		}
		for _, s := range d.Settings {
			if !strings.Contains(help.String(), "--"+s.Name) {
				t.Errorf("%s: %s is not in --help", d.Name, s.Name)
			}
		}
		if n := strings.Count(help.String(), "\n      --"); n > len(d.Settings) {
			t.Errorf("%s: --help has %d flags, the description %d", d.Name, n, len(d.Settings))
		}
	}
}
