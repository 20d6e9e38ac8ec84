package detect_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// slicesOf is the whole state, encoded.
func slicesOf(d *detect.Detector) [][]byte {
	all := make([][]byte, detect.Slices)
	for i := range all {
		all[i] = d.AppendSlice(nil, i)
	}
	return all
}

func mergeAll(t tester, d *detect.Detector, parts [][]byte) {
	t.Helper()
	for _, b := range parts {
		if err := d.MergeSlice(b); err != nil {
			t.Fatal(err)
		}
	}
}

// life is days of scans of every shape, large and small, again and again, by sources
// of both rulesOf, sampled or not, among ordinary traffic, with pauses from seconds to
// more than a window. Flows come late and twice.
func life(r *rand.Rand, n int) (flows []schema.Flow) {
	at := time.Duration(0)
	for len(flows) < n {
		if r.IntN(12) == 0 {
			at += time.Duration(r.Int64N(int64([]time.Duration{time.Hour, 6 * time.Hour, 60 * time.Hour}[r.IntN(3)])))
		}
		who, size, pace := target(1<<20+r.IntN(20)), 1<<r.IntN(8), time.Second<<r.IntN(6)
		if r.IntN(20) == 0 {
			size, pace = 2000, time.Second/4
		}
		port, base, kind, sampling := uint16(20+r.IntN(5)), r.IntN(3)<<16, r.IntN(9), uint32(0)
		if r.IntN(10) == 0 {
			sampling = 100
		}
		for i := range size {
			at += time.Duration(r.Int64N(int64(pace)))
			late := at - time.Duration(r.Int64N(int64(2*pace)))
			var f schema.Flow
			switch kind {
			case 0:
				f = syn(who, target(base), uint16(i*7), late)
			case 1:
				f = syn(who, target(base+i*3), port, late)
			case 2:
				f = syn(who, target(base+i%17), uint16(i/17), late)
			case 3:
				f = ping(who, target(base+i), late)
			case 4:
				f = contactOf(who, target(base), uint8(60+i%100), 0, late)
			case 5:
				f = udp(who, target(base+i), port, late)
			case 6: // a /64 of which every address probes
				f = syn(v6(byte(r.IntN(3)), r.IntN(6)), v6(99, i), port, late)
			case 7:
				f = session(target(1<<21+r.IntN(r.IntN(300)+1)), target(r.IntN(40)), 443, late)
			default:
				f = syn(target(1<<21+r.IntN(r.IntN(300)+1)), target(r.IntN(40)), 443, late)
			}
			if kind < 6 && r.IntN(20) == 0 {
				f = session(f.Src.Addr, f.Dst.Addr, f.Dst.Port, late)
			}
			if r.IntN(100) == 0 {
				f = session(f.Dst.Addr, f.Src.Addr, 4444, late)
				f.Hints |= schema.HintCopy
			}
			f.Received, f.Exporter.Sampling = noon.Add(at), sampling
			flows = append(flows, f)
			if r.IntN(10) == 0 {
				flows = append(flows, flows[len(flows)-1-r.IntN(min(len(flows), 50))])
			}
		}
	}
	return flows
}

func observe(d *detect.Detector, flows []schema.Flow, from int) (alerts []schema.Alert) {
	for i := 0; i < len(flows); i += 16 {
		alerts = append(alerts, d.Observe(flows[i:min(i+16, len(flows))], int64(from+i))...)
	}
	return alerts
}

var equateAlerts = cmpopts.EquateComparable(exporter, netip.Prefix{})

func TestADetectorRestoredFromSlicesSaysWhatTheOneBeforeItWouldHaveSaid(t *testing.T) {
	opened, sketched := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		flows := life(rand.New(rand.NewPCG(seed, 5)), 2500)
		cut := rapid.IntRange(0, len(flows)).Draw(t, "cut")
		ours := []netip.Prefix{netip.MustParsePrefix([]string{"10.0.0.0/8", "10.0.0.0/12", "192.0.2.0/24"}[seed%3])}
		change := func(c *detect.Config) { c.Internal = ours }
		one, two := newDetector(t, change), newDetector(t, change)
		opened += len(observe(one, flows[:cut], 0))
		parts := slicesOf(one)
		rand.New(rand.NewPCG(seed, 6)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		mergeAll(t, two, parts)
		sameState(t, one, two)
		want, got := observe(one, flows[cut:], cut), observe(two, flows[cut:], cut)
		sameState(t, one, two)
		want, got = append(want, one.Finish("end")...), append(got, two.Finish("end")...)
		if !reflect.DeepEqual(want, got) { // in a tenth of the time that cmp takes
			t.Fatalf("(-first +restored)\n%s", gocmp.Diff(want, got, equateAlerts))
		}
		for _, a := range want {
			if !a.Pairs.Exact {
				sketched++
			}
		}
	})
	t.Logf("%d revisions before the cuts, %d with sketches behind", opened, sketched)
	if opened == 0 || sketched == 0 {
		t.Error("nothing was restored that could go wrong")
	}
}

func sameState(t tester, one, two *detect.Detector) {
	t.Helper()
	a, b := slicesOf(one), slicesOf(two)
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			t.Fatalf("slice %d differs:\n%x\n%x", i, a[i], b[i])
		}
	}
}
