package sliding

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkDistinct(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	hashes := make([]uint64, 1<<16)
	for i := range hashes {
		hashes[i] = r.Uint64()
	}
	for _, c := range []struct {
		name string
		n    int // distinct
	}{{"few", 100}, {"registers", len(hashes)}} {
		b.Run("add/"+c.name, func(b *testing.B) {
			var d Distinct
			b.ReportAllocs()
			for i := range b.N {
				pane := uint16(i >> 16)
				d.Add(hashes[i%c.n], pane&paneMask, at(pane))
			}
		})
	}
	d := counted(1, 100_000, windowPanes)
	b.Run("count", func(b *testing.B) {
		for range b.N {
			d.Count(at(windowPanes-1), windowPanes)
		}
	})
}
