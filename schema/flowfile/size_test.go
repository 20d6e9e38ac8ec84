package flowfile

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/klauspost/compress/gzip"

	"github.com/scanhound/scanhound/schema"
)

func decodeNothing(all []schema.Flow, _ netip.AddrPort, _ schema.Time, _ []byte) []schema.Flow {
	return append(all, schema.Flow{})
}

// repeated is head and then body, over and over, size bytes in all.
func repeated(head, body []byte, size int64) io.Reader {
	return io.LimitReader(io.MultiReader(bytes.NewReader(head), &loop{b: body}), size)
}

type loop struct {
	b  []byte
	at int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.b[l.at:])
	l.at = (l.at + n) % len(l.b)
	return n, nil
}

func TestALargeFileTakesNoMoreMemoryThanASmallOne(t *testing.T) {
	const size = 64 << 20
	head := pcap(t, layers.LinkTypeEthernet)
	frames := ethernet(t, append(v5(1), make([]byte, 1300)...))[len(head):]
	packed, pack := io.Pipe()
	go func() {
		w := gzip.NewWriter(pack)
		io.Copy(w, repeated(head, frames, size))
		pack.CloseWithError(w.Close())
	}()
	for name, content := range map[string]io.Reader{
		"pcap":             repeated(head, frames, size),
		"JSON":             repeated(nil, lines(100), size),
		"one endless line": repeated([]byte(line(1)), bytes.Repeat([]byte("x"), 1000), size),
		"gzip":             packed,
		"nfdump CSV":       repeated(nil, sample(t, "nfdump17.csv"), size/4),
		"Zeek JSON":        repeated(nil, sample(t, "connjson.log"), size/4),
	} {
		p := &probe{r: content}
		p.measure()
		before := p.most
		r, batches := Open([]string{"-"}, p), 0
		for _, err := range r.Flows(decodeNothing) {
			if batches++; batches%1000 == 0 {
				p.measure()
			}
			if err != nil && !strings.Contains(err.Error(), "is read in part") { // cut at its size
				t.Fatal(name, err)
			}
		}
		if p.most > before+4<<20 {
			t.Errorf("%s: %d MB are in use at a time", name, (p.most-before)>>20)
		}
		if p.measured < 10 {
			t.Errorf("%s: memory was looked at only %d times", name, p.measured)
		}
		checkSums(t, r.Stats())
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// probe looks at the memory in use every MB.
type probe struct {
	r        io.Reader
	bytes    int
	measured int
	most     uint64
}

func (p *probe) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.bytes += n; p.bytes > 1<<20 {
		p.bytes = 0
		p.measure()
	}
	return n, err
}

func (p *probe) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	p.most = max(p.most, m.HeapAlloc)
	p.measured++
}

func benchmark(b *testing.B, content []byte, per int) {
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		r := stdin(content)
		for _, err := range r.Flows(decodeNothing) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*per), "ns/record")
}

func BenchmarkPcap(b *testing.B) {
	benchmark(b, bytesOfDatagrams(b, 2000), 2000)
}

func BenchmarkPcapInGzip(b *testing.B) {
	benchmark(b, gzipped(b, bytesOfDatagrams(b, 2000)), 2000)
}

func BenchmarkJSONLines(b *testing.B) {
	benchmark(b, lines(2000), 2000)
}

func bytesOfDatagrams(b *testing.B, n int) []byte {
	var payloads [][]byte
	for i := range n {
		payloads = append(payloads, append(v5(uint32(i)), make([]byte, 1300)...))
	}
	return ethernet(b, payloads...)
}

func BenchmarkRebase(b *testing.B) {
	var r Rebaser
	made := madeIPFIX()[0].Payload
	b.SetBytes(int64(len(made)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Rebase(exporter4.Addr(), made, 0); err != nil {
			b.Fatal(err)
		}
	}
}
