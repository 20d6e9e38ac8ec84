package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTheNearestAreThoseWithTheLowestRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranks := rapid.SliceOfDistinct(rapid.Uint64Range(0, 1000), rapid.ID[uint64]).Draw(t, "ranks")
		var n nearest
		var all []ranked
		for at, rank := range ranks {
			if n.wants(rank) {
				n.add(rank, at)
			}
			all = append(all, ranked{rank, at})
		}
		slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
		want := []int{}
		for _, r := range all[:min(len(all), someTargets)] {
			want = append(want, r.at)
		}
		slices.Sort(want)
		got := []int{}
		for _, r := range n.inOrder() {
			got = append(got, r.at)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestASampleOfTargetsIsTheFirstTheLastAndTheSameSomeOnEachReplay(t *testing.T) {
	v4 := &suspect{addr: netip.MustParseAddr("198.51.100.7")}
	hosts := func(n int) (list []uint32) {
		for i := range n {
			list = append(list, uint32(10<<24+i))
		}
		return list
	}
	sample := func(n int, id string) []netip.Addr {
		m := measured{hosts: hosts(n)}
		return m.targets(&scan{suspect: v4, id: id}, 0)
	}
	for _, n := range []int{0, 1, 5, 9, 10, 20, 21, 5000} {
		got := sample(n, "a")
		if len(got) != min(n, 20) || !slices.IsSortedFunc(got, netip.Addr.Compare) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("of %d hosts: %v", n, got)
		}
		for i := range min(n, endTargets) {
			if got[i] != v4Addr(uint32(10<<24+i)) || got[len(got)-1-i] != v4Addr(uint32(10<<24+n-1-i)) {
				t.Errorf("of %d hosts the ends are not those of %v", n, got)
			}
		}
	}
	if diff := gocmp.Diff(sample(5000, "a"), sample(5000, "a"), gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if slices.Equal(sample(5000, "a"), sample(5000, "b")) {
		t.Error("two alerts have the same targets at random")
	}
}

func TestATargetWithoutANameIsNotInASample(t *testing.T) {
	s := &suspect{addr: netip.MustParseAddr("2001:db8::7")}
	known := netip.MustParseAddr("2001:db8::1")
	s.name(known)
	m := measured{hosts: []uint32{1, short(known), 2}}
	if got := m.targets(&scan{suspect: s}, 0); len(got) != 1 || got[0] != known {
		t.Errorf("%v", got)
	}
}

func TestOfASampledSetTheEndsAreThoseOfTheFootprint(t *testing.T) {
	s := &suspect{addr: netip.MustParseAddr("198.51.100.7")}
	m := measured{hosts: []uint32{30, 40}}
	got := m.targets(&scan{suspect: s, footprint: &footprint{first: []uint32{10, 20}, last: []uint32{90}}}, 0)
	want := []netip.Addr{v4Addr(10), v4Addr(20), v4Addr(30), v4Addr(40), v4Addr(90)}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
