//go:build linux

package live_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// programs is the folder of ingest, detector and alerter.
var programs string

// confined says why these tests have no namespaces of their own; empty if they have.
var confined error

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(insideKey) == "" {
		code, err := runInside()
		if err == nil {
			os.Exit(code)
		}
		confined = err
	} else if err := settleIn(); err != nil {
		confined = fmt.Errorf("this machine gives namespaces, but not all that belongs to them: %w", err)
	}
	dir, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "scanhound-live-"); err != nil {
		return "", err
	}
	const ours = "github.com/scanhound/scanhound/cmd/"
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), ours+"ingest", ours+"detector", ours+"alerter").CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("build the programs: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, nil
}

const insideKey = "SCANHOUND_LIVE_INSIDE"

// runInside runs this test binary once more, in namespaces of its own: the
// network is ours, what is mounted is ours, and when our first process ends, be
// it by a signal, the kernel kills all others in it.
func runInside() (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("network namespaces need root")
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideKey+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("this machine gives no namespaces: %w", err)
	}
	_ = cmd.Wait() // the code says it
	return cmd.ProcessState.ExitCode(), nil
}

// settleIn makes the namespaces fit to live in. The names that ip(8) gives to
// network namespaces stand in a file system of ours, so they meet nobody else's.
func settleIn() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("netns", "/run/netns", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run/netns: %w", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("set up the loopback (Debian: apt-get install iproute2): %w %s", err, out)
	}
	return nil
}

// needs skips a test that this machine cannot run, in CI too: there as well root
// and namespaces are the machine's to give.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	if confined != nil {
		t.Skip(confined)
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v: see doc.go for the packages", err)
		}
	}
}
