package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// An outage is of targets that served others within a day and fail for several
// sources since: each part of it is needed.
func TestAnOutageIsOfTargetsThatServedLatelyAndFailSeveralSourcesSince(t *testing.T) {
	// served is sessions of one client with 30 targets, at 30 s intervals.
	served := func(after time.Duration) (flows []schema.Flow) {
		for i := range 30 {
			flows = append(flows, session(target(5000), target(i), 8443, after+time.Duration(i)*30*time.Second))
		}
		return flows
	}
	// fail is n clients that try all of them, one target after the other.
	fail := func(n int, after time.Duration) (flows []schema.Flow) {
		for i := range 30 * n {
			flows = append(flows, syn(target(6000+100*n+i%n), target(i/n), 8443, after+time.Duration(i)*200*time.Second/time.Duration(30*n)))
		}
		return flows
	}
	for _, c := range []struct {
		name   string
		flows  [][]schema.Flow
		silent bool
	}{
		{"an hour later", [][]schema.Flow{served(0), fail(12, time.Hour)}, true},
		{"nearly a day later", [][]schema.Flow{served(0), fail(12, 23*time.Hour+30*time.Minute)}, true},
		{"more than a day later", [][]schema.Flow{served(0), fail(12, 24*time.Hour+30*time.Minute)}, false},
		{"of targets that never served", [][]schema.Flow{fail(12, time.Hour)}, false},
		{"of four clients", [][]schema.Flow{served(0), fail(4, time.Hour)}, false},
		{"of targets that served again in between", [][]schema.Flow{served(0), fail(12, time.Hour)[:12*20], served(70 * time.Minute), fail(4, 100*time.Minute)}, false},
		{"of four clients, hours after others failed", [][]schema.Flow{served(0), fail(12, time.Hour)[:12*20], fail(4, 4*time.Hour)}, false},
	} {
		d, opened := newDetector(t, nil), 0
		for _, flows := range c.flows {
			for _, a := range d.Observe(flows, 0) {
				if a.State == schema.Open {
					opened++
				}
			}
		}
		if got := keptSilent(d)["outage"] > 0; opened == 0 != c.silent || got != c.silent {
			t.Errorf("%s: %d alerts, kept silent: %v", c.name, opened, keptSilent(d))
		}
	}
}
