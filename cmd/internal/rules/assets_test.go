package rules_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/rules"
)

const twoAssets = `- name: billing
  prefixes: [10.1.2.0/24, 10.1.9.7/32]
  owner: payments@example.org
  role: database
  criticality: high
  scanners: [10.9.0.5/32]
- {name: vpn, prefixes: ["2001:db8:7::/64"]}
`

func TestAnAssetBringsItsScannersAndTheOwnerOfExceptions(t *testing.T) {
	var k rules.Known
	if err := k.TakeAssets([]byte(twoAssets)); err != nil {
		t.Fatal(err)
	}
	if err := k.TakeExceptions([]byte("- {targets: [10.1.2.64/26], ports: [443], reason: probes of the balancer}\n")); err != nil {
		t.Fatal(err)
	}
	list := k.InForce()
	if len(list.Assets) != 2 || list.Assets[1].Criticality != "medium" || len(list.Exceptions) != 2 {
		t.Fatalf("%+v", list)
	}
	if e := list.Exceptions[0]; e.Owner != "payments@example.org" {
		t.Errorf("owner %q", e.Owner)
	}
	e := list.Exceptions[1]
	if !e.Names(netip.MustParseAddr("10.9.0.5")) || e.Reason != "expected scanner of billing" || len(e.Targets) != 2 {
		t.Errorf("%+v", e)
	}
	// Without the asset the exception has no owner: what was in force stays.
	if err := k.TakeAssets([]byte("- {name: other, prefixes: [10.7.0.0/16]}\n")); err == nil {
		t.Error("an exception lost its owner")
	}
	if k.InForce() != list {
		t.Error("what was in force has changed")
	}
}

func TestAllThatIsWrongWithAnAssetsFileIsToldAtOnceByLine(t *testing.T) {
	_, err := rules.ReadAssets([]byte(`- name: billing
  prefixes: [10.1.2.0/24]
  critcality: high
- {name: "a b", prefixes: [10.3.0.0/16]}
- {name: billing, prefixes: [10.4.0.0/16], criticality: hihg}
- {name: x, scanners: [10.9.0.5/32]}
- {name: x, prefixes: [10.4.0.9/16]}
`))
	want := `line 3: entry 1: critcality is not known here; did you mean criticality?
line 4: entry 2: name "a b": give up to 64 letters, digits, dots, dashes and underscores
line 5: entry 3: criticality: hihg is not known here; did you mean high?
line 6: entry 4: prefixes are missing: give hosts or networks such as 10.1.2.0/24
line 6: entry 4: owner is missing: say who answers for its scanners
line 7: entry 5: the name x stands in line 6 already
line 7: entry 5: 10.4.0.0/16 is of the asset in line 5 already`
	if err == nil {
		t.Fatal("it is accepted")
	}
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
