package detect

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// join checks that merge is one: of itself, in either order, in any grouping.
func join[T comparable](t *rapid.T, a, b, c T, merge func(into *T, o T)) {
	t.Helper()
	of := func(all ...T) T {
		into := all[0]
		for _, o := range all[1:] {
			merge(&into, o)
		}
		return into
	}
	if got := of(a, a); got != a {
		t.Fatalf("%v with itself is %v", a, got)
	}
	if ab, ba := of(a, b), of(b, a); ab != ba {
		t.Fatalf("%v and %v: %v or %v", a, b, ab, ba)
	}
	if one, two := of(of(a, b), c), of(a, of(b, c)); one != two {
		t.Fatalf("%v, %v, %v: %v or %v", a, b, c, one, two)
	}
}

func TestThePlacesOfTheFixedTablesJoin(t *testing.T) {
	few := rapid.Uint32Range(1, 3)
	rapid.Check(t, func(t *rapid.T) {
		target := func() outageSlot {
			return outageSlot{tag: few.Draw(t, "tag"), served: few.Draw(t, "served"), failed: few.Draw(t, "failed"), by: few.Draw(t, "by")}
		}
		join(t, target(), target(), target(), func(into *outageSlot, o outageSlot) {
			into.merge(o)
			if o.by != 0 && o.by|into.by != into.by && into.tag == o.tag && into.served == o.served && into.failed == o.failed {
				t.Fatalf("%v has lost sources of %v", *into, o)
			}
		})
		good := func() goodSlot { return goodSlot{few.Draw(t, "tag"), few.Draw(t, "hour")} }
		join(t, good(), good(), good(), func(into *goodSlot, o goodSlot) {
			if into.merge(o); into.hour < o.hour {
				t.Fatalf("%v after %v", *into, o)
			}
		})
		net := func() net64 {
			return net64{seen: few.Draw(t, "seen"), failed: few.Draw(t, "failed"), distinct: int(few.Draw(t, "distinct")), members: [netMembers]member{{uint64(few.Draw(t, "member")), few.Draw(t, "its")}}}
		}
		join(t, net(), net(), net(), func(into *net64, o net64) { into.merge(&o) })
	})
}

func TestTheViewsOfExportersJoinAndTheOneWithMoreAnswersHolds(t *testing.T) {
	few := rapid.Uint32Range(1, 3)
	rapid.Check(t, func(t *rapid.T) {
		draw := func() view {
			v := view{answers: uint64(few.Draw(t, "answers"))}
			if rapid.Bool().Draw(t, "asked since") {
				v.since, v.by, v.halves = few.Draw(t, "since"), few.Draw(t, "by"), uint16(few.Draw(t, "halves"))
			}
			return v
		}
		join(t, draw(), draw(), draw(), func(into *view, o view) {
			was := *into
			into.merge(o)
			if was.answers < o.answers && *into != o || was.answers > o.answers && *into != was {
				t.Fatalf("%v and %v are %v", was, o, *into)
			}
		})
	})
}

func TestTheContactsOfASourceJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := joining{d: &Detector{moment: moment{units: newUnits(48 * 3600e9), recountAfter: 75}}, now: 1000}
		draw := func() contact {
			m := rapid.SampledFrom([]marks{markStrong, markFaint, markStrong | markFaint}).Draw(t, "marks")
			return contact{rapid.Uint64Range(0, 1000).Draw(t, "stamp"), m}
		}
		join(t, draw(), draw(), draw(), func(into *contact, o contact) { j.contact(into, o) })
	})
}

func TestASourceWithATargetTwiceIsRefused(t *testing.T) {
	one, two := tcp(7, 22, 5), tcp(7, 23, 5)
	again := one
	again.setStamp(9)
	answered := one
	answered.marks = one.marks&^outcomeMarks | markAnswered
	for name, c := range map[string]struct {
		failed, other []contact
		ok            bool
	}{
		"two targets":       {[]contact{one, two}, nil, true},
		"in one set":        {[]contact{one, two, again}, nil, false},
		"in both":           {[]contact{one, two}, []contact{answered}, false},
		"in the wrong one":  {[]contact{answered}, nil, false},
		"without a meaning": {[]contact{{word: 1 << 40}}, nil, false},
	} {
		x := sourceState{key: 1<<32 | 1, seen: 100}
		x.failed = setState{size: fitting(len(c.failed)), contacts: c.failed}
		x.other = setState{size: fitting(len(c.other)), contacts: c.other}
		w := wire.Writer(nil)
		x.wire(w, 100)
		r := wire.Reader(w.Bytes())
		if new(sourceState).wire(r, 100); (r.Err() == nil) != c.ok {
			t.Errorf("%s: %v", name, r.Err())
		}
	}
}

// Who adds a field to the state writes it into the slices, or says here why not.
func TestNoFieldOfTheStateIsForgottenInTheSlices(t *testing.T) {
	for _, c := range []struct {
		of     any
		fields int
		not    string // written, and why
	}{
		{slot{}, 6, "bits tell a record from a contact"},
		{account{}, 5, "the last is empty"},
		{set{}, 5, "ref is where it lies, or marks"},
		{suspect{}, 16, "record is where it lies; internal comes from the settings; credits spare asking; one is empty"},
		{evidence{}, 16, "exporter spares looking at exporters"},
		{scan{}, 17, "suspect has it"},
		{said{}, 10, ""},
		{scope{}, 5, "firstHosts and firstPorts are where the first of the lists lie"},
		{crossing{}, 8, ""},
		{closedScan{}, 13, "suspect has it"},
		{probedHosts{}, 5, ""},
		{sketches{}, 10, ""},
		{kept{}, 3, ""},
		{failures{}, 3, ""},
		{footprint{}, 9, "v4 comes from the source"},
		{portMap{}, 2, ""},
		{addressMap{}, 3, ""},
		{notBefore{}, 4, ""},
		{fanned{}, 3, ""},
		{sourcePorts{}, 2, ""},
		{pace{}, 3, ""},
		{flagCounts{}, 2, ""},
		{net64{}, 4, ""},
		{outageSlot{}, 4, ""},
		{goodSlot{}, 2, ""},
		{responder{}, 2, ""},
		{visit{}, 3, ""},
		{view{}, 4, ""},
		{Detector{}, 9, "settings, counters and what is read ahead"},
		{moment{}, 7, "all but the clock follow from it and from the settings"},
		{policy{}, 5, "settings"},
		{network{}, 12, "flagged and viewed spare asking sendsFlags and views"},
		{beginnings{}, 2, ""},
		{begun{}, 3, "clock is for joining alone"},
		{head{}, 3, ""},
		{ledger{}, 16, "scratch, counters, the doorkeeper and what is awaited"},
		{judge{}, 4, "it has no state"},
		{docket{}, 9, "alerts are returned"},
		{rounds{}, 3, "nextTick follows from lastTick"},
	} {
		if n := reflect.TypeOf(c.of).NumField(); n != c.fields {
			t.Errorf("%T has %d fields, had %d: write, join and draw them in the _wire.go beside it (or in slice.go, set_wire.go, contact_merge.go)", c.of, n, c.fields)
		}
	}
}
