package detect_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// apartFlows are three days of scans that pause and go on, by IPv4 and IPv6 sources and by
// whole /64s, fast and slow. No target answers, so that no source learns from another.
func apartFlows(r *rand.Rand) (flows []schema.Flow) {
	type scan struct {
		who   func(i int) netip.Addr
		begin time.Duration
		every time.Duration
		size  int
	}
	var scans []scan
	for n := range 120 {
		s := scan{begin: time.Duration(r.Int64N(int64(40 * time.Hour))), every: time.Duration(1+r.IntN(600)) * time.Second, size: 5 + r.IntN(200)}
		switch lone, net := target(1<<20+n), byte(n); n % 3 {
		case 0:
			s.who = func(int) netip.Addr { return lone }
		case 1:
			s.who = func(int) netip.Addr { return v6(net, 1) }
		default:
			s.who = func(i int) netip.Addr { return v6(net, 1+i%40) }
		}
		scans = append(scans, s)
	}
	for n, s := range scans {
		for i := range s.size {
			flows = append(flows, syn(s.who(i), target(n<<12+i), 22, s.begin+time.Duration(i)*s.every))
		}
	}
	slices.SortStableFunc(flows, func(a, b schema.Flow) int { return int(a.Start - b.Start) })
	return flows
}

// shared are the Detectors of so many partitions.
type shared []*detect.Detector

func newShared(t *testing.T, n int) (all shared) {
	for range n {
		all = append(all, newDetector(t, nil))
	}
	return all
}

func (all shared) observe(flows []schema.Flow) (alerts []schema.Alert) {
	for i := range flows {
		d := all[schema.Partition(flows[i].Src.Addr, len(all))]
		alerts = append(alerts, d.Observe(flows[i:i+1], int64(i))...)
	}
	return alerts
}

// move gives the state of all to another number of Detectors.
func (all shared) move(t *testing.T, n int) shared {
	t.Helper()
	to := newShared(t, n)
	for from, d := range all {
		for _, b := range slicesOf(d) {
			for i := range to {
				if err := to[i].MergeMoved(b, detect.Move{From: from, FromCount: len(all), To: i, ToCount: n}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return to
}

// told is what each alert came to, by its id.
func told(t *testing.T, alerts []schema.Alert) map[string]string {
	t.Helper()
	last, all := map[string]uint32{}, map[string]string{}
	for _, a := range alerts {
		if a.Revision != last[a.ID]+1 {
			t.Errorf("revision %d of %s after %d", a.Revision, a.ID, last[a.ID])
		}
		last[a.ID] = a.Revision
		all[a.ID] = fmt.Sprintf("%s %s/%d: %d hosts, %d ports, %d pairs, %d flows, %d answered",
			a.Kind, a.Source, a.Prefix, a.Hosts.Count, a.Ports.Count, a.Pairs.Count, a.Flows, len(a.Answered))
	}
	return all
}

func TestAStateThatMovesToAnotherNumberOfPartitionsSaysWhatOneDetectorWouldSay(t *testing.T) {
	for _, counts := range [][]int{{3, 5}, {4, 2}, {2, 6, 1}, {1, 4}} {
		t.Run(fmt.Sprint(counts), func(t *testing.T) {
			flows := apartFlows(rand.New(rand.NewPCG(uint64(counts[0]), uint64(counts[1]))))
			one := newShared(t, 1)
			want := one.observe(flows)
			want = append(want, one[0].Finish("end")...)

			all := newShared(t, counts[0])
			var got []schema.Alert
			for i, n := range counts {
				if i > 0 {
					all = all.move(t, n)
				}
				got = append(got, all.observe(flows[len(flows)*i/len(counts):len(flows)*(i+1)/len(counts)])...)
			}
			for _, d := range all {
				got = append(got, d.Finish("end")...)
			}
			w, g := told(t, want), told(t, got)
			if len(w) < 60 {
				t.Fatalf("%d alerts", len(w))
			}
			if d := gocmp.Diff(w, g); d != "" {
				t.Errorf("(-one detector +moved)\n%.4000s", d)
			}
		})
	}
}

func TestASourceOfIPv6MovesToNoMorePartitionsThanItMayBelongTo(t *testing.T) {
	all := newShared(t, 3)
	for i := range 240 { // none is a suspect
		all.observe([]schema.Flow{syn(v6(byte(i), i), target(i), 22, time.Duration(i)*time.Second)})
	}
	held := func(all shared) (n uint64) {
		for _, d := range all {
			n += d.Stats().Sources
		}
		return n
	}
	for n, want := range map[int]uint64{5: 5 * 240, 6: 2 * 240, 1: 240, 3: 240} {
		if got := held(all.move(t, n)); got != want {
			t.Errorf("3 to %d: %d sources, want %d", n, got, want)
		}
	}
}

func TestASliceSaysWhatItIs(t *testing.T) {
	d := newDetector(t, nil)
	for i := range 40 {
		d.Observe([]schema.Flow{syn(scanner, target(i), 22, time.Duration(i)*time.Second)}, 0)
	}
	sources, open := 0, 0
	for part, b := range slicesOf(d) {
		info, err := detect.DescribeSlice(b)
		if err != nil || info.Part != part || info.Version == 0 || info.Window != unset.Window || info.Clock != noon.Add(39*time.Second) {
			t.Fatalf("part %d: %+v, %v", part, info, err)
		}
		sources, open = sources+info.Sources, open+info.Open
		b[len(b)/2] ^= 1
		if _, err := detect.DescribeSlice(b); err == nil {
			t.Fatalf("part %d: a flipped bit is not noticed", part)
		}
	}
	if sources != 1 || open != 1 {
		t.Errorf("%d sources, %d open alerts", sources, open)
	}
}
