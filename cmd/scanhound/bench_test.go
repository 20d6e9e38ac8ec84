package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// BenchmarkPipeline sends NetFlow v5 over a real socket through ingest, Kafka, the detector
// and NATS, for each way to compress flows, and with longer records. One operation is one flow.
// The sender stays within what the socket's buffer holds, so nothing is dropped; it, Kafka
// and the three programs share the machine's cores. CPU is that of this process, and so of
// all but an Apache Kafka.
func BenchmarkPipeline(b *testing.B) {
	onKafkas(b, func(b *testing.B, brokers []string) {
		for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
			b.Run(codec, func(b *testing.B) { throughput(b, brokers, codec, 0) })
		}
		b.Run("snappy-1024", func(b *testing.B) { throughput(b, brokers, "snappy", 1024) })
	})
}

func throughput(b *testing.B, brokers []string, codec string, batch int) {
	c := settingsOf(b, brokers)
	c.ingest.Flows.Compression, c.ingest.Flows.BatchFlows, c.ingest.Flows.BatchBytes = codec, batch, batch*256
	r := start(b, c)
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.played.to))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	datagrams := toSend(b)
	const ahead = 1000 // datagrams: 1.5 MB of the 8 MB that the socket holds
	began := cpuTime(b)
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
	b.ReportMetric(float64(cpuTime(b)-began)/float64(done.detector.Detect.Consumed), "cpu-ns/flow")
	b.ReportMetric(float64(done.ingest.UDP.KernelDrops), "drops")
	// idle counts what is lost as through: without this, fewer flows look like a counter that went back.
	b.ReportMetric(float64(done.ingest.Flows.QueueFull+done.ingest.Flows.Failed), "lost")
}

// toSend are the datagrams that are sent again and again: those of the workload in the folder
// that SCANHOUND_WORKLOAD names (ten million flows, 30 a datagram), else some of our own.
func toSend(b *testing.B) (datagrams [][]byte) {
	dir := os.Getenv("SCANHOUND_WORKLOAD")
	if dir == "" {
		return day(2000)
	}
	all, err := os.ReadFile(filepath.Join(dir, "flows.v5"))
	if err != nil {
		b.Fatal(err)
	}
	for len(all) > 0 {
		size := 24 + 48*int(binary.BigEndian.Uint16(all[2:]))
		datagrams = append(datagrams, all[:size:size])
		all = all[size:]
	}
	return datagrams
}

// cpuTime is what this process has used until now.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReplay reads, orients and detects a capture of NetFlow v5, 600,000 flows an operation.
// Who reads and who detects have a core each, where there are two.
func BenchmarkReplay(b *testing.B) {
	const datagrams = 20_000
	file := filepath.Join(b.TempDir(), "day.pcap")
	if err := os.WriteFile(file, pcapOf(day(datagrams)), 0o600); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	flows := 0.0
	for b.Loop() {
		flows += 30 * datagrams
		var stdout, stderr screen
		if code := runWith(b.Context(), nil, &stdout, &stderr, "replay", "--output=json", file); code != 0 || stdout.text() == "" {
			b.Fatalf("status %d: %s", code, stderr.text())
		}
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(flows/b.Elapsed().Seconds(), "flows/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/flows, "ns/flow")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/flows, "allocs/flow")
}

// pcapOf is a capture of IP packets (LINKTYPE_RAW, 101) that hold the datagrams, all of one second.
func pcapOf(datagrams [][]byte) []byte {
	b := make([]byte, 24, 24+len(datagrams)*1600)
	binary.LittleEndian.PutUint32(b, 0xa1b2c3d4)
	copy(b[4:], []byte{2, 0, 4, 0})
	binary.LittleEndian.PutUint32(b[16:], 65535)
	binary.LittleEndian.PutUint32(b[20:], 101)
	for _, d := range datagrams {
		var h [16 + 28]byte // of the record, of IPv4 and of UDP
		binary.LittleEndian.PutUint32(h[0:], binary.BigEndian.Uint32(d[8:]))
		binary.LittleEndian.PutUint32(h[8:], uint32(28+len(d)))
		binary.LittleEndian.PutUint32(h[12:], uint32(28+len(d)))
		copy(h[16:], []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 8, 7, 8, 7})
		binary.BigEndian.PutUint16(h[18:], uint16(28+len(d)))
		binary.BigEndian.PutUint16(h[40:], uint16(8+len(d)))
		b = append(append(b, h[:]...), d...)
	}
	return b
}

// day is n datagrams of ordinary sessions, and a tenth of the flows is of scanners.
func day(n int) (datagrams [][]byte) {
	r := rand.New(rand.NewPCG(1, 1))
	at := time.Now().Add(-time.Hour)
	for range n {
		d := newV5(at)
		for range 30 {
			who := r.IntN(50_000)
			if r.IntN(10) == 0 {
				who -= who % 300
			}
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
