package detect_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// goldenState has a bit of everything: sources of both rulesOf, with one target and
// with many, open scans, a sketch, sessions, targets that are down.
func goldenState(t tester) *detect.Detector {
	d := newDetector(t, nil)
	d.SetAssets([]detect.Asset{{Name: "billing", Prefixes: prefixes(target(977).String() + "/32"), Criticality: schema.High}, {Name: "all", Prefixes: prefixes("10.0.0.0/8", "2001:db8::/32")}})
	r := rand.New(rand.NewPCG(3, 5))
	flows := life(r, 400)
	span := time.Duration(flows[len(flows)-1].Received - noon)
	for i := range 1500 {
		flows = append(flows, syn(scanner, target(i*977), uint16(22+i%2), span+time.Duration(i)*time.Second))
	}
	for i := range 40 {
		flows = append(flows, syn(v6(1, i), v6(9, i), 22, span+time.Duration(i)*time.Second), ping(target(77), target(i), span))
	}
	for i := range 80 { // contacts that left the set of those that failed
		f := syn(target(5), target(100+i%40), 8443, span+time.Duration(i)*time.Second)
		if i > 40 {
			f = session(target(5), target(100+i%40), 8443, span+time.Duration(i)*time.Second)
		}
		flows = append(flows, f)
	}
	flows = append(flows, session(scanner, target(977), 23, span))
	for i := range flows {
		f := &flows[i]
		f.Start, f.End, f.Received = f.Start.Add(130*time.Minute), f.End.Add(130*time.Minute), f.Received.Add(130*time.Minute)
	}
	observe(d, append(reopened(), flows...), 0)
	return d
}

// reopened is three scans, one of them large, that have closed when their sources get
// into what they probed.
func reopened() (flows []schema.Flow) {
	at := time.Duration(0)
	who := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }
	for i := range 1200 {
		at += time.Second / 4
		flows = append(flows, syn(who(1), target(2<<16+i), 23, at))
		if i < 60 {
			flows = append(flows, syn(who(2), target(i), 25, at), syn(who(3), target(i), uint16(26+i%2), at))
		}
		if i%10 == 0 { // a port that answers, and nothing is said
			f := session(who(1), target(2<<16+1200+i), 23, at)
			f.Src.Packets, f.Dst.Packets = 3, 1
			flows = append(flows, f)
		}
	}
	at += 2 * time.Hour
	flows = append(flows, session(target(1), target(2), 443, at))
	return append(flows, session(who(3), target(2), 26, at+time.Minute),
		session(who(1), target(2<<16+700), 23, at+2*time.Minute), session(who(2), target(3), 25, at+3*time.Minute))
}

// Each version is in testdata for good: later programs read it. What is read says what
// is in the text beside it.
func TestSlicesOfEachVersionAreRead(t *testing.T) {
	for version := 1; version <= detect.SliceVersion; version++ {
		t.Run(strconv.Itoa(version), func(t *testing.T) { sliceVersionIsRead(t, version) })
	}
}

