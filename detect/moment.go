package detect

import (
	"math"
	"math/bits"
	"time"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/schema"
)

// moment is event time: one instant in the units of all that asks.
type moment struct {
	clock clock
	units units

	second        uint32 // Unix time
	now           stamp
	panes         sliding.Window
	windowSeconds uint32
	recountAfter  uint32 // see recountSeconds
}

func newMoment(cfg *Config) moment {
	m := moment{
		clock: clock{window: cfg.Window, skew: cfg.MaxSkew}, units: newUnits(cfg.Window),
		windowSeconds: uint32(cfg.Window / time.Second),
	}
	m.recountAfter = m.units.count(recountSeconds * time.Second)
	m.panes.Panes = uint16(m.units.window>>paneShift) + 1
	return m
}

func (m *moment) setTime() {
	if s := uint32(m.clock.now.Seconds()); s != m.second {
		m.second = s
		m.now = m.units.stamp(m.clock.now)
		m.panes.Now = paneOf(m.now)
	}
}

// remembers: what is older than the window is forgotten, if not yet dropped.
func (m *moment) remembers(c contact) bool { return c.stamp().age(m.now) <= m.units.window }

// outlived is by how many units the oldest contact in the account of a source is older than
// the window. Event time may have leapt further since the source was last seen than stamps can
// tell, so ages are taken at its latest flow, before which each touch purged.
func (m *moment) outlived(s *slot) uint32 {
	age := s.oldest.age(m.units.stampOf(s.seen)) + m.unseen(s)
	return age - min(age, m.units.window)
}

// unseen is how many units ago a source was last seen.
func (m *moment) unseen(s *slot) uint32 {
	return m.units.in(m.second - s.seen)
}

// clock is event time: the latest instant of any flow that was plausible when
// it arrived. It never goes back.
type clock struct {
	now    schema.Time
	own    schema.Time // the same, of flows alone: another state that was joined does not move it
	began  schema.Time // of the first flow
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
	if c.began == 0 {
		c.began = t
	}
	c.now = max(c.now, t)
	c.own = c.now
	return t, admitted
}

// stamp is when a contact was touched, in units of the window modulo 2^16.
// A window has at most windowUnits of them, so that what is past the window can
// be told from what lies ahead as long as each stamp is looked at once a window.
type stamp uint16

const windowUnits = 43_200 // 48 h of 4 s: two thirds of what a stamp can tell apart

// paneOf is the pane of a stamp; panes wrap where stamps do.
func paneOf(s stamp) uint16 { return uint16(s) >> paneShift }

const paneShift = 16 - sliding.PaneBits // a pane is 64 units: 4 min 16 s of a window of 48 h

// units converts between event time and stamps. A unit is whole seconds, and these fit 32
// bits: so a multiplication divides by it.
type units struct {
	length  time.Duration // of one unit
	seconds uint32        // the same
	inverse uint64        // 2^64 through seconds, rounded up
	window  uint32        // units in the window
}

func newUnits(window time.Duration) units {
	n := max(4*time.Second, (window+windowUnits-1)/windowUnits)
	n = (n + time.Second - 1).Truncate(time.Second)
	seconds := uint32(n / time.Second)
	return units{length: n, seconds: seconds, inverse: math.MaxUint64/uint64(seconds) + 1, window: uint32(window / n)}
}

func (u *units) count(d time.Duration) uint32 { return uint32(d / u.length) }

func (u *units) stamp(t schema.Time) stamp { return u.stampOf(uint32(t.Seconds())) }

// stampOf is that of a second of Unix time.
func (u *units) stampOf(second uint32) stamp { return stamp(u.in(second)) }

// in is how many units there are in so many seconds. The high half of the product is the
// quotient for all numbers of 32 bits (Lemire, Kaser, Kurz, "Faster remainder by direct
// computation", 2019); a unit is more than one second.
func (u *units) in(seconds uint32) uint32 {
	n, _ := bits.Mul64(uint64(seconds), u.inverse)
	return uint32(n)
}

// age is how many units before now s lies. No stamp lies after the clock.
func (s stamp) age(now stamp) uint32 { return uint32(now - s) }

// after reports whether s lies after other. Stamps can be a window apart, which
// is more than half of what they can tell apart: only the clock orders them.
func (s stamp) after(other, now stamp) bool { return s.age(now) < other.age(now) }

// timeOf is the instant of s, given one within a window after it.
func (u *units) timeOf(s stamp, near schema.Time) schema.Time {
	n := u.in(uint32(near.Seconds()))
	return schema.Time((n-uint32(stamp(n)-s))*u.seconds) * schema.Time(time.Second)
}
