package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
)

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func run(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	var stdout, stderr screen
	code := runWith(t.Context(), stdin, &stdout, &stderr, args...)
	return result{code, stdout.text(), stderr.text()}
}

func runWith(ctx context.Context, stdin io.Reader, stdout, stderr *screen, args ...string) int {
	if stdin == nil {
		stdin = bytes.NewReader(nil)
	}
	return service.Run(ctx, program, new(cli), service.Process{Args: args, Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

// screen is written to from several goroutines, as a terminal is.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func object(t *testing.T, line string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return o
}

// counted returns the number before name in a table, 0 if it is not there.
func counted(t *testing.T, table, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)(\d+) +` + regexp.QuoteMeta(name) + `$`).FindStringSubmatch(table)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
