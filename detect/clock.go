package detect

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// clock is event time: the latest instant of any flow that was plausible when
// it arrived. It never goes back.
type clock struct {
	now    schema.Time
	window time.Duration
	skew   time.Duration
}

type admission uint8

const (
	admitted admission = iota
	tooEarly           // further ahead of its own arrival than the allowed skew
	tooLate            // before the window
	timeless           // no time at all
)

// admit says whether a flow counts, and moves the clock if it does.
func (c *clock) admit(f *schema.Flow) (schema.Time, admission) {
	t := f.EventTime()
	switch {
	case t <= 0:
		return 0, timeless
	case f.Received != 0 && t > f.Received.Add(c.skew):
		return t, tooEarly
	case t < c.now.Add(-c.window):
		return t, tooLate
	}
	c.now = max(c.now, t)
	return t, admitted
}
