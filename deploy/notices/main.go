// Command notices says what is in programs: the licences of all modules in NOTICE, and a bill of
// materials in CycloneDX. Both come from what the linker wrote into the programs, so they name
// what is shipped, and nothing else.
package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

func main() {
	out := flag.String("o", ".", "folder that NOTICE and sbom.cdx.json are written to")
	flag.Parse()
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(out string, programs []string) error {
	ours, modules, err := inside(programs)
	if err != nil {
		return err
	}
	notice, err := noticeOf(modules)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "NOTICE"), notice, 0o644); err != nil {
		return err
	}
	var bom bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&bom, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bomOf(ours, modules), cyclonedx.SpecVersion1_5); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "sbom.cdx.json"), bom.Bytes(), 0o644)
}

// inside returns our module, and all others that the programs were linked from, Go's own library among them.
func inside(programs []string) (ours debug.Module, modules []debug.Module, err error) {
	for _, name := range programs {
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return ours, nil, fmt.Errorf("read what %s was built from: %w", name, err)
		}
		ours = info.Main
		modules = append(modules, debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")})
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			modules = append(modules, debug.Module{Path: m.Path, Version: m.Version})
		}
	}
	order := func(a, b debug.Module) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Version, b.Version))
	}
	slices.SortFunc(modules, order)
	return ours, slices.CompactFunc(modules, func(a, b debug.Module) bool { return order(a, b) == 0 }), nil
}

// licence matches the names of files that say under which terms a module may be used.
var licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)`)

func noticeOf(modules []debug.Module) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString("scanhound is licensed under the Apache License 2.0. Its programs contain the modules below.\n")
	for _, m := range modules {
		dir, err := folder(m)
		if err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		found := false
		for _, e := range entries {
			if !e.Type().IsRegular() || !licence.MatchString(e.Name()) {
				continue
			}
			terms, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			found = true
			fmt.Fprintf(&text, "\n%s\n%s %s: %s\n\n%s", strings.Repeat("=", 80), m.Path, m.Version, e.Name(), terms)
		}
		if !found {
			return nil, fmt.Errorf("%s %s has no file LICENSE: find out under which terms it may be shipped", m.Path, m.Version)
		}
	}
	return text.Bytes(), nil
}

// folder is where the module's files are.
func folder(m debug.Module) (string, error) {
	args := []string{"list", "-m", "-f", "{{.Dir}}", m.Path + "@" + m.Version}
	if m.Path == "std" {
		args = []string{"env", "GOROOT"}
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	cmd.Dir = ".." // our modules are in its cache
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return "", fmt.Errorf("go %s: %w: is the module in the cache? go mod download brings it", strings.Join(args, " "), err)
	}
	return dir, nil
}

func bomOf(ours debug.Module, modules []debug.Module) *cyclonedx.BOM {
	component := func(kind cyclonedx.ComponentType, m debug.Module) cyclonedx.Component {
		url := "pkg:golang/" + m.Path + "@" + m.Version
		return cyclonedx.Component{BOMRef: url, Type: kind, Name: m.Path, Version: m.Version, PackageURL: url}
	}
	main := component(cyclonedx.ComponentTypeApplication, ours)
	var parts []cyclonedx.Component
	var refs []string
	for _, m := range modules {
		c := component(cyclonedx.ComponentTypeLibrary, m)
		parts, refs = append(parts, c), append(refs, c.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &main}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return bom
}
