package orient

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// held keeps back flows that may be server calls, until their session can be known: a
// session is exported at its end, and data that nothing answers before. Such flows are
// rare, and there is room for so many; what does not fit goes on at once.
type held struct {
	flows   []heldFlow // in the order in which they came
	waiting map[uint64]int
	known   bool // a session was seen that some wait for
	clock   schema.Time
}

// heldFlow is a flow that waits for the session with a key.
type heldFlow struct {
	schema.Flow
	key   uint64
	since schema.Time
}

const (
	heldMost       = 4096
	heldFor        = 10 * time.Minute
	serverSlots    = 1 << 12        // 16 bytes each
	serverKnownFor = 24 * time.Hour // since somebody had a session with it
)

// Hold takes those flows out of a batch that may be server calls and whose session is not
// known yet, and adds those of earlier batches that wait no longer, because their session
// was seen or for the time that went by. It is called after Orient, with the time of
// arrival. What it returns stands where flows stood, if there is room.
func (p *Pairing) Hold(flows []schema.Flow, now schema.Time) []schema.Flow {
	c := &p.calls
	if len(c.unmarked)+len(c.held.flows) == 0 {
		return flows
	}
	// Most batches stay as they are, and cost nothing here.
	out := flows[:len(flows):len(flows)]
	if len(c.unmarked) > 0 {
		out = c.keepUnmarked(out, now)
	}
	due := max(len(c.held.flows)-heldMost, 0)
	for due < len(c.held.flows) && now.Sub(c.held.flows[due].since) >= heldFor {
		due++
	}
	return p.release(out, due)
}

// HoldRecorded is Hold for recordings: by the times in the flows.
func (p *Pairing) HoldRecorded(flows []schema.Flow) []schema.Flow {
	for i := range flows {
		at := flows[i].Received
		if at == 0 {
			at = flows[i].EventTime()
		}
		p.calls.held.clock = max(p.calls.held.clock, at)
	}
	return p.Hold(flows, p.calls.held.clock)
}

// Release returns all flows that are still held.
func (p *Pairing) Release() []schema.Flow { return p.release(nil, len(p.calls.held.flows)) }

// keepUnmarked holds back the flows of the batch that Orient has found, and moves the
// others together.
func (c *serverCalls) keepUnmarked(flows []schema.Flow, now schema.Time) []schema.Flow {
	n, next := 0, 0
	for i := range flows {
		if next < len(c.unmarked) && c.unmarked[next] == i {
			next++
			c.keep(&flows[i], now)
			continue
		}
		if n != i {
			flows[n] = flows[i]
		}
		n++
	}
	c.unmarked = c.unmarked[:0]
	return flows[:n]
}

// keep holds a flow back.
func (c *serverCalls) keep(f *schema.Flow, now schema.Time) {
	h := &c.held
	if h.waiting == nil {
		h.waiting = map[uint64]int{}
	}
	_, key := c.of(&f.Dst, &f.Src)
	h.flows = append(h.flows, heldFlow{*f, key, now})
	h.waiting[key]++
}

// release adds the flows to out that wait no longer: the first so many, and those whose
// session was seen.
func (p *Pairing) release(out []schema.Flow, due int) []schema.Flow {
	c, h := &p.calls, &p.calls.held
	if due == 0 && !h.known {
		p.Stats.Held = uint64(len(h.flows))
		return out
	}
	rest := h.flows[:0]
	for i := range h.flows {
		f := &h.flows[i]
		called := h.known && c.called(&f.Flow)
		if i >= due && !called {
			rest = append(rest, *f)
			continue
		}
		if called {
			f.Hints |= schema.HintServerCall
			p.Stats.ServerCalls++
		}
		if h.waiting[f.key]--; h.waiting[f.key] == 0 {
			delete(h.waiting, f.key)
		}
		out = append(out, f.Flow)
	}
	h.flows, h.known = rest, false
	p.Stats.Held = uint64(len(h.flows))
	return out
}

// mayWait reports whether it is worth to wait for the session of a flow: it would be a
// failure, and is what servers send. A client of FTP names a port that no service has; ident
// is asked by hosts that others have sessions with. Other scans, and what is
// touched on the way through all ports, wait for nothing.
func (c *serverCalls) mayWait(f *schema.Flow) bool {
	if begun(f) {
		return false
	}
	if f.Src.Port == ftpData {
		return f.Dst.Port > lastWellKnown
	}
	s, key := c.server(&f.Src)
	return s != nil && s.key == key && f.EventTime().Sub(s.seen) <= serverKnownFor
}

// server is the slot of a host that clients have such sessions with, and its key.
func (c *serverCalls) server(of *schema.Side) (*serverCallSlot, uint64) {
	key := schema.Mix64(socket(of.Addr, 2)) | 1
	return c.servers.Slot(key >> 1), key
}
