package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// BenchmarkPipeline sends NetFlow v5 over a real socket through ingest, Kafka
// (kfake, in this process), the detector and NATS. One operation is one flow.
// The sender stays within what the socket's buffer holds, so nothing is dropped;
// it, kfake and the three programs share the machine's cores.
func BenchmarkPipeline(b *testing.B) {
	c := settingsOf(b, fakeKafka(b))
	c.ingest.Flows.Compression = "none"
	r := start(b, c)
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.played.to))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	datagrams := day(2000)
	const ahead = 1000 // datagrams: 1.5 MB of the 8 MB that the socket holds
	flows := 0
	for b.Loop() {
		flows++
		if flows%30 != 0 {
			continue
		}
		sent := uint64(flows / 30)
		if sent%100 == 0 {
			for r.ingest.Stats().Decoded.Datagrams+ahead < sent {
				runtime.Gosched()
			}
		}
		if _, err := conn.Write(datagrams[int(sent)%len(datagrams)]); err != nil {
			b.Fatal(err)
		}
		r.played.sent.Add(1)
	}
	done := r.idle(b)
	b.ReportMetric(float64(done.detector.Detect.Consumed)/b.Elapsed().Seconds(), "flows/s")
	b.ReportMetric(float64(done.ingest.UDP.KernelDrops), "drops")
}

// day is n datagrams of ordinary sessions and of some scans.
func day(n int) (datagrams [][]byte) {
	r := rand.New(rand.NewPCG(1, 1))
	at := time.Now().Add(-time.Hour)
	for range n {
		d := newV5(at)
		for range 30 {
			who := r.IntN(50_000)
			rec := v5record{
				src: netip.AddrFrom4([4]byte{172, 16, byte(who >> 8), byte(who)}), dst: netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(who)}),
				srcPort: uint16(32768 + r.IntN(20000)), dstPort: 443, packets: 12, bytes: 4000,
				flags: schema.SYN | schema.ACK | schema.PSH | schema.FIN,
			}
			if who%300 == 0 {
				rec.dst, rec.dstPort = netip.AddrFrom4([4]byte{10, byte(r.IntN(256)), byte(r.IntN(256)), 1}), 23
				rec.packets, rec.bytes, rec.flags = 1, 44, schema.SYN
			}
			d.add(rec)
		}
		datagrams = append(datagrams, d.bytes())
	}
	return datagrams
}
