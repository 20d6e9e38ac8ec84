package detector

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// frugal keeps the collector closer behind than usual, which lets garbage grow to the size of
// what is reachable. State has hardly a pointer, so to collect is cheap however large it is. While state is
// restored, what is read and taken apart is as much as what stays: then it is kept closer still.
type frugal struct {
	mu    sync.Mutex
	users int
	was   int // percent, while there are users
}

const (
	frugalPercent = 10 // of what is reachable may be garbage while state is restored
	leastPercent  = 25 // and else
	usualPercent  = 100
	// garbage is always allowed: a small state would be collected too often.
	garbage = 64 << 20
	// paceEvery is how often the state is weighed.
	paceEvery = 10 * time.Second
)

// run follows the size of the state until ctx ends, unless the environment says GOGC.
func (f *frugal) run(ctx context.Context, state func() uint64) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	every := time.NewTicker(paceEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			f.pace(percentFor(state()))
		}
	}
}

// percentFor is how much garbage a state of so many bytes may have beside it.
func percentFor(state uint64) int {
	return int(min(max(garbage*100/max(state, 1), leastPercent), usualPercent))
}

func (f *frugal) pace(percent int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users > 0 {
		f.was = percent
		return
	}
	debug.SetGCPercent(percent)
}

// begin returns what ends it.
func (f *frugal) begin() (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users++; f.users == 1 {
		f.was = debug.SetGCPercent(frugalPercent)
	}
	return f.end
}

func (f *frugal) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 {
		debug.SetGCPercent(f.was)
	}
}
