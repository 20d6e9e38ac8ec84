package detect_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
)

// bursts is four days of three scanners that come and go: alerts close and go on, the window
// loses what they began with, sets spill, and some that begin anew are other alerts.
func bursts(r *rand.Rand) (flows []schema.Flow) {
	for who := range 3 {
		source := netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + who)})
		hosts, ports := 1+r.IntN(600), 1+r.IntN(60)
		at, base := time.Duration(r.IntN(3600))*time.Second, who<<18
		for at < 96*time.Hour {
			for range 30 + r.IntN(500) {
				f := syn(source, target(base+r.IntN(hosts)), uint16(1+r.IntN(ports)), at)
				if r.IntN(40) == 0 {
					f = session(source, f.Dst.Addr, f.Dst.Port, at)
				}
				flows = append(flows, f)
				at += time.Duration(r.IntN(2000)) * time.Millisecond
			}
			at += time.Duration(20+r.IntN(900)) * time.Minute
			if r.IntN(6) == 0 { // other hosts, other ports
				base += 1 << 12
			}
		}
	}
	slices.SortStableFunc(flows, func(a, b schema.Flow) int { return int(a.Received-b.Received) / 1e6 })
	return flows
}

func TestADetectorRestoredBetweenBurstsSaysToTheByteWhatTheOneBeforeItWouldHaveSaid(t *testing.T) {
	cameBack, outlived := uint64(0), 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 8))
		flows := bursts(r)
		cut := r.IntN(len(flows))
		one, two := newDetector(t, ours), newDetector(t, ours)
		observe(one, flows[:cut], 0)
		mergeAll(t, two, slicesOf(one))
		sameState(t, one, two)
		want, got := observe(one, flows[cut:], cut), observe(two, flows[cut:], cut)
		want, got = append(want, one.Finish("end")...), append(got, two.Finish("end")...)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("seed %d, cut %d (-first +restored)\n%s", seed, cut, gocmp.Diff(want, got, equateAlerts))
		}
		cameBack += one.Stats().Reopened
		for _, a := range want {
			if a.InWindow.Pairs.Count < a.Pairs.Count {
				outlived++
			}
		}
	}
	if cameBack < 20 || outlived < 20 {
		t.Errorf("%d came back, and of %d revisions the window had lost something: too few to show anything", cameBack, outlived)
	}
}

// fanOuts is a monitor whose first targets are known for a day, and scanners that reach all
// that they try, of which rule F counts what is new.
func fanOuts(r *rand.Rand) (flows []schema.Flow) {
	connect := func(src, dst netip.Addr, port uint16, after time.Duration) {
		f := syn(src, dst, port, after)
		f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = 3, 124, schema.SYN|schema.ACK|schema.RST
		f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 1, 44, schema.SYN|schema.ACK
		flows = append(flows, f)
	}
	for i := range 200 {
		connect(target(1), target(2), 8080, time.Duration(i)*10*time.Minute)
	}
	for who := range 4 {
		at := 25*time.Hour + time.Duration(r.IntN(3600))*time.Second
		for i := range 260 {
			if host := target(300 + i); who%2 == 0 {
				connect(target(10+who), host, 22, at)
			} else {
				connect(target(10+who), target(20), uint16(1000+i), at)
			}
			at += time.Duration(r.IntN(20)) * time.Second
		}
	}
	slices.SortStableFunc(flows, byStart)
	return flows
}

func TestARestoredDetectorOpensAFanOutAtTheSameTarget(t *testing.T) {
	opened := uint64(0)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		flows := fanOuts(r)
		cut := len(flows) - r.IntN(1000)
		one, two := newDetector(t, ours), newDetector(t, ours)
		observe(one, flows[:cut], 0)
		mergeAll(t, two, slicesOf(one))
		before := one.Stats().Opened
		want, got := observe(one, flows[cut:], cut), observe(two, flows[cut:], cut)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("seed %d, cut %d (-first +restored)\n%s", seed, cut, gocmp.Diff(want, got, equateAlerts))
		}
		opened += one.Stats().Opened - before
	}
	if opened < 15 {
		t.Errorf("%d opened after the cuts: too few to show anything", opened)
	}
}
