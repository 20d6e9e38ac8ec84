package detect

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/scanhound/scanhound/internal/defaults"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
)

func TestWhatASuspectTakesIsWhatTheBudgetCounts(t *testing.T) {
	// Beside the suspect: its places in the lists, and an exporter or two.
	took := int(unsafe.Sizeof(suspect{})) + 2*int(unsafe.Sizeof(uintptr(0))) + 2*int(unsafe.Sizeof(netip.Addr{}))
	if took > suspectSize*6/5 || took < suspectSize*4/5 {
		t.Errorf("a suspect takes %d bytes, suspectSize is %d", took, suspectSize)
	}
	t.Logf("suspect %d, evidence %d, scan %d, footprint %d", unsafe.Sizeof(suspect{}), unsafe.Sizeof(evidence{}), unsafe.Sizeof(scan{}), unsafe.Sizeof(footprint{}))
}

// ledgerOf is the ledger of a new detector, whose table takes so many bytes of its memory.
func ledgerOf(t *testing.T, memory uint64, sources int) *ledger {
	t.Helper()
	cfg := defaults.Of[Config]()
	cfg.Memory = memory
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sources {
		d.ledger.table.add(keyOf(flowtest.Target(i)))
	}
	return &d.ledger
}

func TestTheFullerMemoryIsTheMoreANewSourceMustShow(t *testing.T) {
	l := ledgerOf(t, 1<<20, 0)
	for share, want := range map[float64]uint8{0: 1, 0.84: 1, 0.86: 2, 0.94: 2, 0.96: 4, 0.979: 4, 0.99: 8, 2: 8} {
		if l.sketched = uint64(share * (1 << 20)); l.wanted() != want {
			t.Errorf("at %v of the memory: %d targets, want %d", share, l.wanted(), want)
		}
	}
}

func TestANewSourceComesInWaitsOrFindsNoRoom(t *testing.T) {
	c := contact{word: 10<<56 | 22<<16, marks: markStrong | marks(classTCP+1)<<classShift}
	l := ledgerOf(t, 1<<20, 0)
	if s, how := l.admit(1, c); s == nil || how != placed {
		t.Errorf("with memory to spare: %v", how)
	}
	l.sketched = 90 << 20 / 100
	if s, how := l.admit(2, c); s != nil || how != waiting {
		t.Errorf("with its first target of two: %v", how)
	}
	if _, how := l.admit(2, c); how != waiting {
		t.Errorf("with the same again: %v", how)
	}
	other := c
	other.word += 1 << 16
	if s, how := l.admit(2, other); s == nil || how != placed {
		t.Errorf("with its second: %v", how)
	}
	l.sketched = 2 << 20 // which eviction of sources does not lower
	for n := range uint64(8) {
		c.word = n << 16
		if s, how := l.admit(3, c); s != nil || how != waiting && n < 7 || how != noRoom && n == 7 {
			t.Errorf("target %d beyond the budget: %v", n+1, how)
		}
	}
}

func TestTheSourceWithTheFewestFailuresAndOfThoseTheOldestMakesRoom(t *testing.T) {
	l := ledgerOf(t, 1<<20, 0)
	for key, s := range map[uint64]slot{1: {seen: 10, one: markStrong}, 2: {seen: 30, one: markAnswered}, 3: {seen: 20, one: markAnswered}, 4: {seen: 5, one: markFaint}} {
		at := l.table.add(key)
		at.seen, at.one = s.seen, s.one
	}
	for i, want := range []uint64{3, 2, 4, 1} {
		if !l.evict() || l.table.find(want) != nil || int(l.table.held) != 3-i {
			t.Errorf("%d. to go should be source %d; %d are left", i+1, want, l.table.held)
		}
	}
	if l.evict() || l.stats.Evicted != 4 {
		t.Errorf("%d evicted of four", l.stats.Evicted)
	}
}

func TestWhatIsUsedIsTheSumOfItsParts(t *testing.T) {
	l := ledgerOf(t, 1<<20, 500)
	l.sketched = 1234
	l.suspects, l.freeSuspects = make([]*suspect, 5), make([]uint32, 2)
	l.slab.get(3)
	if got, want := l.used(), l.table.bytes()+lineSize+1234+3*suspectSize+l.accounts.bytes(); got != want || l.table.bytes() == 0 {
		t.Errorf("%d bytes, want %d", got, want)
	}
}
