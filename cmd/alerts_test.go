package cmd_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
)

func parse(t *testing.T, b []byte) schema.Alert {
	t.Helper()
	a, err := schema.ParseAlert(b)
	if err != nil {
		t.Fatal(err)
	}
	return *a
}

// byMessage are the alerts by id and revision; a revision that stands twice must
// say the same.
func byMessage(t *testing.T, alerts []schema.Alert) map[string]string {
	t.Helper()
	said := map[string]string{}
	for i := range alerts {
		// Not schema's own way to write it: this compares what is said.
		b, err := json.MarshalIndent(&alerts[i], "", " ")
		if err != nil {
			t.Fatal(err)
		}
		id := alerts[i].MessageID()
		if before, ok := said[id]; ok && before != string(b) {
			t.Errorf("%s says once\n%s\nand once\n%s", id, before, b)
		}
		said[id] = string(b)
	}
	return said
}

// lastOfEach returns the highest revision of each alert; none may be missing below it.
func lastOfEach(t *testing.T, alerts []schema.Alert) []schema.Alert {
	t.Helper()
	last, revisions := map[string]schema.Alert{}, map[string]map[uint32]bool{}
	for _, a := range alerts {
		if revisions[a.ID] == nil {
			revisions[a.ID] = map[uint32]bool{}
		}
		revisions[a.ID][a.Revision] = true
		if a.Revision > last[a.ID].Revision {
			last[a.ID] = a
		}
	}
	for id, a := range last {
		if n := len(revisions[id]); n != int(a.Revision) {
			t.Errorf("%s has %d revisions, the last is %d", id, n, a.Revision)
		}
	}
	return slices.Collect(maps.Values(last))
}

// checkTruth: every scan of the lab has one alert, of its class, and nothing else has.
func checkTruth(t *testing.T, alerts []schema.Alert) {
	t.Helper()
	truth, err := lab.Truth()
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[netip.Addr]string{}, map[netip.Addr]string{}
	for _, s := range truth {
		if s.Class != "none" {
			want[s.Source] = s.Class
		}
	}
	for _, a := range alerts {
		got[a.Source] += string(a.Kind) // twice the same shows
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the alerts are not the truth (-truth +alerts):\n%s", diff)
	}
}
