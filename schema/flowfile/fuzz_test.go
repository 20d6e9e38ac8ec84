package flowfile

import (
	"bytes"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
)

// Whatever a file holds: reading it ends, the counts add up, and it takes no
// more memory than the file and the buffers, whatever lengths the file claims.
func FuzzAnyFileIsReadOrRefused(f *testing.F) {
	four := ipPacketOf(f, exporter4, collect4, v5(1))
	for _, b := range [][]byte{
		nil, v5(1), lines(3), ethernet(f, v5(1), v5(2)), pcapng(f, ether(four), four),
		pcap(f, layers.LinkTypeLinuxSLL, append(make([]byte, 14), 8, 0)), pcap(f, layers.LinkTypeNull, append(make([]byte, 4), four...)),
		pcap(f, layers.LinkTypeRaw, fragmentsOf(ipPacketOf(f, exporter6, collect6, append(v5(1), make([]byte, 2000)...)), 7)...),
		gzipped(f, lines(1)), zstded(f, ethernet(f, v5(1))), gzipped(f, make([]byte, 1<<20)),
		{0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 0xff, 0xff, 0xff}, // claims a window of 128 MB
		append([]byte("\n\r\r\n\xff\xff\xff\xff\x1a\x2b\x3c\x4d"), make([]byte, 24)...),
	} {
		f.Add(b)
	}
	for _, frame := range encapsulated(f) {
		f.Add(pcap(f, layers.LinkTypeEthernet, frame))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := stdin(content)
		decode := func(all []schema.Flow, _ netip.AddrPort, _ schema.Time, _ []byte) []schema.Flow {
			return append(all, schema.Flow{})
		}
		batches := uint64(0)
		for batch, err := range r.Flows(decode) {
			if err == nil && len(batch) == 0 {
				t.Fatal("an empty batch")
			}
			batches += uint64(len(batch))
		}
		checkSums(t, r.Stats())
		if s := r.Stats(); batches != s.Packets.Datagrams+s.Lines.Flows {
			t.Errorf("%d flows, %+v", batches, s)
		}
		runtime.ReadMemStats(&after)
		// Unpacked, a byte can become 1000, and a decoder of zstd keeps two windows.
		if took, limit := after.TotalAlloc-before.TotalAlloc, uint64(8<<20+64*len(content)); took > limit && !bytes.Contains(content, []byte{0xb5, 0x2f, 0xfd}) {
			t.Errorf("%d bytes of input took %d of memory", len(content), took)
		}
	})
}

// Whatever two datagrams hold, rebasing changes no length and no version, and
// the same input gives the same output.
func FuzzRebaseAnyDatagram(f *testing.F) {
	f.Add(v5(1), madeIPFIX()[0].Payload, int64(shift))
	all, err := lab.Captures()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range all {
		for first := range packets(f, c) {
			f.Add(first, first, int64(-shift))
			break
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte, d int64) {
		var a, b Rebaser
		for _, payload := range [][]byte{first, second, first} {
			p, q := slices.Clone(payload), slices.Clone(payload)
			errA, errB := a.Rebase(exporter4.Addr(), p, time.Duration(d)), b.Rebase(exporter4.Addr(), q, time.Duration(d))
			if (errA == nil) != (errB == nil) || !bytes.Equal(p, q) {
				t.Fatal("twice the same is not the same")
			}
			if errA != nil && !bytes.Equal(p, payload) || len(p) >= 2 && !bytes.Equal(p[:2], payload[:2]) {
				t.Fatal("changed what it must not")
			}
		}
	})
}
