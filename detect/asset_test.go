package detect_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

func prefixes(all ...string) (list []netip.Prefix) {
	for _, p := range all {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}

// one is the asset of a single host.
func one(name string, host netip.Addr, c schema.Severity) detect.Asset {
	return detect.Asset{Name: name, Prefixes: []netip.Prefix{netip.PrefixFrom(host, host.BitLen())}, Owner: name + "@example.org", Role: "server", Criticality: c}
}

// knocks are lone SYNs to targets from one on.
func knocks(who netip.Addr, from, n int, after time.Duration) (flows []schema.Flow) {
	for i := range n {
		flows = append(flows, syn(who, target(from+i), 22, after+time.Duration(i)*time.Second))
	}
	return flows
}

func TestAScanThatTouchesAnAssetNamesItAtOnceAndIsMoreSevere(t *testing.T) {
	d := newDetector(t, tens)
	d.SetAssets([]detect.Asset{one("printer", target(3), schema.Low), one("billing", target(500), schema.High), one("vault", target(501), schema.Critical), one("apart", target(9999), schema.Critical)})
	alerts := alertsOf(t, d, append(knocks(scanner, 1, 400, 0), knocks(scanner, 499, 10, 401*time.Second)...))
	first := alerts[0]
	if first.Severity != schema.Low || first.AssetsCount != 1 || first.Assets[0].Name != "printer" {
		t.Errorf("opens %s with %+v", first.Severity, first.Assets)
	}
	said := map[string]schema.Severity{}
	for _, a := range alerts {
		said[a.Reason] = a.Severity
	}
	if said["touched the asset billing"] != schema.Medium || said["touched the asset vault"] != schema.High {
		t.Errorf("severities: %v", said)
	}
	end := alerts[len(alerts)-1]
	want := []schema.Asset{
		{Name: "vault", Owner: "vault@example.org", Role: "server", Criticality: schema.Critical},
		{Name: "billing", Owner: "billing@example.org", Role: "server", Criticality: schema.High},
		{Name: "printer", Owner: "printer@example.org", Role: "server", Criticality: schema.Low},
	}
	if diff := cmp.Diff(want, end.Assets); diff != "" || end.AssetsCount != 3 || end.Severity != schema.High {
		t.Errorf("%d, %s: (-want +got)\n%s", end.AssetsCount, end.Severity, diff)
	}
}

func TestAnAssetIsFoundInALargeScanAndOfIPv6(t *testing.T) {
	d := newDetector(t, tens)
	d.SetAssets([]detect.Asset{one("far", target(70_001), schema.Medium), {Name: "six", Prefixes: prefixes("2001:db8:9::/48"), Criticality: schema.Medium}})
	flows := knocks(scanner, 1, 5000, 0)
	flows = append(flows, knocks(scanner, 70_000, 3, 5000*time.Second)...)
	for i := range 40 {
		flows = append(flows, syn(v6(1, 1), netip.MustParseAddr(fmt.Sprintf("2001:db8:9::%x", i+1)), 22, 5010*time.Second+time.Duration(i)*time.Second))
	}
	names := map[string]bool{}
	for _, a := range finals(alertsOf(t, d, flows)) {
		for _, asset := range a.Assets {
			names[a.Source.String()+" "+asset.Name] = true
		}
	}
	if !names[scanner.String()+" far"] || !names[v6(1, 1).String()+" six"] {
		t.Errorf("%v", names)
	}
}

func TestManyAssetsAreCountedAndSomeAreNamed(t *testing.T) {
	var all []detect.Asset
	for i := range 300 {
		all = append(all, one(fmt.Sprintf("asset-%03d", i), target(1+i), schema.Low))
	}
	d := newDetector(t, tens)
	d.SetAssets(all)
	alerts := alertsOf(t, d, knocks(scanner, 1, 300, 0))
	if end := alerts[len(alerts)-1]; end.AssetsCount != 256 || len(end.Assets) != 16 {
		t.Errorf("%d counted, %d named", end.AssetsCount, len(end.Assets))
	}
}

// What a scan has touched is in the slices: a detector that takes over says the same bytes.
func TestTouchedAssetsSurviveInTheSlices(t *testing.T) {
	assets := []detect.Asset{one("first", target(2), schema.High), one("later", target(205), schema.Low)}
	whole, before := newDetector(t, tens), newDetector(t, tens)
	whole.SetAssets(assets)
	before.SetAssets(assets)
	flows := knocks(scanner, 1, 300, 0)
	observe(whole, flows[:200], 0)
	observe(before, flows[:200], 0)
	after := newDetector(t, tens)
	for _, b := range slicesOf(before) {
		if err := after.MergeSlice(b); err != nil {
			t.Fatal(err)
		}
	}
	after.SetAssets(assets)
	want, got := whole.Observe(flows[200:], 200), after.Observe(flows[200:], 200)
	want, got = append(want, whole.Finish("end")...), append(got, after.Finish("end")...)
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d revisions, want %d", len(got), len(want))
	}
	for i := range want {
		a, _ := schema.AppendAlert(nil, &want[i])
		b, _ := schema.AppendAlert(nil, &got[i])
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			t.Errorf("(-whole +taken over)\n%s", diff)
		}
	}
	if end := want[len(want)-1]; end.AssetsCount != 2 {
		t.Errorf("%+v", end.Assets)
	}
}