func sliceVersionIsRead(t *testing.T, version int) {
	file, words := fmt.Sprintf("testdata/slices-v%d.bin", version), fmt.Sprintf("testdata/slices-v%d.txt", version)
	if *update && version == detect.SliceVersion {
		var all []byte
		for _, b := range slicesOf(goldenState(t)) {
			all = append(binary.AppendUvarint(all, uint64(len(b))), b...)
		}
		if err := os.WriteFile(file, all, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := newDetector(t, nil)
	for part := 0; len(all) > 0; part++ {
		size, n := binary.Uvarint(all)
		b := all[n : n+int(size)]
		all = all[n+int(size):]
		if err := d.MergeSlice(b); err != nil {
			t.Fatal(err)
		}
		if again := d.AppendSlice(nil, part); int(again[0]) == version && !bytes.Equal(again, b) {
			t.Errorf("slice %d is written as %x, was %x", part, again, b)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d sources at %v\n", d.Stats().Sources, d.Now())
	for _, a := range d.Finish("end") {
		fmt.Fprintf(&out, "%s.%d %s of %s: %s hosts, %s ports, %s pairs, %d flows, got in %d\n",
			a.ID, a.Revision, a.Kind, a.Source, a.Hosts, a.Ports, a.Pairs, a.Flows, len(a.Answered))
	}
	if *update {
		if err := os.WriteFile(words, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(words)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("(-testdata +read)\n%s", diff)
	}
}

func TestASliceThatIsNotAsItWasWrittenIsRefusedAndChangesNothing(t *testing.T) {
	parts := slicesOf(goldenState(t))
	largest := parts[0]
	for _, b := range parts {
		if len(b) > len(largest) {
			largest = b
		}
	}
	refused := func(what, want string, change func(*detect.Config), b []byte) {
		d := newDetector(t, change)
		err := d.MergeSlice(b)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
		if d.Stats().Sources != 0 || !d.Now().IsZero() {
			t.Errorf("%s: half of it was merged", what)
		}
	}
	refused("nothing", "ends early", nil, nil)
	refused("another version", "version 9, this program knows 4", nil, detect.Sealed([]byte{9, 0}))
	refused("another window", "it has a window of 48h0m0s, this is 24h0m0s", func(c *detect.Config) { c.Window = 24 * time.Hour }, largest)
	refused("a bit that flipped", "checksum", nil, append([]byte{2, largest[1] ^ 1}, largest[2:]...))
	refused("a part that there is not", "a part that there is not", nil, detect.Sealed([]byte{2, 0x81, 2, 0, 0, 0}))
	for cut := range len(largest) - 4 {
		if cut > 200 && cut%97 != 0 {
			continue
		}
		if cut > 0 {
			refused("its beginning", "read slice of state", nil, detect.Sealed(bytes.Clone(largest[:cut])))
		}
	}
}

// FuzzMergeSlice gives any bytes to a Detector as a slice whose checksum is right. What
// it takes it must live with, and write again as it is.
func FuzzMergeSlice(f *testing.F) {
	for i, b := range slicesOf(goldenState(f)) {
		if len(b) > 40 && len(b) < 1500 || i == 0 || i == detect.Slices-1 {
			f.Add(b[:len(b)-4])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		d := newDetector(t, nil)
		if d.MergeSlice(detect.Sealed(bytes.Clone(b))) != nil {
			return
		}
		written := slicesOf(d)
		again := newDetector(t, nil)
		mergeAll(t, again, written)
		sameState(t, d, again)
		mergeAll(t, d, written)
		sameState(t, d, again)
		var flows []schema.Flow
		for i := range 100 {
			flows = append(flows, syn(scanner, target(i), 22, time.Duration(i)*time.Second))
		}
		last := schema.TimeOf(d.Now())
		for i := range flows {
			flows[i].Start, flows[i].Received = flows[i].Start+last-noon, 0
		}
		d.Observe(flows, 1)
		d.Finish("end")
	})
}

func BenchmarkSlices(b *testing.B) {
	for _, size := range []int{10_000, 200_000, 1_000_000} {
		b.Run(fmt.Sprintf("sources=%dk", size/1000), func(b *testing.B) {
			d := newDetector(b, func(c *detect.Config) { c.Memory = 4 << 30 })
			observe(d, population(max(1_000_000, 2*size), size), 0)
			held := float64(d.Stats().Sources)
			var parts [][]byte
			var buf []byte
			bytes, slowest, merging, slowestMerge := 0, time.Duration(0), time.Duration(0), time.Duration(0)
			for b.Loop() {
				parts, bytes = parts[:0], 0
				for part := range detect.Slices {
					at := time.Now()
					buf = d.AppendSlice(buf[:0], part)
					slowest = max(slowest, time.Since(at))
					bytes += len(buf)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/held, "ns/source")
			b.ReportMetric(float64(bytes)/held, "B/source")
			b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest")
			parts = slicesOf(d)
			fresh := newDetector(b, func(c *detect.Config) { c.Memory = 4 << 30 })
			for _, p := range parts {
				at := time.Now()
				if err := fresh.MergeSlice(p); err != nil {
					b.Fatal(err)
				}
				took := time.Since(at)
				merging, slowestMerge = merging+took, max(slowestMerge, took)
			}
			b.ReportMetric(float64(merging.Nanoseconds())/held, "ns-merge/source")
			b.ReportMetric(float64(slowestMerge.Microseconds())/1000, "ms-slowest-merge")
			b.ReportMetric(0, "ns/op")
		})
	}
}
