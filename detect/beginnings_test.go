package detect_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// patient is a scan of ten hosts, a minute apart: five refuse, and all are asked twice.
func patient() (flows []schema.Flow) {
	for i := range 10 {
		f := syn(scanner, target(1+i), 3389, time.Duration(i)*time.Minute)
		f.Src.Packets, f.Src.Bytes, f.Src.Port = 2, 104, 61_000
		if i%2 == 1 {
			f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 1, 40, schema.RST|schema.ACK
		}
		again := f
		again.Start = again.Start.Add(3 * time.Second)
		flows = append(flows, f, again)
	}
	return flows
}

// few makes ten hosts a scan.
func few(c *detect.Config) {
	c.HorizontalExternal, c.HorizontalInternal = []uint32{10, 10, 10, 10}, []uint32{10, 10, 10, 10}
	c.BusyFactor, c.Internal = 1, nil
}

func TestWhatCameBeforeASourceWasASuspectIsCountedLikeAllThatCameLater(t *testing.T) {
	flows := patient()
	flows[0].Start = flows[0].Start.Add(123 * time.Millisecond)
	flows[1].Exporter.Addr = netip.MustParseAddr("192.0.2.77")
	a := finals(alertsOf(t, newDetector(t, few), flows))[0]
	if a.Flows != 20 || a.Packets != 40 || a.Bytes != 2080 || a.Scaled != 40 || len(a.Exporters) != 2 {
		t.Errorf("%+v by %v", a.Scale, a.Exporters)
	}
	if diff := gocmp.Diff(map[string]uint64{"failed": 20, "refused": 10}, a.Outcomes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !a.FirstSeen.Equal(flows[0].Start.Std()) || a.Origin.FirstOffset != 0 || len(a.SourcePorts) != 1 || a.SourcePorts[0] != 61_000 {
		t.Errorf("first seen %v at %d, from %v", a.FirstSeen, a.Origin.FirstOffset, a.SourcePorts)
	}
}

// Where ten thousand others fail meanwhile, one of them takes the place of the scanner. Of
// its first five targets the contacts tell one flow each, by their own outcomes.
func TestOfABeginningThatMadeRoomTheContactsTellAFlowEach(t *testing.T) {
	var flows []schema.Flow
	for i, f := range patient() {
		if flows = append(flows, f); i == 9 {
			for j := range 10_000 {
				flows = append(flows, syn(target(1<<20+j), target(1), 3389, f.Start.Sub(noon)+time.Second))
			}
		}
	}
	a := finals(alertsOf(t, newDetector(t, few), flows))[0]
	if a.Source != scanner || a.Flows != 15 || a.Outcomes["failed"] != 15 || a.Outcomes["refused"] != 8 || a.Pairs.Count != 10 {
		t.Errorf("%v: %+v %v", a.Source, a.Scale, a.Outcomes)
	}
	if !a.FirstSeen.Equal(noon.Std()) {
		t.Errorf("first seen %v", a.FirstSeen)
	}
}

// A session counts as an outcome once for each target that also failed, whichever came
// first, and never among the flows.
func TestATargetThatFailedAndAnsweredIsOneAnsweredInEitherOrder(t *testing.T) {
	for _, before := range []time.Duration{-time.Second, time.Second} {
		flows := patient()
		for i := range 10 {
			if i%3 == 0 { // of the first five, and of others
				flows = append(flows, session(scanner, target(1+i), 3389, time.Duration(i)*time.Minute+before))
				flows = append(flows, session(scanner, target(1+i), 3389, time.Duration(i)*time.Minute+before/2))
			}
		}
		for i := range 20 {
			flows = append(flows, syn(scanner, target(100+i), 3389, 10*time.Minute))
		}
		a := finals(alertsOf(t, newDetector(t, few), inAnyOrder(rand.New(rand.NewPCG(1, 1)), flows, 1)))[0]
		if a.Flows != 40 || a.Outcomes["answered"] != 4 || a.Outcomes["failed"] != 40 {
			t.Errorf("%v: %d flows, %v", before, a.Flows, a.Outcomes)
		}
	}
}

func TestADetectorRestoredBeforeTheSixthTargetSaysTheSame(t *testing.T) {
	for cut := range 20 {
		var flows []schema.Flow
		for i, f := range patient() {
			flows = append(flows, f)
			for j := range 50 { // others begin as well
				flows = append(flows, syn(target(1<<20+50*i+j), target(1), 3389, f.Start.Sub(noon)))
			}
		}
		one, two := newDetector(t, few), newDetector(t, few)
		one.Observe(flows[:51*cut], 0)
		mergeAll(t, two, slicesOf(one))
		sameState(t, one, two)
		want, got := observe(one, flows[51*cut:], 51*cut), observe(two, flows[51*cut:], 51*cut)
		want, got = append(want, one.Finish("end")...), append(got, two.Finish("end")...)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("cut %d (-first +restored)\n%s", cut, gocmp.Diff(want, got, equateAlerts))
		}
	}
}

func TestBeginningsTakeNoMoreThanSevenBytesASource(t *testing.T) {
	if testing.Short() {
		t.Skip("half a million sources")
	}
	const sources = 500_000
	with, without := newDetector(t, nil), newDetector(t, nil)
	for i := range sources {
		f := []schema.Flow{syn(target(i), target(1<<23), 3389, time.Duration(i)*time.Millisecond)}
		with.Observe(f, 0)
		f[0] = session(target(i), target(1<<23), 443, time.Duration(i)*time.Millisecond)
		without.Observe(f, 0)
	}
	if each := float64(with.Stats().Bytes-without.Stats().Bytes) / sources; each > 7 || each < 1 {
		t.Errorf("%.1f bytes a source", each)
	}
}

func TestWhatBeganBeforeASourceWasForgottenIsForgottenToo(t *testing.T) {
	flows := patient()
	d, fresh := newDetector(t, few), newDetector(t, few)
	observe(d, flows[:4], 0)
	d.Forget(scanner)
	restored := newDetector(t, few)
	mergeAll(t, restored, slicesOf(d))
	want := finals(alertsOf(t, fresh, flows))[0]
	for name, d := range map[string]*detect.Detector{"it goes on": d, "it is restored": restored} {
		if a := finals(alertsOf(t, d, flows))[0]; a.Flows != want.Flows || a.Packets != want.Packets || a.Outcomes["refused"] != want.Outcomes["refused"] {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, a.Scale, a.Outcomes, want.Scale, want.Outcomes)
		}
	}
}
