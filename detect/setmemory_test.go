package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/schema"
)

// A smaller budget throws nothing away, and lets nobody in beyond what is there; a larger one does.
func TestABudgetMayChangeMeanwhile(t *testing.T) {
	d := newDetector(t, func(c *detect.Config) { c.Memory = 8 << 20 })
	fill := func(from, n int) {
		for i := from; i < from+n; i++ {
			f := flowtest.Session(flowtest.Target(i), flowtest.Target(1), 443, time.Duration(i)*time.Millisecond)
			d.Observe([]schema.Flow{f}, int64(i))
		}
	}
	fill(0, 60_000)
	held := d.Stats()
	d.SetMemory(2 << 20)
	if s := d.Stats(); s.Sources != held.Sources || s.Sources < 55_000 {
		t.Errorf("%d sources of %d are left", s.Sources, held.Sources)
	}
	fill(60_000, 60_000)
	if s := d.Stats(); s.Bytes > held.Bytes*103/100 || s.Waiting == 0 {
		t.Errorf("%d bytes, %d before; %d flows waited", s.Bytes, held.Bytes, s.Waiting)
	}
	d.SetMemory(64 << 20)
	fill(120_000, 60_000)
	if s := d.Stats(); s.Sources < held.Sources+60_000 {
		t.Errorf("%d sources in a larger budget", s.Sources)
	}
}
