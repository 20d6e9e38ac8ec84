package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Credit is measured from what can still matter to a flow that comes in time. One that comes
// half an hour late completes a scan of its own time, whatever credit its key has by then.
func TestAFlowThatComesLateCrossesThoughItsKeyHasCredit(t *testing.T) {
	var flows []schema.Flow
	for port := range 14 {
		flows = append(flows, syn(scanner, target(1), uint16(1+port), time.Duration(port)*time.Second))
	}
	// The key is asked about again when its five minutes are over, and has credit from then on.
	for port := range 4 {
		flows = append(flows, syn(scanner, target(1), uint16(100+port), 30*time.Minute+time.Duration(port)*time.Minute))
	}
	d := newDetector(t, nil)
	if alerts := d.Observe(flows, 0); len(alerts) != 0 {
		t.Fatalf("18 ports within an hour are %s", alerts[0].Reason)
	}
	late := []schema.Flow{syn(scanner, target(1), 99, 20*time.Second)}
	late[0].Received = flows[len(flows)-1].Received
	alerts := d.Observe(late, 1)
	if len(alerts) != 1 || alerts[0].Pairs.Count != 19 {
		t.Fatalf("the 15th port of five minutes, half an hour late: %v", alerts)
	}
}
