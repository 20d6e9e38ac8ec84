package schema_test

import (
	"strings"
	"testing"

	"github.com/axiomhq/hyperloglog"

	"github.com/scanhound/scanhound/schema"
)

func TestHostsOfSeveralAlertsAreCountedOnce(t *testing.T) {
	sketch := func(from, to uint64) []byte {
		s, err := hyperloglog.NewSketch(12, false)
		if err != nil {
			t.Fatal(err)
		}
		for i := from; i < to; i++ {
			s.InsertHash(schema.Mix64(i))
		}
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	n, err := schema.MergeHosts(sketch(0, 60_000), sketch(30_000, 90_000))
	if err != nil || n < 85_000 || n > 95_000 {
		t.Errorf("%d of 90,000 hosts, %v", n, err)
	}
	if _, err := schema.MergeHosts(sketch(0, 10), []byte("no sketch")); err == nil || !strings.Contains(err.Error(), "sketch 2") {
		t.Errorf("a broken sketch: %v", err)
	}
	if _, err := schema.MergeHosts(); err == nil {
		t.Error("nothing to merge, and no error")
	}
}
