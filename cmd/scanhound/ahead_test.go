package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/schema"
)

// mixture is captures of the same hours, their flows as lines, and a file that is missing:
// more flows than all chunks hold.
func mixture(t *testing.T) (files []string) {
	t.Helper()
	for _, c := range captures(t) {
		files = append(files, onDisk(t, c))
	}
	lines := filepath.Join(t.TempDir(), "flows.json")
	if err := os.WriteFile(lines, []byte(run(t, nil, "decode", files[0]).stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(files, lines, filepath.Join(t.TempDir(), "missing"))
}

func openInput(t *testing.T, files []string) *recordings {
	t.Helper()
	r, err := (&input{Files: files}).open(t.Context(), service.New("test", quiet()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// change is a preparation that marks a batch, holds some of it back, or adds to it.
func change(n int, flows []schema.Flow) []schema.Flow {
	switch n % 4 {
	case 0:
		return flows[:len(flows)/2]
	case 1:
		return append(slices.Clone(flows), flows[0])
	case 2:
		return nil
	}
	flows[0].Swapped = true
	return flows
}

func TestWhatIsReadAheadIsWhatIsReadInTheSameBatches(t *testing.T) {
	files := mixture(t)
	direct, early := openInput(t, files), openInput(t, files)
	var want, got [][]schema.Flow
	for flows := range direct.merged() {
		want = append(want, change(len(want), slices.Clone(flows)))
	}
	n, flows := 0, 0
	prepare := func(flows []schema.Flow) []schema.Flow {
		n++
		return change(n-1, flows)
	}
	for batch := range early.ahead(t.Context(), prepare) {
		got = append(got, slices.Clone(batch))
		flows += len(batch)
	}
	if flows < 2*chunks*chunkFlows {
		t.Fatalf("%d flows do not fill the chunks twice", flows)
	}
	if !slices.EqualFunc(want, got, slices.Equal) {
		t.Errorf("the batches are not those that are read: %d and %d", len(got), len(want))
	}
	if early.failed != 1 || early.failed != direct.failed {
		t.Errorf("%d files have failed, read ahead %d", direct.failed, early.failed)
	}
}

// stopper is a terminal at which somebody ends the program when the first lines come.
type stopper struct {
	screen
	stop func()
}

func (s *stopper) Write(b []byte) (int, error) {
	s.stop()
	return s.screen.Write(b)
}

func TestWhatReplayHasReadWhenItIsStoppedIsDetectedToo(t *testing.T) {
	files := slices.Repeat(mixture(t)[:1], 10)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, stderr := stopper{stop: stop}, screen{}
	code := service.Run(ctx, program, new(cli), service.Process{
		Args: append([]string{"replay", "--output=json"}, files...), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	})
	read, detected := counted(t, stderr.text(), "records_flows"), counted(t, stderr.text(), "consumed")
	all := 10 * flowsOf(t, captures(t)[0])
	if code == 0 || read == 0 || read == all || read != detected {
		t.Errorf("status %d; of %d flows %d were read and %d detected", code, all, read, detected)
	}
}

func TestReplayOfStandardInputSaysAnAlertWhileItWaitsForMore(t *testing.T) {
	flows := run(t, nil, "decode", onDisk(t, capture(t, "softflowd-v5"))).stdout
	in, feed := io.Pipe()
	ended := make(chan int, 1)
	var stdout, stderr screen
	go func() { ended <- runWith(t.Context(), in, &stdout, &stderr, "replay", "--output=json", "-") }()
	if _, err := io.WriteString(feed, flows); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(20 * time.Second); !strings.Contains(stdout.text(), "\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("no alert, though all flows are there")
		}
	}
	feed.Close()
	if code := <-ended; code != 0 {
		t.Errorf("status %d: %s", code, stderr.text())
	}
}

func TestWhoStopsRangingLeavesNobodyReading(t *testing.T) {
	r := openInput(t, mixture(t)) // TestMain looks for goroutines that are left
	for range r.ahead(t.Context(), func(flows []schema.Flow) []schema.Flow { return flows }) {
		break
	}
}
