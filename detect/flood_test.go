package detect_test

import (
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// floodSize is how many spoofed sources there are; SCANHOUND_FLOOD says another
// number, such as 100000000 (some minutes).
func floodSize(t *testing.T) int {
	n := 1_000_000
	if s := os.Getenv("SCANHOUND_FLOOD"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// flood is 40 h of spoofed sources with one contact each, and what hides in it: 60
// ports of a host before, 100 in the middle of it, and one in five minutes all along.
type flood struct {
	detector *detect.Detector
	sources  int
	found    map[netip.Addr]schema.Alert
}

var (
	amid = netip.MustParseAddr("198.51.100.99")
	slow = netip.MustParseAddr("198.51.100.100")
)

func (f *flood) observe(flows ...schema.Flow) {
	for _, a := range f.detector.Observe(flows, 0) {
		f.found[a.Source] = a
	}
}

func (f *flood) run(each func(i int)) {
	f.observe(verticalScan(60, time.Second)...)
	gap := 40 * time.Hour / time.Duration(f.sources)
	next := time.Duration(0)
	for i := range f.sources {
		src := netip.AddrFrom4([4]byte{byte(11 + i>>24), byte(i >> 16), byte(i >> 8), byte(i)})
		after := time.Minute + time.Duration(i)*gap
		f.observe(syn(src, target(i%9), 80, after))
		if i%10_000 == 0 && i < 1_000_000 {
			f.observe(syn(amid, target(1), uint16(1+i/10_000), after))
		}
		if after >= next {
			f.observe(syn(slow, target(2), uint16(1+next/(5*time.Minute)), after))
			next += 5 * time.Minute
		}
		if i%100_000 == 0 {
			each(i)
		}
	}
}

func TestAFloodOfSpoofedSourcesHidesNoScannerAndKeepsTheBudget(t *testing.T) {
	const budget = 4 << 20
	f := flood{newDetector(t, func(c *detect.Config) { c.Memory = budget }), floodSize(t), map[netip.Addr]schema.Alert{}}
	f.run(func(i int) {
		if s := f.detector.Stats(); s.Bytes > budget*11/10 {
			t.Fatalf("%d bytes of %d after %d sources", s.Bytes, budget, i)
		}
	})
	s := f.detector.Stats()
	if s.Waiting == 0 || s.Sources < 20_000 {
		t.Errorf("%+v", s)
	}
	for _, a := range f.detector.Finish("end") {
		f.found[a.Source] = a
	}
	if len(f.found) != 3 || f.found[scanner].Ports.Count != 60 || f.found[amid].Ports.Count < 90 || f.found[slow].Ports.Count < 440 {
		t.Errorf("found %v", f.found)
	}
	checkSum(t, f.detector)
}
