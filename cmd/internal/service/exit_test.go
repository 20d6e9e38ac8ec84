package service

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheExitCodeSaysWhoHasToAct(t *testing.T) {
	for _, c := range []struct {
		args   []string
		code   int
		stderr string // contained
	}{
		{nil, 0, ""},
		{[]string{"--do=fail"}, 1, `"error":"read the disk: it is gone","code":1`},
		{[]string{"--no-such"}, 2, "sample: unknown flag --no-such\nRun \"sample --help\" for more information.\n"},
		{[]string{"--minimum=x"}, 2, "sample: "},
		{[]string{"--mode=slow"}, 2, "sample: --mode: mode: \"slow\" is not accepted: want one of fast, exact\n"},
		{[]string{"--shutdown-timeout=0s"}, 2, "sample: --shutdown-timeout: shutdown-timeout: 0s leaves no time to stop\n"},
		{[]string{"--settings=none.yaml"}, 3, "sample: read the settings file: open none.yaml: no such file or directory\n"},
		{[]string{"--do=misconfigured", "--token=x"}, 3, "--token: token: opens nothing"},
		{[]string{"--do=unreachable"}, 4, "start: kafka does not answer"},
	} {
		got := call(t, &sample{}, nil, c.args...)
		if got.code != c.code || !strings.Contains(got.stderr, c.stderr) || got.stdout != "" {
			t.Errorf("%v: exit code %d, stderr %q", c.args, got.code, got.stderr)
		}
	}
}

func TestTheExitCodeOfAnErrorIsFoundInsideWhatWrapsIt(t *testing.T) {
	for want, err := range map[int]error{
		0: nil,
		1: errors.New("x"),
		3: fmt.Errorf("a: %w", Misconfigured(errors.New("x"))),
		4: errors.Join(errors.New("y"), Unreachable(errors.New("x"))),
	} {
		if got := ExitCode(err); got != want {
			t.Errorf("%v has code %d, want %d", err, got, want)
		}
	}
	if Unreachable(nil) != nil || Misconfigured(nil) != nil {
		t.Error("no error has become one")
	}
}

// A child is the sample program in a process of its own, which has said that it runs.
type child struct {
	*exec.Cmd
	t      *testing.T
	stderr strings.Builder
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0], args...), t: t}
	// Without what the tests themselves are told: a program would warn of it.
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "SCANHOUND_") })
	c.Env = append(env, asProgram+"=1")
	c.Cmd.Stderr = &c.stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the child says %q (%v): %s", line, err, c.stderr.String())
	}
	return c
}

// end waits for the child, which must end with code soon.
func (c *child) end(code int) {
	c.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
	defer late.Stop()
	_ = c.Wait() // its error is the exit code
	if got := c.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d, want %d: %s", got, code, c.stderr.String())
	}
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

func TestASignalEndsAServiceInOrder(t *testing.T) {
	for s, name := range map[syscall.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT"} {
		c := startChild(t, "--do=serve")
		c.signal(s)
		c.end(exitOK)
		if !strings.Contains(c.stderr.String(), `"msg":"stopping","reason":"`+name+`"`) || !strings.Contains(c.stderr.String(), `"msg":"stopped"`) {
			t.Errorf("the log of %s: %s", name, c.stderr.String())
		}
	}
}

func TestACommandThatIsInterruptedSaysSo(t *testing.T) {
	c := startChild(t, "--do=wait")
	c.signal(syscall.SIGINT)
	c.end(130)
	if c.stderr.String() != "" {
		t.Errorf("stderr %q", c.stderr.String())
	}
}

func TestASecondSignalKills(t *testing.T) {
	for s, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		c := startChild(t, "--do=hang")
		c.signal(syscall.SIGTERM)
		// A third and more: two of a kind that are pending at once are one.
		resend := time.NewTicker(50 * time.Millisecond)
		ended := make(chan struct{})
		go func() { c.end(code); close(ended) }()
		for waiting := true; waiting; {
			select {
			case <-resend.C:
				_ = c.Process.Signal(s)
			case <-ended:
				waiting = false
			}
		}
		resend.Stop()
	}
}

func TestAServiceThatHangsEndsAtItsDeadlineWithTheNameOfTheStage(t *testing.T) {
	c := startChild(t, "--do=hang", "--shutdown-timeout=100ms")
	c.signal(syscall.SIGTERM)
	c.end(exitRuntime)
	if !strings.Contains(c.stderr.String(), "stage hang did not stop within 100ms") {
		t.Errorf("stderr %s", c.stderr.String())
	}
}
