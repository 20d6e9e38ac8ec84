package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

func TestAnOpenAlertIsExplainedByItsIDWithTheRuleThatFired(t *testing.T) {
	d := newDetector(t, nil)
	said := d.Observe(horizontalScan(40, 22, time.Second), 0)
	x, ok := d.ExplainAlert(said[0].ID)
	if !ok || x.Source != scanner || len(x.Open) != 1 {
		t.Fatalf("%v: %+v", ok, x)
	}
	f := x.Open[0]
	if f.ID != said[0].ID || f.Rule != "horizontal" || f.Port != 22 || f.Proto != "TCP" || f.Horizon != 5*time.Minute || f.Count != 25 || f.Threshold != 25 || f.Revision != uint32(len(said)) {
		t.Errorf("%+v", f)
	}
	if _, ok := d.ExplainAlert("00000000000000000000000000000000"); ok {
		t.Error("an alert that is none is explained")
	}
}

func TestWhatAClosedAlertReportedIsExplainedAsReported(t *testing.T) {
	d := newDetector(t, nil)
	d.Observe(horizontalScan(40, 22, time.Second), 0)
	d.Finish("end of input")
	if x, ok := d.Explain(scanner); !ok || x.Reported != 40 || len(x.Open) != 0 {
		t.Errorf("%+v", x)
	}
}

func TestTargetsThatAreDownAreExplainedAsSuch(t *testing.T) {
	d := newDetector(t, nil)
	var flows []schema.Flow
	for client := range 8 {
		for server := range 10 {
			flows = append(flows, session(target(1000+client), target(server), 8080, time.Duration(client)*time.Second))
		}
	}
	for client := range 8 {
		for server := range 10 {
			flows = append(flows, syn(target(1000+client), target(server), 8080, time.Hour+time.Duration(client)*time.Second))
		}
	}
	for server := range 10 { // its first time
		flows = append(flows, syn(scanner, target(server), 8080, time.Hour+time.Minute))
	}
	d.Observe(flows, 0)
	if x, ok := d.Explain(scanner); !ok || x.Down != 10 {
		t.Errorf("%+v", x)
	}
}

func TestAnAlertOfANetworkIsExplainedAsOne(t *testing.T) {
	d := newDetector(t, nil)
	prefix := netip.MustParseAddr("2001:db8:1:2::")
	var said []schema.Alert
	for i := range 200 {
		from := prefix.As16()
		from[15], from[14] = byte(i), byte(i>>8)+1
		to := netip.MustParseAddr("2001:db8:ffff::").As16()
		to[15] = byte(i + 1)
		said = append(said, d.Observe([]schema.Flow{syn(netip.AddrFrom16(from), netip.AddrFrom16(to), 22, time.Duration(i)*time.Second)}, int64(i))...)
	}
	if len(said) == 0 || said[0].Prefix != 64 {
		t.Fatalf("%d alerts", len(said))
	}
	for _, explain := range []func() (detect.Explanation, bool){
		func() (detect.Explanation, bool) { return d.ExplainAlert(said[0].ID) },
		func() (detect.Explanation, bool) { return d.ExplainNet(netip.MustParseAddr("2001:db8:1:2::77")) },
	} {
		if x, ok := explain(); !ok || !x.Net || x.Source != prefix || len(x.Open) != 1 {
			t.Errorf("%v: %+v", ok, x)
		}
	}
	if _, ok := d.ExplainNet(scanner); ok {
		t.Error("an IPv4 address has a /64")
	}
}
