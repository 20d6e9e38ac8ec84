package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// A scanner that sends from a service's port to get past packet filters must not
// be turned round (AC-06 of the seed systems).
func TestASYNScanFromAServicePortAccusesItsSender(t *testing.T) {
	for _, port := range []uint16{20, 53, 80} {
		var flows []schema.Flow
		for i := range 1000 {
			f := syn(scanner, target(1), uint16(1+i*60), time.Duration(i)*10*time.Millisecond)
			f.Src.Port, f.Orientation = port, schema.OrientNone
			flows = append(flows, f)
		}
		closed := finals(alertsOf(t, newDetector(t, nil), oriented(flows)))
		if len(closed) != 1 || closed[0].Source != scanner || closed[0].Kind != schema.Vertical || closed[0].Ports.Count < 975 || closed[0].Ports.Count > 1025 {
			t.Errorf("from port %d: %+v", port, closed)
		}
		if len(closed) == 1 && (len(closed[0].SourcePorts) != 1 || closed[0].SourcePorts[0] != port) {
			t.Errorf("from port %d: common source ports %v", port, closed[0].SourcePorts)
		}
	}
}

// The verdicts of nfdump's "flags S and not flags AFURP" on eight combinations (AC-08).
func TestOnlyALoneSYNIsOneWhateverECNSays(t *testing.T) {
	for flags, want := range map[uint16]bool{0x02: true, 0xc2: true, 0x12: false, 0x1b: false, 0x3f: false, 0x00: false, 0x04: false, 0x14: false} {
		var flows []schema.Flow
		for i := range 60 {
			f := syn(scanner, target(i), 22, time.Duration(i)*time.Second)
			f.Src.TCPFlags = flags
			flows = append(flows, f)
		}
		alerts := alertsOf(t, newDetector(t, nil), flows)
		failed := len(alerts) > 0 && alerts[0].Outcomes["failed"] > 0
		if failed != want {
			t.Errorf("flags %#02x: taken for a lone SYN: %v", flags, failed)
		}
	}
}

// VAST 2013, AC-26 to AC-28: a web server's answers to distinct client ports, a
// service on port 1984 to client ports that rise one by one, a monitor without ports.
func TestTheSeedsFalseAlarmsStaySilentWithTheRuleAndTheFirstSoundsWithoutIt(t *testing.T) {
	answers := func(n int, port uint16) (flows []schema.Flow) {
		for i := range n {
			f := contactOf(target(4), target(1000+i%100), schema.TCP, uint16(2208+i), time.Duration(i)*time.Second)
			f.Src.Port, f.Src.TCPFlags, f.Src.Packets, f.Src.Bytes = port, 0, 1, 60 // the data has no flags
			flows = append(flows, f)
		}
		return flows
	}
	monitor := func() (flows []schema.Flow) {
		for i := range 5000 {
			flows = append(flows, contactOf(target(6), target(1000+i%200), schema.ICMP, 0, time.Duration(i)*time.Second))
		}
		return flows
	}
	for name, flows := range map[string][]schema.Flow{"web": answers(5000, 80), "1984": answers(5000, 1984), "monitor": monitor()} {
		if alerts := alertsOf(t, newDetector(t, nil), oriented(flows)); len(alerts) != 0 {
			t.Errorf("%s: %s of %s: %s", name, alerts[0].Kind, alerts[0].Source, alerts[0].Reason)
		}
	}
	if alerts := alertsOf(t, newDetector(t, nil), answers(5000, 80)); len(alerts) == 0 {
		t.Error("without orientation the web server's answers look like no scan at all")
	}
}
