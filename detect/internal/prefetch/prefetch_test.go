package prefetch_test

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/scanhound/scanhound/detect/internal/prefetch"
)

// An address may be of something that has gone, or of nothing: nobody checks.
func TestAnyAddressMayBeAskedFor(t *testing.T) {
	held := new([64]uint64)
	all := []uintptr{0, 1, 63, 1 << 12, 1<<31 - 1, ^uintptr(0) >> 17, ^uintptr(0)>>16 - 63, ^uintptr(0) &^ 63, ^uintptr(0), prefetch.Of(held), prefetch.Of(&held[63]) + 8}
	asked := slices.Clone(all)
	prefetch.Lines(asked)
	if !slices.Equal(all, asked) || *held != [64]uint64{} {
		t.Error("it changed what it was given")
	}
}

func TestNothingAndSomethingOfAnyLengthMayBeAskedFor(t *testing.T) {
	prefetch.Lines(nil)
	some := make([]uintptr, 300)
	for n := range some {
		prefetch.Lines(some[:n])
	}
}

func TestAnAddressIsThatOfWhatIsPointedTo(t *testing.T) {
	x := new([2]uint64)
	if prefetch.Of(&x[0]) != uintptr(unsafe.Pointer(x)) || prefetch.Of(&x[1])-prefetch.Of(&x[0]) != 8 {
		t.Error("it is another")
	}
}

func TestItAllocatesNothing(t *testing.T) {
	var lines [16]uintptr
	x := new(uint64)
	if n := testing.AllocsPerRun(100, func() {
		for i := range lines {
			lines[i] = prefetch.Of(x)
		}
		prefetch.Lines(lines[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAskedFor reads lines of memory at random, groups of them one after the other:
// each as it comes, or asked for while the group before is read.
func BenchmarkAskedFor(b *testing.B) {
	memory := make([][8]uint64, 1<<24)
	for i := range memory {
		memory[i][0] = uint64(i)
	}
	const group = 64
	for name, ask := range map[string]bool{"asked": true, "read": false} {
		b.Run(name, func(b *testing.B) {
			var lines [2][group]uintptr
			var at [2][group]uint64
			x, sum := uint64(1), uint64(0)
			for turn := 0; b.Loop(); turn ^= 1 {
				for i := range group {
					x = x*6364136223846793005 + 1442695040888963407
					at[turn][i] = x >> 40
					lines[turn][i] = prefetch.Of(&memory[x>>40])
				}
				if ask {
					prefetch.Lines(lines[turn][:])
				}
				for _, i := range at[turn^1] {
					sum += memory[i][0]
					for range 16 { // what is done with it depends on it
						sum ^= sum >> 7 * 0x9e3779b97f4a7c15
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/group, "ns/line")
			b.ReportMetric(float64(sum&1), "-")
		})
	}
}
