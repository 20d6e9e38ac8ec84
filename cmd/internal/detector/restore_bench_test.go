package detector

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

// BenchmarkRestore restores one partition from a Kafka in this process. Half of the sources
// have one target, the others up to eight; three in a thousand scan.
func BenchmarkRestore(b *testing.B) {
	for _, sources := range []int{200_000, 1_000_000, 5_000_000} {
		b.Run(fmt.Sprint("sources=", sources), func(b *testing.B) { benchmarkRestore(b, sources) })
	}
}

func benchmarkRestore(b *testing.B, sources int) {
	log := slog.New(slog.DiscardHandler)
	kafka, err := embedded.Kafka(embedded.KafkaConfig{}, log)
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Close()
	cfg := defaults.Of[Config]()
	cfg.Kafka.Brokers, cfg.Topics.Partitions, cfg.Detect.Memory = kafka.Brokers(), 1, 8<<30
	d, err := New(cfg, service.New("detector", log))
	if err != nil {
		b.Fatal(err)
	}
	if err := d.connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer d.alerts.Load().Close()
	defer d.store.Load().Close()
	at := stream.Assignment{Topic: schema.FlowsTopic, Committed: 1, High: 1}
	before := heap()
	median, longest := writeState(b, d, at, sources)
	kafkas := heap() - before
	b.ResetTimer()
	for range b.N {
		base := heap()
		peak := watch()
		begin := time.Now()
		w, err := d.worker(at)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.look(b.Context()); err != nil {
			b.Fatal(err)
		}
		looked := time.Since(begin)
		if err := w.Prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(begin)
		high := peak() - base
		if err := w.restoring(); err != nil || w.state.Stats().Sources < uint64(sources)*99/100 {
			b.Fatalf("%d sources, %v", w.state.Stats().Sources, err)
		}
		held := heap() - base
		b.ReportMetric(looked.Seconds(), "s-read")
		b.ReportMetric(took.Seconds(), "s-restored")
		b.ReportMetric(float64(high)/float64(held), "peak/held")
		b.ReportMetric(float64(held)/float64(sources), "B/source")
		b.ReportMetric(float64(kafkas)/float64(sources), "B-kafka/source")
		b.ReportMetric(float64(median.Microseconds())/1000, "ms-part")
		b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-part")
		d.forget(w)
	}
}

// writeState fills a state and writes all of it. It returns how long the flow would have
// waited for a part.
func writeState(b *testing.B, d *Detector, at stream.Assignment, sources int) (median, longest time.Duration) {
	b.Helper()
	w, err := d.worker(at)
	if err != nil {
		b.Fatal(err)
	}
	w.restore.ended, w.next = true, 1
	now := schema.TimeOf(time.Now().Add(-time.Hour))
	flows := make([]schema.Flow, 0, 256)
	for i := range sources {
		targets := 1
		if i%2 == 1 {
			targets += i / 2 % 8
		}
		if i%1000 < 3 {
			targets = 300
		}
		for j := range targets {
			when := now.Add(time.Duration(i) * time.Hour / time.Duration(sources))
			flows = append(flows, schema.Flow{
				Received: when, Start: when, End: when, Proto: schema.TCP,
				Src: schema.Side{Addr: address(1<<22 + i), Port: 40000, Packets: 5, Bytes: 440, TCPFlags: schema.SYN | schema.ACK},
				Dst: schema.Side{Addr: address(int(schema.Mix64(uint64(i+j)) % (1 << 20))), Port: 443, Packets: 5, Bytes: 4000, TCPFlags: schema.SYN | schema.ACK},
			})
			if targets == 300 {
				f := &flows[len(flows)-1]
				f.Src.Packets, f.Src.TCPFlags, f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags, f.Dst.Port = 1, schema.SYN, 0, 0, 0, 23
			}
			if len(flows) == cap(flows) {
				w.state.Observe(flows, 0)
				flows = flows[:0]
			}
		}
	}
	w.state.Observe(flows, 0)
	var each []time.Duration
	for range detect.Slices {
		for w.kept.underWay() >= maxInFlight {
			<-w.kept.answered
		}
		begin := time.Now()
		if !w.keepOne(b.Context()) {
			b.Fatal("nothing is to be written")
		}
		each = append(each, time.Since(begin))
	}
	w.save(b.Context())
	d.forget(w)
	slices.Sort(each)
	return each[len(each)/2], each[len(each)-1]
}

// heap is what is reachable.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// watch looks at the heap until what it returns is called, which returns the most.
func watch() (peak func() int64) {
	var most atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), int64(m.HeapAlloc)))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-done
		return most.Load()
	}
}
