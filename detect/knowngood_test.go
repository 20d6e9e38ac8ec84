package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// A laptop has served itself from many targets, sleeps for days, and wakes up where
// none of them can be reached.
func TestATargetThatWasGoodForASourceWithinAWeekIsNoFailedOne(t *testing.T) {
	const day = 24 * time.Hour
	laptop, stranger := target(1<<20), target(1<<20+1)
	visits := func(n int) (flows []schema.Flow) {
		for i := range n {
			flows = append(flows, session(laptop, target(i), 8443, time.Duration(i)*time.Second))
		}
		return flows
	}
	fails := func(d *detect.Detector, n int, after time.Duration) (alerts []schema.Alert) {
		for i := range n {
			f := syn(laptop, target(i), 8443, after+time.Duration(i)*time.Second)
			alerts = append(alerts, d.Observe([]schema.Flow{f}, 0)...)
		}
		return alerts
	}
	// asleep lets event time go on without the laptop.
	asleep := func(d *detect.Detector, until time.Duration) {
		for at := 10 * time.Minute; at < until; at += 10 * time.Minute {
			d.Observe([]schema.Flow{session(target(9), target(10), 443, at)}, 0)
		}
	}
	for _, c := range []struct {
		name   string
		visits int
		after  time.Duration
		alerts bool
		good   uint64
	}{
		{"after a night", 200, 12 * time.Hour, false, 200},
		{"after four days", 200, 4 * day, false, 200},
		{"after six days and 23 hours", 200, 7*day - time.Hour, false, 200},
		{"after a week", 200, 7*day + time.Hour, true, 0},
		{"of which but a few were known", 20, 4 * day, true, 20},
		{"that knew too few to have habits", 7, 4 * day, true, 0},
	} {
		d := newDetector(t, nil)
		d.Observe(visits(c.visits), 0)
		asleep(d, c.after)
		alerts := fails(d, 200, c.after)
		if (len(alerts) > 0) != c.alerts || keptSilent(d)["good_before"] != c.good {
			t.Errorf("%s: %d alerts, kept silent: %v", c.name, len(alerts), keptSilent(d))
		}
		checkSum(t, d)
	}

	// Nobody else sends, so that nothing was dropped before it comes back; or it was
	// never away, and its first visits leave the window while it fails.
	for name, after := range map[string]time.Duration{"alone": 4 * day, "a day after another": 2*day + 100*time.Second} {
		d := newDetector(t, nil)
		d.Observe(append(visits(200), session(laptop, target(0), 22, day)), 0)
		if alerts := fails(d, 200, after); len(alerts) > 0 || keptSilent(d)["good_before"] != 200 {
			t.Errorf("%s: %d alerts, kept silent: %v", name, len(alerts), keptSilent(d))
		}
	}

	d := newDetector(t, nil)
	d.Observe(visits(200), 0)
	asleep(d, 4*day)
	for i := range 200 {
		f := syn(stranger, target(i), 8443, 4*day+time.Duration(i)*time.Second)
		d.Observe([]schema.Flow{f}, 0)
	}
	if d.Stats().Opened != 1 {
		t.Error("what was good for one source hides another that scans it")
	}
}

func TestASourceThatMadeRoomIsRememberedToo(t *testing.T) {
	const client = 1 << 20
	d := newDetector(t, func(c *detect.Config) { c.Memory = 1 << 20 })
	for i := range 200 {
		d.Observe([]schema.Flow{session(target(client), target(i), 8443, time.Duration(i)*time.Second)}, 0)
	}
	for i := range 200_000 { // many who touch several targets each, too few to be remembered
		f := session(target(2<<20+i/7), target(i%7), 443, 10*time.Minute+time.Duration(i)*10*time.Millisecond)
		d.Observe([]schema.Flow{f}, 0)
	}
	if _, held := d.Explain(target(client)); held || d.Stats().Evicted == 0 {
		t.Fatalf("the client is still held: %+v", d.Stats())
	}
	for i := range 200 {
		for range 12 { // it must show several targets before it gets a place again
			d.Observe([]schema.Flow{syn(target(client), target(i), 8443, 2*time.Hour+time.Duration(i)*time.Second)}, 0)
		}
	}
	if d.Stats().Opened != 0 || keptSilent(d)["good_before"] == 0 {
		t.Errorf("%d alerts, kept silent: %v", d.Stats().Opened, keptSilent(d))
	}
}
