package detect

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
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
		target := func() targetSlot {
			return targetSlot{key: uint64(few.Draw(t, "key"))<<32 | 1, served: few.Draw(t, "served"), failed: few.Draw(t, "failed"), by: few.Draw(t, "by")}
		}
		join(t, target(), target(), target(), func(into *targetSlot, o targetSlot) {
			table := targets{slots: make([]targetSlot, targetSlots)}
			table.merge(*into)
			table.merge(o)
			*into = table.slots[o.place()]
			if o.by != 0 && o.by|into.by != into.by && into.key == o.key && into.served == o.served && into.failed == o.failed {
				t.Fatalf("%v has lost sources of %v", *into, o)
			}
		})
		good := func() goodSlot { return goodSlot{few.Draw(t, "tag"), few.Draw(t, "hour")} }
		goods := goods{slots: make([]goodSlot, 1)}
		join(t, good(), good(), good(), func(into *goodSlot, o goodSlot) {
			goods.slots[0] = *into
			goods.merge(o, 0)
			if *into = goods.slots[0]; into.hour < o.hour {
				t.Fatalf("%v after %v", *into, o)
			}
		})
		net := func() net64 {
			return net64{seen: few.Draw(t, "seen"), failed: few.Draw(t, "failed"), distinct: int(few.Draw(t, "distinct")), members: [netMembers]member{{uint64(few.Draw(t, "member")), few.Draw(t, "its")}}}
		}
		join(t, net(), net(), net(), func(into *net64, o net64) { into.merge(&o) })
	})
}

func TestTheContactsOfASourceJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := joining{d: &Detector{units: newUnits(48 * 3600e9), retold: 75}, now: 1000}
		draw := func() contact {
			m := rapid.SampledFrom([]marks{markStrong, markFaint, markStrong | markTouched}).Draw(t, "marks")
			return contact{rapid.Uint64Range(0, 1000).Draw(t, "stamp"), m}
		}
		join(t, draw(), draw(), draw(), func(into *contact, o contact) { j.contact(into, o) })
	})
}

func TestTheRegistersOfASourceJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := at(900)
		type register [maxDepth]uint16
		draw := func() (r register) {
			for range rapid.IntRange(0, maxDepth).Draw(t, "n") {
				w.add(r[:], rapid.Uint16Range(1, 51).Draw(t, "rank"), rapid.Uint16Range(300, 900).Draw(t, "pane"))
			}
			return r
		}
		a, b := draw(), draw()
		united := func(a, b register) (r register) {
			w.unite(r[:], a[:], b[:])
			return r
		}
		if united(a, a) != a || united(a, b) != united(b, a) {
			t.Fatalf("%v and %v: %v or %v", a, b, united(a, b), united(b, a))
		}
		got, dropped := register{}, 0
		dropped = w.unite(got[:], a[:], b[:])
		for panes := range uint16(windowPanes) {
			rank := func(r register) uint16 { return (&registers{cells: r[:], depth: maxDepth}).rank(0, w, panes) }
			if want := max(rank(a), rank(b)); rank(got) != want && dropped == 0 {
				t.Fatalf("%v and %v within %d panes: %d, want %d", a, b, panes, rank(got), want)
			}
		}
	})
}

func TestRegistersThatCouldNotBeAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		cells []uint16
		ok    bool
	}{
		"as they are":                   {[]uint16{5<<paneBits | 3, 51<<paneBits | 2}, true},
		"a rank beyond the hash":        {[]uint16{52<<paneBits | 3}, false},
		"no rank":                       {[]uint16{3}, false},
		"one behind a cell that is not": {[]uint16{0, 5<<paneBits | 3}, false},
	} {
		d := distinct{regs: newRegisters(2)}
		copy(d.regs.cells[10:], c.cells)
		var w wire
		w.distinct(&d)
		r := wire{b: w.b, reading: true}
		if r.distinct(&d); (r.err == nil) != c.ok {
			t.Errorf("%s: %v", name, r.err)
		}
	}
}

func TestASourceWithATargetTwiceIsRefused(t *testing.T) {
	one, two := tcp(7, 22, 5), tcp(7, 23, 5)
	again := one
	again.setStamp(9)
	answered := one
	answered.marks = markAnswered
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
		var w wire
		w.source(&x, 100)
		r := wire{b: w.b, reading: true}
		if r.source(new(sourceState), 100); (r.err == nil) != c.ok {
			t.Errorf("%s: %v", name, r.err)
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
		{record{}, 4, ""},
		{set{}, 4, "block is where it lies"},
		{suspect{}, 12, "record is where it lies; internal comes from the settings; credits and blockAt spare asking"},
		{evidence{}, 16, "exporter spares looking at exporters"},
		{scan{}, 14, "suspect has it"},
		{said{}, 8, ""},
		{scope{}, 5, "firstHosts and firstPorts are where the first of the lists lie"},
		{crossing{}, 6, ""},
		{past{}, 10, "suspect has it"},
		{probed{}, 5, ""},
		{sketches{}, 9, ""},
		{failures{}, 3, ""},
		{distinct{}, 2, ""},
		{registers{}, 3, ""},
		{footprint{}, 9, "v4 comes from the source"},
		{portMap{}, 2, ""},
		{addressMap{}, 3, ""},
		{pace{}, 3, ""},
		{flagCounts{}, 2, ""},
		{net64{}, 4, ""},
		{targetSlot{}, 4, ""},
		{goodSlot{}, 2, ""},
		{answeringHost{}, 2, ""},
		{Detector{}, 35, "settings, counters, scratch and the doorkeeper"},
	} {
		if n := reflect.TypeOf(c.of).NumField(); n != c.fields {
			t.Errorf("%T has %d fields, had %d: write them in slice_*.go, join them in merge*.go, and draw them in slice.go", c.of, n, c.fields)
		}
	}
}
