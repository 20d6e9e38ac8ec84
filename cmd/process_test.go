package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// process is a program under way.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stderr *output
	done   chan struct{} // closed when it has ended
}

// start starts p; what is left of it ends with the test.
func (p *process) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // terminate returns its code
	}()
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("%s said:\n%s", p.name, p.stderr.text())
		}
	})
}

func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a terminal, as a service has none
	cmd.Env = []string{}                                 // nil would be ours
	return cmd
}

// patience is how long anything here may take: far longer than it does.
const patience = 60 * time.Second

// becomesReady waits until /readyz says so.
func (p *process) becomesReady() {
	p.t.Helper()
	eventually(p.t, p.name+" is ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
}

// describesItself: /version and /config say what was asked for.
func (p *process) describesItself(w *world) {
	t := p.t
	t.Helper()
	var version struct{ Program, Version, Go string }
	if _, body := p.get("/version"); json.Unmarshal([]byte(body), &version) != nil || version.Program != p.name || version.Version == "" || version.Go == "" {
		t.Errorf("/version of %s: %s", p.name, body)
	}
	_, body := p.get("/config")
	for _, says := range []string{
		"kafka-brokers: [" + w.brokers[0] + "]", "kafka-user: \"\"", "kafka-password: \"\"",
		w.settings + ":1", "shutdown-timeout: 25s # default",
	} {
		if !strings.Contains(strings.ReplaceAll(body, "'", ""), says) {
			t.Errorf("/config of %s does not say %s:\n%s", p.name, says, body)
		}
	}
	if strings.Contains(body, "***") {
		t.Errorf("/config of %s masks something, and nothing in it is secret:\n%s", p.name, body)
	}
}

// line waits for a log line with that message.
func (p *process) line(message string) map[string]any {
	p.t.Helper()
	var found []map[string]any
	eventually(p.t, fmt.Sprintf("%s logs %q", p.name, message), func() bool {
		found = p.lines(message)
		return len(found) > 0
	})
	return found[0]
}

func (p *process) lines(message string) (found []map[string]any) {
	p.t.Helper()
	for text := range strings.Lines(p.stderr.text()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// warnings are the messages that name a server, with how often they are written.
func (p *process) warnings(server string) map[string]int {
	found := map[string]int{}
	for text := range strings.Lines(p.stderr.text()) {
		var line struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(text), &line); err == nil && line.Level == "WARN" && strings.Contains(text, server) {
			found[line.Msg]++
		}
	}
	return found
}

// listens is where ingest receives.
func (p *process) listens() netip.AddrPort {
	p.t.Helper()
	addresses, _ := p.line("receiving")["addresses"].([]any)
	if len(addresses) == 0 {
		p.t.Fatal("ingest receives nowhere")
	}
	return netip.MustParseAddrPort(fmt.Sprint(addresses[0]))
}

// get asks the admin port.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	at := fmt.Sprint(p.line("admin port is open")["address"])
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + at + path)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// metrics are the lines of /metrics, without comments.
func (p *process) metrics() map[string]float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	all := map[string]float64{}
	for line := range strings.Lines(body) {
		at := strings.LastIndexByte(line, ' ')
		if line[0] == '#' || at < 0 {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			p.t.Fatal(err)
		}
		all[line[:at]] = v
	}
	return all
}

// checkMetrics: these count something, and all are named after the program.
func checkMetrics(t *testing.T, p *process, counted ...string) {
	t.Helper()
	_, text := p.get("/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	for _, wrong := range problems {
		t.Errorf("%s: promtool says of %s: %s", p.name, wrong.Metric, wrong.Text)
	}
	if err != nil {
		t.Error(err)
	}
	all := p.metrics()
	for _, name := range counted {
		if all["scanhound_"+p.name+"_"+name] == 0 {
			t.Errorf("%s has not counted %s", p.name, name)
		}
	}
	for name := range all {
		ours := strings.HasPrefix(name, "scanhound_"+p.name+"_")
		if !ours && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s has a metric named %s", p.name, name)
		}
	}
}

// termination is how long a program may take to end when it is told to.
const termination = 5 * time.Second

// terminate sends SIGTERM and returns the exit code.
func (p *process) terminate() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(termination):
		p.t.Errorf("%s has not ended %v after SIGTERM", p.name, termination)
		p.kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// waits reports whether the process has not used the processor for a while.
func (p *process) waits() bool {
	used := func() string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if fields := strings.Fields(string(b)); err == nil && len(fields) > 14 {
			return strings.Join(fields[13:15], " ") // in ticks, see proc(5)
		}
		return ""
	}
	before := used()
	return !within(200*time.Millisecond, func() bool { return used() != before })
}

// kill is kill -9. It does nothing to a process that has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// output is what a process has written until now.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

type result struct {
	code           int
	stdout, stderr string
}

// runToEnd runs a program that is expected to end by itself.
func runToEnd(t *testing.T, name string, args ...string) result {
	t.Helper()
	cmd := command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer late.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Fatalf("%s: %v\n%s", name, err, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// eventually waits until is says so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !within(patience, is) {
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// within asks until the answer is yes, or for as long as that.
func within(d time.Duration, is func() bool) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(d); !is(); <-look.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
