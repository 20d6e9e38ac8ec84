package detect

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/schema"
)

// Among few sources, where no two have the same counter, the doorkeeper counts as a map of sets does.
func TestASourceComesInWithItsLastWantedTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k doorkeeper
		met := map[uint64]map[uint64]bool{}
		for range rapid.IntRange(1, 300).Draw(t, "contacts") {
			source := rapid.Uint64Range(1, 6).Draw(t, "source")
			target := rapid.Uint64Range(1, 12).Draw(t, "target")
			want := rapid.SampledFrom([]uint8{1, 2, 4, 8}).Draw(t, "want")
			if want > 1 { // else it does not even look
				if met[source] == nil {
					met[source] = map[uint64]bool{}
				}
				met[source][target] = true
			}
			if in := k.pass(source, target, want); in != (want <= 1 || len(met[source]) >= int(want)) {
				t.Fatalf("source %d with %d targets of %d: %v", source, len(met[source]), want, in)
			}
		}
	})
}

func TestWhileMemoryIsNotShortTheDoorkeeperTakesNone(t *testing.T) {
	var k doorkeeper
	if !k.pass(1, 1, 1) || k.recent != nil {
		t.Error("a door that is open keeps something")
	}
}

// Each of a spoofed flood's sources has one contact. Counters are shared, so some come in; the
// few are what the eviction then takes.
func TestASpoofedFloodStaysOutsideAndAScannerAmidItComesIn(t *testing.T) {
	var k doorkeeper
	const flood = 400_000
	in, scanner := 0, 0
	for i := range uint64(flood) {
		if k.pass(1<<32+i, 7, 8) {
			in++
		}
		if i%20_000 == 0 && scanner == 0 && k.pass(1, i, 8) {
			scanner = int(i/20_000) + 1
		}
	}
	if in > flood/1000 {
		t.Errorf("%d of %d came in", in, flood)
	}
	if scanner == 0 || scanner > 8 {
		t.Errorf("the scanner came in with target %d, want 8 or a little before", scanner)
	}
}

func TestAPairIsForgottenWhenTheFilterHasFilledTwiceSince(t *testing.T) {
	var k doorkeeper
	fill := func(turn uint64) {
		k.pass(turn<<40, 0, 4)
		for i := uint64(1); k.fill > 0; i++ {
			k.pass(turn<<40|i, i, 4)
		}
	}
	// remembered: a pair that was seen counts nothing.
	remembered := func() bool {
		counter := &k.targets[schema.Mix64(1)%doorCounters]
		before := *counter
		k.pass(1, 1, 4)
		return *counter == before
	}
	k.pass(1, 1, 4)
	fill(1)
	if !remembered() {
		t.Error("forgotten with the first filter")
	}
	fill(2)
	if remembered() {
		t.Error("remembered by a filter that was cleared")
	}
}

func TestCountersHalveWhenAFilterTurns(t *testing.T) {
	var k doorkeeper
	for target := range uint64(6) {
		k.pass(1, target, 8)
	}
	k.turn()
	if k.fill != 0 || k.pass(1, 100, 5) || !k.pass(1, 101, 5) { // three are left of six
		t.Errorf("fill %d, counter %d", k.fill, k.targets[schema.Mix64(1)%doorCounters])
	}
}
