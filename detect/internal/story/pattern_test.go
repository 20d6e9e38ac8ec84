package story

import "testing"

func TestAPatternWithoutOrderHasEachValueOnceInATurn(t *testing.T) {
	for text, total := range map[string]int{"1..7~": 7, "1..1000~": 1000, "5,9,20..32~": 15, "0..65535~": 65536} {
		p, err := parsePattern(text, 1, numberSpan(65535))
		if err != nil {
			t.Fatal(err)
		}
		for turn := range 3 {
			seen := map[uint64]bool{}
			for i := range total {
				seen[p.number(uint64(turn*total+i))] = true
			}
			if len(seen) != total {
				t.Errorf("%s: %d of %d in turn %d", text, len(seen), total, turn)
			}
		}
	}
}
