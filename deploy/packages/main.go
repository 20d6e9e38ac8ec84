// Command packages makes the deb and the rpm of what make notices has left in a folder.
package main

import (
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	bin := flag.String("bin", "../bin", "folder of the programs, NOTICE and sbom.cdx.json")
	out := flag.String("o", "../bin", "folder that the packages are written to")
	config := flag.String("config", "packages/nfpm.yaml", "what they hold")
	version := flag.String("version", "", "version of the packages, instead of that of the programs")
	flag.Parse()
	if err := run(*config, *bin, *out, *version); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func run(config, bin, out, version string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(filepath.Join(bin, "scanhound"))
	if err != nil {
		return fmt.Errorf("read what scanhound was built from (make notices): %w", err)
	}
	if version == "" {
		version = versionOf(info.Main.Version)
	}
	made, err := os.MkdirTemp("", "packages")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	if err := fill(made, filepath.Join(bin, "scanhound")); err != nil {
		return err
	}
	if err := os.Chdir(filepath.Dir(config)); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, setting(info.Settings, "vcs.time"))
	if err != nil { // not built in a checkout
		at = time.Unix(0, 0).UTC()
	}
	values := map[string]string{"BIN": bin, "MADE": made, "VERSION": version, "ARCH": setting(info.Settings, "GOARCH")}
	for format, packager := range map[string]nfpm.Packager{"deb": deb.Default, "rpm": rpm.DefaultRPM} {
		if err := write(format, packager, filepath.Base(config), out, at, values); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
	}
	return nil
}

// pseudo is a version that Go made of a commit: v0.0.0-20261127181522-eb1b14100000+dirty.
var pseudo = regexp.MustCompile(`-(?:0\.)?(\d{14})-([0-9a-f]{12})`)

// versionOf is Go's version as dpkg and rpm sort it: what comes before a release sorts before it.
func versionOf(v string) string {
	v = pseudo.ReplaceAllString(strings.TrimPrefix(v, "v"), "~$1.$2")
	if v = strings.ReplaceAll(v, "-", "~"); v == "" || v[0] < '0' || v[0] > '9' {
		return "0.0.0~devel"
	}
	return v
}

func setting(all []debug.BuildSetting, key string) string {
	for _, s := range all {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// fill has the program write what it knows of itself: settings, completion, manual.
func fill(dir, program string) error {
	for name, args := range map[string][]string{
		"scanhound.yaml": {"settings"}, "bash": {"completion", "bash"}, "zsh": {"completion", "zsh"}, "fish": {"completion", "fish"},
	} {
		text, err := exec.Command(program, args...).Output()
		if err != nil {
			return fmt.Errorf("%s %v: %w", program, args, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	pages, err := exec.Command(program, "manual", "--out="+dir).Output()
	if err != nil {
		return fmt.Errorf("%s manual: %w", program, err)
	}
	for _, name := range strings.Fields(string(pages)) {
		if err := compress(dir, name); err != nil {
			return err
		}
	}
	return nil
}

// compress puts a page into the folder of its section, as both distributions have them.
func compress(dir, name string) error {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	section := filepath.Join(dir, "man"+strings.TrimPrefix(filepath.Ext(name), "."))
	if err := os.MkdirAll(section, 0o755); err != nil {
		return err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression) // without a time: the same bytes each time
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(section, name+".gz"), b.Bytes(), 0o644)
}

func write(format string, packager nfpm.Packager, config, out string, at time.Time, values map[string]string) (err error) {
	c, err := nfpm.ParseFileWithEnvMapping(config, func(name string) string { return values[name] })
	if err != nil {
		return err
	}
	info, err := c.Get(format)
	if err != nil {
		return err
	}
	info.MTime = at // the same commit gives the same package
	for _, c := range info.Contents {
		if c.FileInfo != nil {
			c.FileInfo.MTime = at
		}
	}
	info = nfpm.WithDefaults(info)
	name := filepath.Join(out, packager.ConventionalFileName(info))
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := packager.Package(info, f); err != nil {
		return err
	}
	return nil
}
