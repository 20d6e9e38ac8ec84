package detect

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

func TestAStampTellsEveryAgeWithinAWindow(t *testing.T) {
	for _, window := range []time.Duration{time.Hour, 48 * time.Hour, 100 * time.Hour, 192 * time.Hour} {
		u := newUnits(window)
		if u.window > windowUnits || time.Duration(u.window+1)*u.length < window {
			t.Errorf("%v: %d units of %v", window, u.window, u.length)
		}
		now := schema.TimeOf(time.Date(2026, 11, 21, 7, 0, 1, 5, time.UTC))
		for _, ago := range []time.Duration{0, time.Minute, window / 2, window} {
			s := u.stamp(now.Add(-ago))
			back := u.timeOf(s, now)
			if d := now.Add(-ago).Sub(back); d < 0 || d >= u.length {
				t.Errorf("%v: %v ago came back %v off", window, ago, d)
			}
			if n := u.stamp(now); s.age(n) > u.window+1 || ago >= u.length && !n.after(s, n) {
				t.Errorf("%v: %v ago has age %d", window, ago, s.age(n))
			}
		}
	}
}
