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

// windowAt is the window as the clock has it now, in the units of the sets.
type windowAt struct {
	oldest  uint32 // stamp seconds
	nowPane uint16
	panes   uint16 // how many make the window
	length  uint32 // seconds of a pane
}

func (c *clock) at() windowAt { return c.until(c.now) }

// until is the window that ends at t.
func (c *clock) until(t schema.Time) windowAt {
	length := uint32(paneLength(c.window) / time.Second)
	w := windowAt{
		oldest: stampOf(t.Add(-c.window)).seconds(),
		panes:  uint16(uint32(c.window/time.Second) / length),
		length: length,
	}
	w.nowPane = w.pane(stampOf(t))
	return w
}

func (w *windowAt) pane(s stamp) uint16 { return uint16(s.seconds()/w.length) & paneMask }
