package detect_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// checkpoint is a slice with the offset below which flows are in it.
type checkpoint struct {
	covered int
	slice   []byte
}

// writing observes flows as observe does, and writes parts in turn meanwhile, so many
// after each record. It returns what was said, and the newest slice of each part.
func writing(d *detect.Detector, flows []schema.Flow, parts int) (alerts []schema.Alert, newest []checkpoint) {
	newest = make([]checkpoint, detect.Slices)
	next := 0
	for i := 0; i < len(flows); i += 16 {
		end := min(i+16, len(flows))
		alerts = append(alerts, d.Observe(flows[i:end], int64(i))...)
		for range parts {
			newest[next] = checkpoint{end, d.AppendSlice(nil, next)}
			next = (next + 1) % detect.Slices
		}
	}
	return alerts, newest
}

// restored makes a Detector of slices of different offsets and brings it up to the
// last of these. It returns what was said meanwhile.
func restored(t tester, d *detect.Detector, from []checkpoint, flows []schema.Flow) (alerts []schema.Alert, at int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	waiting := slices.Clone(from)
	slices.SortStableFunc(waiting, func(a, b checkpoint) int { return a.covered - b.covered })
	at = waiting[0].covered
	arrive := func() {
		for len(waiting) > 0 && waiting[0].covered <= at {
			must(d.MergeSlice(waiting[0].slice))
			waiting = waiting[1:]
		}
	}
	arrive()
	for _, c := range waiting {
		must(d.Await(c.slice))
	}
	if d.Awaiting() != len(waiting) {
		t.Fatalf("%d parts are awaited of %d", d.Awaiting(), len(waiting))
	}
	for len(waiting) > 0 {
		end := min(at+16, len(flows))
		alerts = append(alerts, d.Observe(flows[at:end], int64(at))...)
		at = end
		arrive()
	}
	return alerts, at
}

func TestADetectorRestoredFromSlicesOfDifferentOffsetsSaysWhatTheOneBeforeItSaid(t *testing.T) {
	said, replayed, closed := 0, 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 5))
		// Not to the byte for a /64 that becomes a source meanwhile: what its first addresses
		// hold may still be awaited.
		flows := slices.DeleteFunc(brisk(r, 6000), func(f schema.Flow) bool { return f.Src.Addr.Is6() })
		cut := (2500 + r.IntN(len(flows)-2500)) / 16 * 16
		// Nor where some hosts are ours: how many of them answer is known a little early.
		one, two := newDetector(t, nil), newDetector(t, nil)
		before, parts := writing(one, flows[:cut], 2)
		again, at := restored(t, two, parts, flows)
		known := map[string]*schema.Alert{}
		for i := range before {
			known[before[i].MessageID()] = &before[i]
		}
		for i := range again { // but for what the slices knew that were awaited
			if was := known[again[i].MessageID()]; was == nil || !reflect.DeepEqual(was, &again[i]) {
				t.Fatalf("seed %d: the replay says otherwise (-before +again)\n%s", seed, gocmp.Diff(was, &again[i], equateAlerts))
			}
		}
		sameCanon(t, "after the replay", one, two)
		want, got := observe(one, flows[cut:], cut), observe(two, flows[at:], at)
		want, got = append(want, one.Finish("end")...), append(got, two.Finish("end")...)
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("seed %d (-first +restored)\n%s", seed, gocmp.Diff(want, got, equateAlerts))
		}
		said, replayed = said+len(before), replayed+len(again)
		closed += len(got)
	}
	t.Logf("%d revisions before, %d of them again, %d behind", said, replayed, closed)
	if said == 0 || replayed == 0 || closed == 0 {
		t.Error("nothing was replayed that could go wrong")
	}
}

func TestNothingIsSaidOfSourcesThatAreAwaitedAndTheyAreNotCountedTwice(t *testing.T) {
	var flows []schema.Flow
	for i := range 200 {
		flows = append(flows, syn(scanner, target(i*977), 22, time.Duration(i)*time.Second))
	}
	one, two := newDetector(t, nil), newDetector(t, nil)
	if said := observe(one, flows, 0); len(said) == 0 {
		t.Fatal("no alert")
	}
	for _, b := range slicesOf(one) {
		if err := two.Await(b); err != nil {
			t.Fatal(err)
		}
		if err := two.Await(b); err != nil { // the same again
			t.Fatal(err)
		}
	}
	if n := two.Awaiting(); n != detect.Slices {
		t.Errorf("%d parts are awaited", n)
	}
	if said := observe(two, flows, 0); len(said) > 0 || two.Stats().Sources != 0 || two.Stats().Counted != 200 {
		t.Errorf("%d revisions, %+v", len(said), two.Stats())
	}
	mergeAll(t, two, slicesOf(one))
	if n := two.Awaiting(); n != 0 {
		t.Errorf("%d parts are still awaited", n)
	}
	want, got := one.Finish("end"), two.Finish("end")
	if diff := gocmp.Diff(want, got, equateAlerts); diff != "" {
		t.Errorf("(-first +restored)\n%s", diff)
	}
}

func TestWhatCannotBeAwaitedIsRefused(t *testing.T) {
	d := newDetector(t, nil)
	good := newDetector(t, nil).AppendSlice(nil, 7)
	other := newDetector(t, func(c *detect.Config) { c.Window = 24 * time.Hour }).AppendSlice(nil, 7)
	if err := d.Await(append([]byte{2, good[1] ^ 1}, good[2:]...)); err == nil {
		t.Error("a bit that flipped is taken")
	}
	if err := d.Await(other); !errors.Is(err, detect.ErrOtherWindow) {
		t.Errorf("another window: %v", err)
	}
	if err := d.Await(detect.Sealed([]byte{detect.SliceVersion + 1, 0})); !errors.Is(err, detect.ErrNewerSlice) {
		t.Errorf("a newer version: %v", err)
	}
	if d.Awaiting() != 0 {
		t.Error("it is awaited all the same")
	}
}
