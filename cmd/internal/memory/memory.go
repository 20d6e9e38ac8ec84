// Package memory says how much memory a program may take, and keeps Go's runtime within it.
package memory

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Respect sets the runtime's limit (GOMEMLIMIT) to nine tenths of what the process's cgroup
// allows, unless the environment says another: the rest is for what the runtime does not count.
func Respect(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if allowed, err := memlimit.FromCgroup(); err == nil && allowed > 0 && allowed < math.MaxInt64 {
		debug.SetMemoryLimit(int64(allowed / 10 * 9))
		log.Debug("GOMEMLIMIT is nine tenths of what the cgroup allows", "bytes", allowed)
	}
}

// Budget is the bytes that the state of a process may take, and a word of why: the setting, else
// three fifths of GOMEMLIMIT (see [Respect]), else a quarter of the machine's memory, which is
// others' too. What is beside the state, and what the collector has not freed yet, takes the rest.
func Budget(setting uint64) (bytes uint64, why string) {
	if setting > 0 {
		return setting, "the setting memory"
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return max(uint64(limit)/5*3, least), "three fifths of GOMEMLIMIT"
	}
	if all, err := memlimit.FromSystem(); err == nil && all > 0 {
		return max(all/4, least), "a quarter of the machine's memory"
	}
	return usual, "nobody knows the machine's memory"
}

const (
	least = 64 << 20  // of a budget that nobody set
	usual = 256 << 20 // where nothing is known
)
