package detect

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/internal/defaults"
)

// What the sweep asks of every slot without branches is what the words say.
func TestTheSweepAsksForWhatTheWindowHasNot(t *testing.T) {
	cfg := defaults.Of[Config]()
	m := newMoment(&cfg)
	l := ledger{moment: &m}
	rapid.Check(t, func(t *rapid.T) {
		m.second = rapid.Uint32Range(1<<30, math.MaxUint32).Draw(t, "now")
		unseen := rapid.Uint32Range(0, 3*m.windowSeconds).Draw(t, "unseen")
		older := rapid.Uint32Range(0, m.units.window).Draw(t, "oldest before that")
		s := slot{
			key:  rapid.SampledFrom([]uint64{0, 1, keyV6, math.MaxUint64}).Draw(t, "key"),
			seen: m.second - unseen,
			bits: rapid.SampledFrom([]slotBits{0, slotInternal, slotV6, slotAccount, slotInternal | slotAccount}).Draw(t, "bits"),
		}
		s.oldest = m.units.stampOf(s.seen) - stamp(older)
		want := s.key != 0 && (unseen > m.windowSeconds || s.bits&slotAccount != 0 && m.outlived(&s) > 0)
		if got := l.hasOld(&s); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

func TestSecondsBecomeUnitsAsByDivision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := newUnits(time.Duration(rapid.Int64Range(int64(time.Hour), int64(60*24*time.Hour)).Draw(t, "window")))
		for _, second := range []uint32{rapid.Uint32().Draw(t, "second"), 0, 1, u.seconds - 1, u.seconds, math.MaxUint32} {
			if got := u.in(second); got != second/u.seconds {
				t.Errorf("%d s in units of %d s: %d", second, u.seconds, got)
			}
		}
	})
}
