package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// v6 is an address of 2001:db8:0:N::/64.
func v6(net byte, host int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, net, 0, 0, 0, 0, byte(host >> 24), byte(host >> 16), byte(host >> 8), byte(host)})
}

func TestAScanWithAFreshAddressForEachProbeIsOneAlertOfTheNetwork(t *testing.T) {
	var flows []schema.Flow
	for i := range 200 {
		flows = append(flows, syn(v6(1, 1000+i), v6(9, i), 22, time.Duration(i)*time.Second))
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 1 {
		t.Fatalf("%d alerts: %+v", len(closed), closed)
	}
	a := closed[0]
	if a.Source != v6(1, 0) || a.Prefix != 64 || a.Kind != schema.Horizontal || a.Hosts.Count != 200 || !a.Hosts.Exact {
		t.Errorf("%s of %s, %s hosts", a.Kind, a.Source, a.Hosts)
	}
	for _, target := range a.Targets {
		if !netip.PrefixFrom(v6(9, 0), 64).Contains(target) {
			t.Errorf("target %s", target)
		}
	}
}

func TestALoneScannerAmongItsNeighboursIsReportedOnce(t *testing.T) {
	var flows []schema.Flow
	for i := range 200 {
		at := time.Duration(i) * time.Second
		flows = append(flows, syn(v6(1, 7), v6(9, i), 22, at))
		if i%10 == 0 { // neighbours that fail now and then
			flows = append(flows, syn(v6(1, 100+i), v6(9, 5000+i), 22, at), session(v6(1, 100+i), v6(8, 1), 443, at))
		}
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 1 || closed[0].Source != v6(1, 7) || closed[0].Prefix != 0 || closed[0].Hosts.Count != 200 {
		t.Errorf("%+v", closed)
	}
}

func TestAnIPv6VerticalScanNamesItsTarget(t *testing.T) {
	var flows []schema.Flow
	for i := range 60 {
		flows = append(flows, syn(v6(1, 7), v6(9, 1), uint16(1+i), time.Duration(i)*time.Second))
	}
	closed := finals(alertsOf(t, newDetector(t, func(c *detect.Config) {
		c.Internal = []netip.Prefix{netip.PrefixFrom(v6(0, 0), 32)}
	}), flows))
	if len(closed) != 1 || closed[0].Ports.Count != 60 || len(closed[0].Targets) != 1 || closed[0].Targets[0] != v6(9, 1) || closed[0].Severity != schema.High {
		t.Errorf("%+v", closed)
	}
}

func TestTheFatesOfIPv6FlowsAddUpWhenMemoryIsShort(t *testing.T) {
	d := newDetector(t, func(c *detect.Config) { c.Memory = 1 << 20 })
	for i := range 200_000 {
		net := i / 8 // a fresh /64 for every eight flows
		src := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, byte(net >> 16), byte(net >> 8), byte(net), 15: byte(i % 4)})
		d.Observe([]schema.Flow{syn(src, v6(200, i%50), 22, time.Duration(i)*time.Millisecond)}, 0)
	}
	if s := d.Stats(); s.Waiting == 0 {
		t.Errorf("memory was never short: %+v", s)
	}
	checkSum(t, d)
}

// One of its addresses may be that of the network itself.
func TestANetworkIsOneWhicheverOfItsAddressesMadeItSuspect(t *testing.T) {
	var flows []schema.Flow
	for i := range 60 { // the sixth is from 2001:db8:0:1::
		flows = append(flows, syn(v6(1, (i+1)%6), v6(9, i), 22, time.Duration(i)*time.Second))
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 1 || closed[0].Source != v6(1, 0) || closed[0].Prefix != 64 {
		t.Errorf("%+v", closed)
	}
}
