package detect_test

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// population is flows of many sources: most touch a handful of targets, some
// are busy, three in a thousand scan.
func population(n, sources int) []schema.Flow {
	r := rand.New(rand.NewPCG(1, 2))
	flows := make([]schema.Flow, n)
	for i := range flows {
		who := r.IntN(sources)
		src := netip.AddrFrom4([4]byte{172, byte(16 + who>>16), byte(who >> 8), byte(who)})
		after := time.Duration(i) * 48 * time.Hour / time.Duration(n)
		switch {
		case who%1000 < 3:
			flows[i] = syn(src, target(r.IntN(1<<20)), uint16(22+who%3), after)
		case r.IntN(10) == 0:
			flows[i] = syn(src, target(who%7), 443, after)
		default:
			flows[i] = session(src, target(who*31%5000+r.IntN(5)), 443, after)
		}
	}
	return flows
}

func BenchmarkDetect(b *testing.B) {
	for _, size := range []struct {
		name    string
		sources int
	}{{"sources=10k", 10_000}, {"sources=200k", 200_000}} {
		b.Run(size.name, func(b *testing.B) {
			flows := population(1_000_000, size.sources)
			var held, bytes float64
			b.ReportAllocs()
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				d := newDetector(b, nil)
				for i := 0; i < len(flows); i += 64 {
					d.Observe(flows[i:min(i+64, len(flows))], int64(i))
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				held = float64(d.Stats().Sources)
				bytes = float64(after.HeapAlloc-before.HeapAlloc) / held
				runtime.KeepAlive(d)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(flows)), "ns/flow")
			b.ReportMetric(bytes, "B/source")
		})
	}
}

func BenchmarkOrient(b *testing.B) {
	flows := population(4096, 1000)
	for i := range flows {
		flows[i].Orientation = schema.OrientNone
	}
	p := orient.NewPairing(1<<16, orient.ServicePorts[:])
	work := make([]schema.Flow, 32)
	n := 0
	for b.Loop() {
		copy(work, flows[n:n+32])
		p.Orient(work)
		n = (n + 32) % 4064
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/flow")
}
