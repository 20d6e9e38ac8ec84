//go:build linux

package live_test

import (
	"bytes"
	"encoding/json"
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
	"testing"
	"time"
)

// patience is how long anything here may take: far longer than it does.
const patience = 30 * time.Second

// program is one of ours under way.
type program struct {
	*task
	t    *testing.T
	name string
}

// launch starts one of our programs against the stores.
func (s *stores) launch(name string, flags ...string) *program {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(programs, name), append([]string{"--settings=" + s.settings}, flags...)...)
	cmd.Env = []string{} // nil would be ours
	return &program{start(s.t, cmd), s.t, name}
}

// becomesReady waits until /readyz says so.
func (p *program) becomesReady() {
	p.t.Helper()
	eventually(p.t, p.name+" is ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
}

// has says whether a program knows a setting.
func has(t *testing.T, program, setting string) bool {
	t.Helper()
	out, err := exec.Command(filepath.Join(programs, program), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(out, []byte("--"+setting+"="))
}

// logged waits for a log line and returns one of its facts.
func (p *program) logged(message, fact string) (value any) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s logs %q", p.name, message), func() bool {
		for text := range bytes.Lines(p.said.bytes()) {
			var line map[string]any
			if json.Unmarshal(text, &line) == nil && line["msg"] == message {
				value = line[fact]
				return true
			}
		}
		return false
	})
	return value
}

// listens is where ingest receives.
func (p *program) listens() netip.AddrPort {
	p.t.Helper()
	addresses, _ := p.logged("receiving", "addresses").([]any)
	if len(addresses) == 0 {
		p.t.Fatal("ingest receives nowhere")
	}
	return netip.MustParseAddrPort(fmt.Sprint(addresses[0]))
}

// get asks the admin port.
func (p *program) get(path string) (int, string) {
	p.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + fmt.Sprint(p.logged("admin port is open", "address")) + path)
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

// metrics are the program's own, without the prefix that all share.
type metrics map[string]uint64

func (p *program) metrics() metrics {
	p.t.Helper()
	_, body := p.get("/metrics")
	all := metrics{}
	for line := range strings.Lines(body) {
		name, ours := strings.CutPrefix(line, "scanhound_"+p.name+"_")
		at := strings.LastIndexByte(name, ' ')
		if !ours || at < 0 {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(name[at:]), 64); err == nil && v >= 0 {
			all[name[:at]] = uint64(v)
		}
	}
	return all
}

// what is one of the counters of decoded_total.
func (m metrics) what(name string) uint64 { return m[`decoded_total{what="`+name+`"}`] }

// learned is how many entries of the templates topic came since the start.
func (m metrics) learned() uint64 { return m[`templates_table_total{what="applied"}`] }

// eventually waits for something that must come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !within(ok) {
		t.Fatalf("within %v it did not happen that %s", patience, what)
	}
}

func within(ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
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

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.b.Bytes())
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
