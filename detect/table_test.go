package detect

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/schema"
)

func TestATableHoldsWhatAMapWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		want := map[uint64]uint64{}
		for range rapid.IntRange(1, 2000).Draw(t, "steps") {
			key := 1<<32 | rapid.Uint64Range(0, 300).Draw(t, "key")
			switch s := tab.find(key); {
			case (s != nil) != (want[key] != 0):
				t.Fatalf("key %x: %v", key, s)
			case s == nil:
				s = tab.add(key)
				s.word = key * 3
				want[key] = key * 3
			case rapid.Bool().Draw(t, "remove"):
				tab.removeKey(key)
				delete(want, key)
			case s.word != want[key]:
				t.Fatalf("key %x holds %x, want %x", key, s.word, want[key])
			}
		}
		if int(tab.held) != len(want) {
			t.Fatalf("%d held, want %d", tab.held, len(want))
		}
		for range tab.places {
			if s := tab.next(); s != nil && s.key != 0 {
				if s.word != want[s.key] {
					t.Fatalf("passed %x, want %x", s.word, want[s.key])
				}
				delete(want, s.key)
			}
		}
		if len(want) != 0 {
			t.Fatalf("the sweep never passed %v", want)
		}
	})
}

// What probed past a source that is dropped moves up, into the place that is next.
func TestASweepThatDropsPassesOverNoSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		kept := map[uint64]bool{} // by key: whether it is to stay
		one := rapid.Uint64Range(1, 4).Draw(t, "one in so many is dropped")
		for i := range rapid.IntRange(1, 3000).Draw(t, "sources") {
			key := keyOf(flowtest.Target(i))
			tab.add(key)
			kept[key] = key%one != 0
		}
		stay, passed := 0, map[uint64]bool{}
		for left := tab.places; left > 0; {
			run := tab.run(rapid.IntRange(1, left).Draw(t, "places"))
			if len(run) == 0 {
				break // nothing is left
			}
			for i := 0; i < len(run); i++ {
				key := run[i].key
				if key == 0 {
					left--
					continue
				}
				passed[key] = true
				if kept[key] {
					left--
				} else {
					run = tab.dropOf(run, i)
					i-- // the same place again
				}
			}
		}
		for key, stays := range kept {
			if stays {
				stay++
			}
			if !passed[key] || (tab.find(key) != nil) != stays {
				t.Fatalf("%x was passed: %v, is found: %v, should stay: %v", key, passed[key], tab.find(key) != nil, stays)
			}
		}
		if int(tab.held) != stay {
			t.Fatalf("%d held, want %d", tab.held, stay)
		}
	})
}

func TestASegmentGrowsBeforeItIsFullAndItsBytesAreCounted(t *testing.T) {
	var tab table
	if tab.bytes() != 0 || tab.find(1) != nil || tab.next() != nil {
		t.Error("an empty table has something")
	}
	for i := range 20_000 {
		tab.add(keyOf(flowtest.Target(i)))
	}
	places := 0
	for i := range tab.segments {
		s := &tab.segments[i]
		if places += len(s.slots); 4*s.used > 3*len(s.slots) || len(s.slots)&(len(s.slots)-1) != 0 {
			t.Errorf("segment %d: %d used of %d", i, s.used, len(s.slots))
		}
	}
	if places != tab.places || tab.bytes() != uint64(24*places) {
		t.Errorf("%d bytes for %d places", tab.bytes(), places)
	}
}

func TestASegmentThatIsMostlyEmptyGivesItsPlacesBackOnceItWasPassed(t *testing.T) {
	var tab table
	const many, few = 20_000, 1_000
	for i := range many {
		tab.add(keyOf(flowtest.Target(i)))
	}
	most := tab.places
	for i := few; i < many; i++ {
		tab.removeKey(keyOf(flowtest.Target(i)))
	}
	for range 10 * most {
		tab.run(1)
		tab.shrink()
	}
	for i := range tab.segments {
		if s := &tab.segments[i]; shrinkBelow*s.used <= len(s.slots) && len(s.slots) > firstSegment || 4*s.used > 3*len(s.slots) {
			t.Errorf("segment %d: %d used of %d", i, s.used, len(s.slots))
		}
	}
	for i := range few {
		if tab.find(keyOf(flowtest.Target(i))) == nil {
			t.Errorf("source %d is gone", i)
		}
	}
	if tab.places >= most/4 || tab.held != few {
		t.Errorf("%d of %d places are left, for %d sources", tab.places, most, tab.held)
	}
}

func TestAnAddressHasOneKeyHoweverItIsWritten(t *testing.T) {
	key := func(s string) uint64 { return keyOf(netip.MustParseAddr(s)) }
	if key("192.0.2.1") != key("::ffff:192.0.2.1") {
		t.Error("an IPv4 address is another one when it is mapped into IPv6")
	}
	seen := map[uint64]string{}
	for _, a := range []string{"0.0.0.0", "0.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::", "2001:db8::1", "::1:0:0"} {
		k := key(a)
		if other, taken := seen[k]; taken || k == 0 {
			t.Errorf("%s has the key %x, as %q", a, k, other)
		}
		if seen[k] = a; (k&keyV6 != 0) != netip.MustParseAddr(a).Is6() {
			t.Errorf("%s: key %x does not say of which version it is", a, k)
		}
	}
}

// A slot that was found is used again only while its source is still there, whatever other
// sources come, go and make a segment grow.
func TestASlotThatWasFoundIsFoundAgain(t *testing.T) {
	var keys []uint64 // of one segment
	for key := uint64(1); len(keys) < 60; key++ {
		if seg, _ := home(key); seg == 7 {
			keys = append(keys, key)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var table table
		var kept []lookup
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			s := table.find(key)
			switch step := rapid.IntRange(0, 3).Draw(t, "step"); {
			case step == 0:
				kept = append(kept, lookup{key: key, home: schema.Mix64(key), slot: s, version: table.version})
			case step == 1 && s != nil:
				table.removeKey(key)
			case s == nil:
				table.add(key)
			}
			for i := range kept {
				if again, found := table.again(&kept[i]), table.find(kept[i].key); again != found {
					t.Fatalf("key %d is at %p, again %p", kept[i].key, found, again)
				}
			}
		}
	})
}
