package detect

import (
	"testing"

	"pgregory.net/rapid"
)

// While a network has no more members than are remembered, it counts as a map does.
func TestANetworkCountsTheFailuresOfItsMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n net64
		want, total := map[uint64]uint32{}, uint32(0)
		for range rapid.IntRange(1, 200).Draw(t, "contacts") {
			who := rapid.Uint64Range(1, netMembers).Draw(t, "who")
			probe := rapid.Bool().Draw(t, "probe")
			_, known := want[who]
			if isNew := n.contribute(who, probe); isNew == known {
				t.Fatalf("address %d is new: %v", who, isNew)
			}
			want[who] += 0
			if probe {
				want[who]++
				total++
			}
		}
		most := uint32(0)
		for _, m := range n.members {
			if m.key != 0 && m.failed != want[m.key] {
				t.Fatalf("address %d failed %d times, want %d", m.key, m.failed, want[m.key])
			}
			most = max(most, m.failed)
		}
		if n.failed != total || n.shared() != (10*most < 6*total) {
			t.Fatalf("%d failed, shared %v: want %d, the busiest has %d", n.failed, n.shared(), total, most)
		}
	})
}

func TestANewcomerTakesThePlaceOfWhoFailedLeast(t *testing.T) {
	var n net64
	for who := range uint64(netMembers) {
		for range who + 2 {
			n.contribute(who+1, true)
		}
	}
	if !n.contribute(100, true) || n.contribute(100, true) || n.contribute(2, true) {
		t.Error("a newcomer is one twice, or another is")
	}
	if !n.contribute(1, false) {
		t.Error("address 1, with the fewest failures, kept its place")
	}
}

func TestTwoStatesOfANetworkJoinToTheSameWhicheverComesFirst(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) net64 {
		var n net64
		for range rapid.IntRange(0, 20).Draw(t, "contacts") {
			n.contribute(rapid.Uint64Range(1, 5).Draw(t, "who"), rapid.Bool().Draw(t, "probe"))
		}
		n.seen, n.distinct = rapid.Uint32Range(0, 2).Draw(t, "seen"), rapid.IntRange(0, netFrom).Draw(t, "distinct")
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := draw.Draw(t, "a"), draw.Draw(t, "b"), draw.Draw(t, "c")
		join := func(x, y net64) net64 { x.merge(&y); return x }
		if join(a, a) != a || join(a, b) != join(b, a) || join(join(a, b), c) != join(a, join(b, c)) {
			t.Fatalf("%+v and %+v and %+v", a, b, c)
		}
	})
}

func TestNetworksAreBoundedAndForgottenWithTheWindow(t *testing.T) {
	l := ledger{moment: &moment{windowSeconds: 100, second: 1000}}
	for i := range uint64(maxNets) {
		l.nets.get(i + 1).seen = 900 + uint32(i%2)*50
	}
	if l.nets.get(maxNets+1) != nil || l.nets.get(1) == nil {
		t.Error("one more than there may be has a place, or one that has is not found")
	}
	l.moment.second = 1001
	l.forgetNets()
	if l.nets.held != maxNets/2 {
		t.Errorf("%d held, those not seen for 101 of 100 s are %d", l.nets.held, maxNets/2)
	}
	if n := l.nets.get(maxNets + 1); n == nil || *n != (net64{}) {
		t.Errorf("%+v for a new one", n)
	}
}
