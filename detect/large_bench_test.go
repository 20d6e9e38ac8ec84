package detect_test

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// stream makes flows of many sources without holding them: most sources touch a
// few targets, some are busy, a few in a thousand scan 100 to 4,000 hosts.
type stream struct {
	sources, n, total uint64
	scanners          uint64        // of a thousand
	probes            uint64        // of 16 flows, once each source has sent one
	over              time.Duration // of event time
	flows             [64]schema.Flow
}

func (s *stream) next() []schema.Flow {
	for i := range s.flows {
		s.n++
		x := schema.Mix64(s.n)
		// Every source once, in an order without pattern, then those with more to do.
		who := s.n * 2654435761 % s.sources
		switch {
		case s.n <= s.sources:
		case x>>60 < s.probes:
			w := x % (s.sources * s.scanners / 1000)
			who = w/s.scanners*1000 + w%s.scanners
		default:
			who = x % (s.sources / (1 + x>>60)) // the first ones are busier
		}
		after := time.Duration(s.n) * (s.over / time.Duration(s.total))
		f := &s.flows[i]
		src := netip.AddrFrom4([4]byte{byte(16 + who>>24), byte(who >> 16), byte(who >> 8), byte(who)})
		switch y := schema.Mix64(x); {
		case who%1000 < s.scanners:
			*f = syn(src, target(int(y%(100<<(who%6)))), uint16(22+who%3), after)
		case y%8 == 0:
			*f = syn(src, target(int(who%97)), 443, after)
		default:
			*f = session(src, target(int(who*31%5000+y%6)), 443, after)
		}
	}
	return s.flows[:]
}

// setting reads a number from the environment.
func setting(b *testing.B, name string, usual uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return usual
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		b.Fatalf("%s=%s: want a number", name, s)
	}
	return n
}

// BenchmarkLarge is two days of a million sources, three flows each, three in a
// thousand of them scanners; SCANHOUND_BENCH_SOURCES (5000000, 20000000) and
// SCANHOUND_BENCH_SCANNERS (1) say other numbers.
func BenchmarkLarge(b *testing.B) {
	sources, scanners := setting(b, "SCANHOUND_BENCH_SOURCES", 1_000_000), setting(b, "SCANHOUND_BENCH_SCANNERS", 3)
	benchStream(b, &stream{sources: sources, scanners: scanners, probes: 5, total: 3 * sources, over: 48 * time.Hour}, nil)
}

// BenchmarkLargeScanners is two days of 100 thousand sources of which many scan, 208
// probes each: what telling costs.
func BenchmarkLargeScanners(b *testing.B) {
	const sources, each = 100_000, 208
	for _, share := range []uint64{1, 3, 10, 30} {
		b.Run(fmt.Sprintf("share=%d%%", share), func(b *testing.B) {
			total := sources + sources*share/100*each*16/15
			benchStream(b, &stream{sources: sources, scanners: 10 * share, probes: 15, total: total, over: 48 * time.Hour}, nil)
		})
	}
}

// BenchmarkLargeSliding is a million sources in a window of a day: within one window they
// fill it, over three they slide it on. The difference is what forgetting costs.
func BenchmarkLargeSliding(b *testing.B) {
	const sources = 1_000_000
	day := func(c *detect.Config) { c.Window = 24 * time.Hour }
	for _, windows := range []uint64{1, 3} {
		b.Run(fmt.Sprintf("windows=%d", windows), func(b *testing.B) {
			benchStream(b, &stream{
				sources: sources, scanners: 3, probes: 5, total: 3 * sources, over: time.Duration(windows) * 24 * time.Hour,
			}, day)
		})
	}
}

// benchStream observes a stream. Making a flow is measured alone and taken off.
func benchStream(b *testing.B, of *stream, change func(*detect.Config)) {
	total := of.total
	flows := func() *stream { s := *of; return &s }
	for b.Loop() {
		made := time.Now()
		for s := flows(); s.n < total; {
			s.next()
		}
		making := time.Since(made)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := newDetector(b, func(c *detect.Config) {
			c.Memory = 8 << 30
			if change != nil {
				change(c)
			}
		})
		begin, slowest, busiest, observing := time.Now(), time.Duration(0), time.Duration(0), time.Duration(0)
		runtime.LockOSThread()
		collecting, all := cpuSpent()
		for s := flows(); s.n < total; {
			flows := s.next()
			at, cpu := time.Now(), threadTime(b)
			d.Observe(flows, 0)
			cpu = threadTime(b) - cpu
			slowest, busiest, observing = max(slowest, time.Since(at)), max(busiest, cpu), observing+cpu
		}
		runtime.UnlockOSThread()
		took := time.Since(begin) - making
		collected, spent := cpuSpent()
		runtime.GC()
		runtime.ReadMemStats(&after)
		st := d.Stats()
		b.ReportMetric(float64(took)/float64(total), "ns/flow")
		b.ReportMetric(float64(observing)/float64(total), "cpu-ns/flow") // of this thread: what it is on a quiet machine
		b.ReportMetric(float64(total)/took.Seconds()/1e6, "Mflows/s")
		b.ReportMetric(100*(collected-collecting)/(spent-all), "%GC")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(st.Sources), "B/source")
		b.ReportMetric(float64(st.Bytes)/float64(st.Sources), "own-B/source")
		b.ReportMetric(float64(slowest)/1e6, "ms-slowest")
		b.ReportMetric(float64(busiest)/1e6, "cpu-ms-slowest") // without what other processes took meanwhile
		b.ReportMetric(float64(after.HeapObjects), "objects")
		b.ReportMetric(float64(after.NumGC-before.NumGC), "GCs")
		b.ReportMetric(float64(st.Opened), "alerts")
		b.ReportMetric(float64(st.Revisions), "revisions")
		runtime.KeepAlive(d)
	}
	b.ReportMetric(0, "ns/op")
}

// threadTime is the CPU time of this thread.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// cpuSpent are the seconds of CPU that the collector and that everything took.
func cpuSpent() (collecting, all float64) {
	spent := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}}
	runtime.GC() // the classes are brought up to date by a collection
	metrics.Read(spent)
	return spent[0].Value.Float64(), spent[1].Value.Float64() - spent[2].Value.Float64()
}
