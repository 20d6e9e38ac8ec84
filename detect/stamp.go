package detect

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// stamp is when a contact was touched, in units of the window modulo 2^16.
// A window has at most windowUnits of them, so that what is past the window can
// be told from what lies ahead as long as each stamp is looked at once a window.
type stamp uint16

const windowUnits = 43_200 // 48 h of 4 s: two thirds of what a stamp can tell apart

// units converts between event time and stamps.
type units struct {
	length time.Duration // of one unit
	window uint32        // units in the window
}

func newUnits(window time.Duration) units {
	n := max(4*time.Second, (window+windowUnits-1)/windowUnits)
	n = (n + time.Second - 1).Truncate(time.Second)
	return units{length: n, window: uint32(window / n)}
}

func (u *units) count(d time.Duration) uint32 { return uint32(d / u.length) }

func (u *units) stamp(t schema.Time) stamp { return stamp(uint64(t) / uint64(u.length)) }

// age is how many units before now s lies. No stamp lies after the clock.
func (s stamp) age(now stamp) uint32 { return uint32(now - s) }

// after reports whether s lies after other. Stamps can be a window apart, which
// is more than half of what they can tell apart: only the clock orders them.
func (s stamp) after(other, now stamp) bool { return s.age(now) < other.age(now) }

// timeOf is the instant of s, given one within a window after it.
func (u *units) timeOf(s stamp, near schema.Time) schema.Time {
	n := uint64(near) / uint64(u.length)
	return schema.Time((n - uint64(stamp(n)-s)) * uint64(u.length))
}
