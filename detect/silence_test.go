package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// oriented runs flows through ingest's orientation, a datagram of ten at a time.
func oriented(flows []schema.Flow) []schema.Flow {
	p := orient.NewPairing(1024, orient.ServicePorts[:])
	for i := 0; i < len(flows); i += 10 {
		p.Orient(flows[i:min(i+10, len(flows))])
	}
	return flows
}

func TestAFewScannersOfHostsThatServedDoNotHideEachOther(t *testing.T) {
	var flows []schema.Flow
	for i := range 100 {
		flows = append(flows, session(target(5000), target(i), 22, time.Duration(i)*time.Second))
	}
	for i := range 400 {
		flows = append(flows, syn(target(6000+i%4), target(i/4), 22, time.Hour+time.Duration(i)*time.Second/2))
	}
	if closed := finals(alertsOf(t, newDetector(t, nil), flows)); len(closed) != 4 {
		t.Errorf("%d of four scanners found", len(closed))
	}
}

// sampled is what an exporter that looks at one packet in many says of flows.
func sampled(flows []schema.Flow) []schema.Flow {
	for i := range flows {
		flows[i].Exporter.Sampling = 1000
		flows[i].Src.Packets, flows[i].Dst.Packets = min(flows[i].Src.Packets, 1), 0
	}
	return flows
}

func TestASampledExporterNeedsFewerTargetsAndNearlyAllOfThemProbes(t *testing.T) {
	d := newDetector(t, nil)
	closed := finals(alertsOf(t, d, sampled(horizontalScan(12, 22, time.Second))))
	if len(closed) != 1 || closed[0].Sampling != 1000 || closed[0].Confidence == "high" || closed[0].Severity != schema.Medium {
		t.Errorf("a scan: %+v", closed)
	}
	var busy []schema.Flow
	for i := range 3000 { // a proxy: of its sessions mostly data is sampled, now and then the SYN
		at := time.Duration(i) * 100 * time.Millisecond
		f := session(scanner, target(i), 443, at)
		if f.Src.TCPFlags = schema.ACK; i%12 == 0 {
			f = syn(scanner, target(i), 443, at)
		}
		busy = append(busy, f, udp(scanner, target(i), 53, at))
	}
	if alerts := alertsOf(t, newDetector(t, nil), sampled(busy)); len(alerts) != 0 {
		t.Errorf("a proxy and resolver: %s", alerts[0].Reason)
	}
}

func TestAFutureOrAncientClockIsCountedAndMovesNothing(t *testing.T) {
	d := newDetector(t, nil)
	week := syn(scanner, target(1), 22, 7*24*time.Hour)
	week.Received = noon
	none := syn(scanner, target(1), 22, 0)
	none.Start, none.End, none.Received = 0, 0, 0
	old := syn(scanner, target(1), 22, -49*time.Hour)
	for _, f := range []schema.Flow{syn(scanner, target(1), 22, 0), week, none, old} {
		d.Observe([]schema.Flow{f}, 0)
	}
	s := d.Stats()
	if s.Early != 1 || s.Timeless != 1 || s.Late != 1 || s.Counted != 1 {
		t.Errorf("%+v", s)
	}
	if now := d.Now(); !now.Equal(noon.Std()) {
		t.Errorf("the clock stands at %v", now)
	}
	checkSum(t, d)
}
