// Packages are made as make packages does, and installed into a root of their own, where the service runs.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var bin struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if bin.dir != "" {
		_ = os.RemoveAll(bin.dir)
	}
	os.Exit(code)
}

// programs are built once for all tests.
func programs(t *testing.T) string {
	t.Helper()
	bin.Do(func() {
		if bin.dir, bin.err = os.MkdirTemp("", "packages-test"); bin.err != nil {
			return
		}
		// Along the profile it would be compiled anew, with all that it imports.
		made := exec.Command("make", "notices", "BIN="+bin.dir, "PROFILE=off")
		made.Dir = "../.."
		if log, err := made.CombinedOutput(); err != nil {
			bin.err = fmt.Errorf("make notices: %w\n%s", err, log)
		}
	})
	if bin.err != nil {
		t.Fatal(bin.err)
	}
	return bin.dir
}

// packaged returns the deb and the rpm of that version.
func packaged(t *testing.T, version string) (deb, rpm string) {
	t.Helper()
	out := t.TempDir()
	dir := programs(t)
	t.Chdir(".") // run goes to the folder of its config: back after the test
	if err := run("nfpm.yaml", dir, out, version); err != nil {
		t.Fatal(err)
	}
	for format, to := range map[string]*string{"deb": &deb, "rpm": &rpm} {
		all, err := filepath.Glob(filepath.Join(out, "*."+format))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v (%v)", format, all, err)
		}
		*to = all[0]
	}
	return deb, rpm
}

// tool is a program that the machine may lack, and CI may not.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no %s here", name)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestVersionsSortAsTheyFollow(t *testing.T) {
	for from, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-rc.1": "1.2.3~rc.1", "(devel)": "0.0.0~devel", "": "0.0.0~devel",
		"v0.0.0-20261127181522-eb1b14100000+dirty":  "0.0.0~20261127181522.eb1b14100000+dirty",
		"v1.2.4-0.20261127181522-eb1b14100000":      "1.2.4~20261127181522.eb1b14100000",
		"v1.2.4-rc.1.0.20261127181522-eb1b14100000": "1.2.4~rc.1.0.20261127181522~eb1b14100000",
	} {
		if got := versionOf(from); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
	tool(t, "dpkg")
	for _, pair := range [][2]string{{"1.2.3~rc.1", "1.2.3"}, {"0.0.0~devel", "1.0.0"}, {"0.0.0~20261127181522.eb1b14100000", "0.0.0~20261128000000.000000000000"}} {
		output(t, "dpkg", "--compare-versions", pair[0], "lt", pair[1])
	}
}

func TestUnitsAreConfined(t *testing.T) {
	tool(t, "systemd-analyze")
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 4 {
		t.Fatal(units, err)
	}
	for _, unit := range units {
		path, err := filepath.Abs(unit)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", path).CombinedOutput()
		if m := regexp.MustCompile(`Overall exposure level for .*: ([0-9.]+)`).FindSubmatch(out); err != nil || m == nil {
			t.Errorf("%s: exposure beyond 2.0: %v\n%s", unit, err, out)
		} else {
			t.Logf("%s: exposure %s", unit, m[1])
		}
	}
}

// The units differ in what they run and keep alone.
func TestUnitsAreConfinedAlike(t *testing.T) {
	var first []byte
	for _, name := range []string{"scanhound", "scanhound-ingest", "scanhound-detector", "scanhound-alerter"} {
		text, err := os.ReadFile("systemd/" + name + ".service")
		if err != nil {
			t.Fatal(err)
		}
		_, confined, found := bytes.Cut(text, []byte("\nDynamicUser=yes\n"))
		if !found {
			t.Fatalf("%s has no user of its own", name)
		}
		if first == nil {
			first = confined
		} else if !bytes.Equal(first, confined) {
			t.Errorf("%s is confined otherwise than scanhound.service", name)
		}
	}
}
