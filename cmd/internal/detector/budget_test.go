package detector

import (
	"log/slog"
	"testing"
)

func TestABudgetIsDividedOverThePartitionsThatAreHeld(t *testing.T) {
	b := newBudget(1200, slog.New(slog.DiscardHandler))
	for partitions, want := range map[int]uint64{0: 1200, 1: 1200, 3: 400, 12: 100} {
		if b.divide(partitions); b.share() != want {
			t.Errorf("%d partitions: %d each, want %d", partitions, b.share(), want)
		}
	}
}

func TestALargeStateHasLessGarbageBesideIt(t *testing.T) {
	for state, want := range map[uint64]int{0: 100, 10 << 20: 100, 64 << 20: 100, 128 << 20: 50, 256 << 20: 25, 8 << 30: 25} {
		if got := percentFor(state); got != want {
			t.Errorf("%d bytes: %d %%, want %d", state, got, want)
		}
	}
}
