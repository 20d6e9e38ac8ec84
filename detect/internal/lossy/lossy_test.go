package lossy_test

import (
	"testing"

	"github.com/scanhound/scanhound/detect/internal/lossy"
)

type entry struct{ key uint64 }

func TestATableTakesNothingUntilItIsNeeded(t *testing.T) {
	var table lossy.Table[entry]
	if s := table.Slot(7); s != nil {
		t.Errorf("it has a slot %v", *s)
	}
	for range table.All() {
		t.Error("it has a slot")
	}
	for range table.Part(255, 256) {
		t.Error("a part of it has a slot")
	}
	if n := testing.AllocsPerRun(10, func() { table.Slot(7) }); n != 0 {
		t.Errorf("to ask it takes %v allocations", n)
	}
}

func TestOneTakesTheSlotOfAnotherAndAllOthersStay(t *testing.T) {
	var table lossy.Table[entry]
	table.Make(1024)
	for key := range uint64(1024) {
		*table.Slot(key) = entry{key}
	}
	*table.Slot(1024 + 5) = entry{1024 + 5}
	table.Make(2048) // it is made
	for key := range uint64(1024) {
		want := key
		if key == 5 {
			want = 1024 + 5
		}
		if got := table.Slot(key).key; got != want {
			t.Errorf("in the slot of %d is %d, want %d", key, got, want)
		}
	}
}

func TestASizeIsRoundedUpToAPowerOfTwo(t *testing.T) {
	for size, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 4, 1000: 1024, 1024: 1024} {
		var table lossy.Table[entry]
		table.Make(size)
		n := 0
		for place, s := range table.All() {
			if s != table.Slot(uint64(place)) || place != n {
				t.Fatalf("size %d: place %d is not that of its hash", size, place)
			}
			n++
		}
		if n != want {
			t.Errorf("size %d: %d slots, want %d", size, n, want)
		}
	}
}

func TestThePartsAreTheTable(t *testing.T) {
	var table lossy.Table[entry]
	table.Make(1024)
	for key := range uint64(1024) {
		*table.Slot(key) = entry{key}
	}
	next := uint64(0)
	for part := range 256 {
		for place, s := range table.Part(part, 256) {
			if s.key != next || place != int(next)%4 {
				t.Fatalf("part %d has %d at %d, want %d", part, s.key, place, next)
			}
			next++
		}
	}
	if next != 1024 {
		t.Errorf("the parts have %d slots of 1024", next)
	}
	for place, s := range table.Part(3, 4) {
		if s.key == 0 || place > 0 {
			t.Error("who has seen enough is shown more")
		}
		break
	}
}
