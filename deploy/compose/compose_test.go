// Package compose_test reads the compose file by the rules of its specification, and has the programs read what
// it gives them.
package compose_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func project(t *testing.T, file string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

func TestTheComposeFileIsOneAndTheProgramsAcceptWhatItGivesThem(t *testing.T) {
	p, err := project(t, "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/ingest", "./cmd/detector", "./cmd/alerter")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	programs := 0
	for _, s := range p.Services {
		if s.Image != "scanhound:dev" {
			continue
		}
		programs++
		if !s.ReadOnly || len(s.CapDrop) != 1 || s.StopGracePeriod == nil {
			t.Errorf("%s: not read-only, with capabilities, or without a time to stop", s.Name)
		}
		args := append(s.Command[1:], "--admin=127.0.0.1:0", "--start-timeout=1ms", "--kafka-brokers=127.0.0.1:1")
		if s.Name == "ingest" {
			args = append(args, "--listen=127.0.0.1:0")
		}
		cmd := exec.Command(filepath.Join(bin, filepath.Base(s.Command[0])), args...)
		for name, value := range s.Environment {
			cmd.Env = append(cmd.Env, name+"="+*value)
		}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 4 || strings.Contains(string(out), "name no setting") {
			t.Errorf("%s ended with %d:\n%s", s.Name, code, out)
		}
	}
	if programs != 3 {
		t.Errorf("%d programs, want 3", programs)
	}
}

func TestAMisspeltKeyIsRefused(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "stop_grace_period", "stop_grace_periode", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := project(t, file); err == nil {
		t.Error("it is accepted")
	}
}
