package story

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAShuffleMeetsEachNumberOnceInATurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 5000).Draw(t, "size")
		s := newShuffle(size, rapid.Uint64().Draw(t, "seed"))
		for turn := range uint64(2) {
			met := make([]bool, size)
			for i := range size {
				n := s.at(turn*size + i)
				if n >= size || met[n] {
					t.Fatalf("turn %d: the %d. is %d, of %d numbers", turn, i, n, size)
				}
				met[n] = true
			}
		}
	})
}

// Of hosts x ports in masscan's order the first few thousand lie anywhere: each host and each
// port has its share of them.
func TestAShuffledLineIsSpreadOverHostsAndPortsFromTheStart(t *testing.T) {
	const probes, hosts, ports = 20_000, 256, 1000
	count := func(text string) (ofHost, ofPort map[any]int, pairs map[[2]any]bool) {
		ofHost, ofPort, pairs = map[any]int{}, map[any]int{}, map[[2]any]bool{}
		for _, f := range flowsOf(t, text) {
			ofHost[f.Dst.Addr]++
			ofPort[f.Dst.Port]++
			pairs[[2]any{f.Dst.Addr, f.Dst.Port}] = true
		}
		return ofHost, ofPort, pairs
	}
	ofHost, ofPort, pairs := count("08:00 every 1ms x20000 198.51.100.7 -> 10.0.0.0/24 tcp/1..1000 syn shuffled 7")
	if len(pairs) != probes {
		t.Errorf("%d pairs of %d", len(pairs), probes)
	}
	for name, of := range map[string]map[any]int{"host": ofHost, "port": ofPort} {
		want := map[string]float64{"host": probes / hosts, "port": probes / ports}[name]
		for k, n := range of {
			if math.Abs(float64(n)-want) > 6*math.Sqrt(want) { // that of chance is one in 10^8
				t.Errorf("%s %v has %d of %v", name, k, n, want)
			}
		}
	}
	rises := map[string]int{}
	flows := flowsOf(t, "08:00 every 1ms x20000 198.51.100.7 -> 10.0.0.0/24 tcp/1..1000 syn shuffled 7")
	for i := range flows[1:] {
		if flows[i].Dst.Addr.Less(flows[i+1].Dst.Addr) {
			rises["hosts"]++
		}
		if flows[i].Dst.Port < flows[i+1].Dst.Port {
			rises["ports"]++
		}
	}
	for name, n := range rises {
		if math.Abs(float64(n)/probes-0.5) > 0.02 {
			t.Errorf("%s rise %d times of %d", name, n, probes)
		}
	}
	first, again, other := "08:00 every 1ms x50 198.51.100.7 -> 10.0.0.0/24 tcp/1..1000 syn shuffled 7", "08:00 every 1ms x50 198.51.100.9 -> 10.0.0.0/24 tcp/1..1000 syn shuffled 7", "08:00 every 1ms x50 198.51.100.7 -> 10.0.0.0/24 tcp/1..1000 syn shuffled 8"
	same := func(a, b string) (n int) {
		x, y := flowsOf(t, a), flowsOf(t, b)
		for i := range x {
			if x[i].Dst.Addr == y[i].Dst.Addr && x[i].Dst.Port == y[i].Dst.Port {
				n++
			}
		}
		return n
	}
	if same(first, again) != 50 || same(first, other) > 2 {
		t.Errorf("with the same seed %d of 50 are the same, with another %d", same(first, again), same(first, other))
	}
}
