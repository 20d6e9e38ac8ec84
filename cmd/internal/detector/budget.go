package detector

import (
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/memory"
)

// budget is the memory that the states of all partitions share. Each may take an equal part of
// it. One that holds more than its part since another came keeps what it has, and grows no more:
// where all partitions of a group are alike they fit, whoever holds how many.
type budget struct {
	bytes uint64
	each  atomic.Uint64
	back  *time.Timer // gives memory back
}

// giveBackAfter is when what a partition held that has gone is given back to the system: its
// worker is out of everybody's reach by then.
const giveBackAfter = 5 * time.Second

func newBudget(setting uint64, log *slog.Logger) *budget {
	bytes, why := memory.Budget(setting)
	log.Info("memory of the state", "bytes", bytes, "from", why)
	b := &budget{bytes: bytes, back: time.AfterFunc(time.Hour, debug.FreeOSMemory)}
	b.back.Stop()
	return b
}

// divide says how many partitions there are now.
func (b *budget) divide(partitions int) { b.each.Store(b.bytes / uint64(max(partitions, 1))) }

// share is what a partition may take.
func (b *budget) share() uint64 { return b.each.Load() }

// giveBack says that a partition has gone. Without it the runtime would keep its memory for later.
func (b *budget) giveBack() { b.back.Reset(giveBackAfter) }
