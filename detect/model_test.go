package detect_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/internal/defaults"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// model is the vertical and horizontal rules over plain maps, with nothing
// forgotten and nothing estimated: what the state must agree with.
type model struct {
	cfg  detect.Config
	held map[netip.Addr]map[modelTarget]*modelContact
	now  schema.Time
}

type modelTarget struct {
	addr netip.Addr
	port uint16
}

type modelContact struct {
	when schema.Time // first touched if it failed, else last; in units of 4 s, as the state has them
	good bool
}

func (m *model) observe(f *schema.Flow, good bool) (vertical, horizontal bool) {
	m.now = max(m.now, f.Start)
	if f.Start < m.now.Add(-m.cfg.Window) {
		return false, false
	}
	of := m.held[f.Src.Addr]
	if of == nil {
		of = map[modelTarget]*modelContact{}
		m.held[f.Src.Addr] = of
	}
	at := f.Start / 4e9 * 4e9
	k := modelTarget{f.Dst.Addr, f.Dst.Port}
	c := of[k]
	fresh := c == nil || m.now/4e9*4e9 > c.when.Add(m.cfg.Window)
	if fresh {
		c = &modelContact{when: at}
		of[k] = c
	}
	if c.good = c.good || good; c.good {
		c.when = max(c.when, at)
		return false, false
	}
	if at < c.when {
		c.when, fresh = at, true
	}
	if !fresh {
		return false, false
	}
	return m.crosses(of, k, c.when, m.cfg.Vertical, func(o modelTarget) bool { return o.addr == k.addr }),
		m.crosses(of, k, c.when, m.cfg.HorizontalExternal, func(o modelTarget) bool { return o.port == k.port })
}

// crosses looks at every window of each horizon that holds at.
func (m *model) crosses(of map[modelTarget]*modelContact, _ modelTarget, at schema.Time, thresholds []uint32, same func(modelTarget) bool) bool {
	spans := []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour, m.cfg.Window}
	for h, span := range spans {
		good := 0.0
		for k, c := range of {
			if same(k) && c.good && c.when > at.Add(-span) {
				good++
			}
		}
		for k, end := range of {
			if !same(k) || end.good || end.when < at || end.when >= at.Add(span) {
				continue
			}
			n := 0.0
			for k, c := range of {
				if same(k) && !c.good && c.when <= end.when && c.when > end.when.Add(-span) {
					n++
				}
			}
			if n >= float64(thresholds[h]) && n >= m.cfg.FailureRatio*(n+good) {
				return true
			}
		}
	}
	return false
}

// outageless is so few sources that nothing they fail at counts as down, a guard that
// the model does not have.
const outageless = 4

func TestTheStateAgreesWithAModelThatForgetsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		change := func(c *detect.Config) {
			c.Vertical, c.HorizontalExternal = []uint32{6, 8, 10, 12}, []uint32{6, 9, 12, 15}
			c.Block = []uint32{1000, 1000, 1000, 1000} // the model has none
			c.BusyPorts = nil
		}
		d := newDetector(t, change)
		m := model{cfg: defaults.Of[detect.Config](), held: map[netip.Addr]map[modelTarget]*modelContact{}}
		change(&m.cfg)
		want, got := map[netip.Addr]bool{}, map[netip.Addr]bool{}
		pace := time.Second << r.IntN(12)
		willing := r.IntN(30) + 4 // one in so many contacts is a session
		at := time.Duration(0)
		for range 600 {
			at += time.Duration(r.Int64N(int64(pace) + 1))
			late := time.Duration(r.Int64N(int64(2*pace) + 1))
			src, dst, port := target(1<<20+r.IntN(outageless)), target(r.IntN(20)), uint16(1000+r.IntN(12))
			good := r.IntN(willing) == 0
			f := syn(src, dst, port, at-late)
			if good {
				f = session(src, dst, port, at-late)
			}
			f.Received = f.Start.Add(late)
			v, h := m.observe(&f, good)
			want[src] = want[src] || v || h
			for _, a := range d.Observe([]schema.Flow{f}, 0) {
				got[a.Source] = true
			}
		}
		for a, is := range want {
			if !is {
				delete(want, a)
			}
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("alerted (-model +state)\n%s", diff)
		}
	})
}
