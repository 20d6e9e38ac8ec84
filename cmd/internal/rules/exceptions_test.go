package rules_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

func TestAnExceptionIsReadWithAllThatItCovers(t *testing.T) {
	got, err := rules.ReadExceptions([]byte(`# who may
- sources: [10.9.0.5/32, 2001:db8::/64]
  targets: [10.0.0.0/8]
  ports: [22, 443]
  exporters: [192.0.2.1/32]
  owner: security@example.org
  reason: weekly scan, announced
  until: 2027-01-01T00:00:00Z
- {ports: 53, owner: me, reason: mine, until: 2027-01-01}
- {ports: [53], owner: me, reason: for ever}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	prefix := netip.MustParsePrefix
	newYear := schema.TimeOf(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	want := []detect.Exception{
		{
			Sources: []netip.Prefix{prefix("10.9.0.5/32"), prefix("2001:db8::/64")}, Targets: []netip.Prefix{prefix("10.0.0.0/8")},
			Ports: []uint16{22, 443}, Exporters: []netip.Prefix{prefix("192.0.2.1/32")},
			Owner: "security@example.org", Reason: "weekly scan, announced", Until: newYear,
		},
		{Ports: []uint16{53}, Owner: "me", Reason: "mine", Until: newYear},
		{Ports: []uint16{53}, Owner: "me", Reason: "for ever"},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if until := rules.Until(&got[1]); until != "2027-01-01 00:00" {
		t.Errorf("until %s", until)
	}
	if until := rules.Until(&got[2]); until != "for ever" {
		t.Errorf("until %s", until)
	}
	for _, nothing := range []string{"", "# nobody\n", "[]\n"} {
		if got, err := rules.ReadExceptions([]byte(nothing), nil); err != nil || got != nil {
			t.Errorf("%q: %v, %v", nothing, got, err)
		}
	}
}

func TestAllThatIsWrongWithAnExceptionsFileIsToldAtOnceWithLineKeyAndNearestName(t *testing.T) {
	_, err := rules.ReadExceptions([]byte(`- sources: [10.0.0.0/8]
  onwer: me
  reason: mine
- sources: [10.0.0.0/33]
  owner: me
  reason: mine
  ports: [ssh]
  until: tomorrow
- ports: [22]
- owner: me
  reason: mine
- owner:
- until: 2027-01-01
`), nil)
	want := `line 2: entry 1: onwer is not known here; did you mean owner?
line 4: entry 2: sources: "10.0.0.0/33" is not accepted: want a list, each a network such as 10.0.0.0/8 or 2001:db8::/32
line 7: entry 2: ports: "ssh" is not accepted: want a list, each a whole number from 0 to 65535
line 8: entry 2: until: "tomorrow" is not accepted: want a time such as 2027-01-01T00:00:00Z or 2027-01-01
line 9: entry 3: owner and reason are missing: say who answers for it, and why
line 10: entry 4: it covers everything: give sources, targets, ports or exporters
line 12: entry 5: owner has no value
line 13: entry 6: owner and reason are missing: say who answers for it, and why
line 13: entry 6: it covers everything: give sources, targets, ports or exporters`
	if err == nil {
		t.Fatal("it is accepted")
	}
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	_, err = rules.ReadExceptions([]byte("sources: [10.0.0.0/8]\n"), nil)
	if want := "line 1: want a list of entries, each with an owner, a reason, and sources, targets, ports or exporters"; err == nil || err.Error() != want {
		t.Errorf("no list: %v", err)
	}
}
