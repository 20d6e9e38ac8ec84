package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// BenchmarkLatency is how long it takes from the datagram that crosses a threshold until the
// subscriber has the alert, at two rates of ordinary flows. Twenty times a second a source that
// nobody knows probes 30 hosts in one datagram. An operation is 200 of these.
func BenchmarkLatency(b *testing.B) {
	onKafkas(b, func(b *testing.B, brokers []string) {
		for _, rate := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%dk", rate/1000), func(b *testing.B) { latency(b, brokers, rate) })
		}
	})
}

func latency(b *testing.B, brokers []string, rate int) {
	const probes, every = 200, 50 * time.Millisecond
	r := start(b, settingsOf(b, brokers))
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.played.to))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	send := func(d []byte) {
		if _, err := conn.Write(d); err != nil {
			b.Fatal(err)
		}
		r.played.sent.Add(1)
	}
	ordinary := quietDay(2000)
	probeOnce(b, send, 0)
	if !soon(func() bool { return len(r.told()) > 0 }) { // the start is BenchmarkFirstAlert's
		b.Fatal("no first alert")
	}
	sent := map[netip.Addr]time.Time{}
	prober := uint32(1)
	for b.Loop() {
		began, next, datagrams := time.Now(), time.Now(), 0
		for range probes {
			for ; time.Until(next) > 0; time.Sleep(time.Millisecond) {
				for due := int(time.Since(began).Seconds() * float64(rate) / 30); datagrams < due; datagrams++ {
					send(ordinary[datagrams%len(ordinary)])
				}
			}
			next = next.Add(every)
			now := time.Now()
			sent[probeOnce(b, send, prober)] = now
			prober++
		}
		r.idle(b)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var took []time.Duration
	for source, at := range sent {
		if came, ok := r.arrived[source]; ok {
			took = append(took, came.Sub(at))
		}
	}
	if len(took) < len(sent) {
		b.Errorf("%d of %d probers have an alert", len(took), len(sent))
	}
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
		b.ReportMetric(float64(took[int(share*float64(len(took)-1))].Microseconds())/1000, name)
	}
}

// BenchmarkFirstAlert is how long it takes from the start of all programs, on a Kafka that has
// none of their topics, to the first alert. The scan is there when they start.
func BenchmarkFirstAlert(b *testing.B) {
	onKafkas(b, func(b *testing.B, brokers []string) {
		for b.Loop() {
			r := start(b, settingsOf(b, brokers))
			r.send(b, horizontalScan(time.Now().Add(-time.Hour), 30))
			r.alerted(b, scanner)
			b.StopTimer()
			r.stop()
			b.StartTimer()
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/start")
	})
}

// probeOnce sends 30 lone SYNs of prober n in one datagram, and returns who that is.
func probeOnce(b *testing.B, send func([]byte), n uint32) netip.Addr {
	b.Helper()
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], 198<<24|18<<16+n) // RFC 2544
	source := netip.AddrFrom4(address)
	d := newV5(time.Now().Add(-time.Hour))
	for i := range 30 {
		d.add(v5record{
			src: source, dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}),
			srcPort: 40000, dstPort: 22, packets: 1, bytes: 44, flags: schema.SYN,
		})
	}
	send(d.bytes())
	return source
}

// quietDay is n datagrams of ordinary sessions alone.
func quietDay(n int) [][]byte {
	at := time.Now().Add(-time.Hour)
	all := make([][]byte, n)
	for i := range all {
		d := newV5(at)
		for j := range 30 {
			who := i*30 + j
			d.add(v5record{
				src: netip.AddrFrom4([4]byte{172, 16, byte(who >> 8), byte(who)}), dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(who)}),
				srcPort: uint16(32768 + i), dstPort: 443, packets: 12, bytes: 4000,
				flags: schema.SYN | schema.ACK | schema.PSH | schema.FIN,
			})
		}
		all[i] = d.bytes()
	}
	return all
}

// onKafkas is onEachKafka for a benchmark.
func onKafkas(b *testing.B, bench func(b *testing.B, brokers []string)) {
	b.Run("embedded", func(b *testing.B) { bench(b, fakeKafka(b)) })
	if address := os.Getenv("SCANHOUND_KAFKA"); address != "" {
		b.Run("apache", func(b *testing.B) { bench(b, strings.Split(address, ",")) })
	}
}
