package detect

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// A session that a target opens to its scanner has the target as its source: it
// lies in a partition whose detector may know nothing of the scanner. So whoever
// divides flows among partitions learns from the alerts who has one, open or closed
// lately, and sends a copy of the sessions with these sources to their partition.

// Alerted learns from alerts which sources have one that a session could be the
// fruit of. It belongs to one goroutine. The zero value is ready.
type Alerted struct {
	alerts  map[string]*learned // by id
	sources Sources
	changed bool

	now, swept schema.Time
}

// learned is what is remembered of an alert.
type learned struct {
	key      uint64 // of its source
	revision uint32
	closed   bool
	last     schema.Time
}

// AlertedFor is how long an alert of which nothing is said counts as open: twice
// the usual window. Its close may have been lost with its detector's state.
const AlertedFor = 96 * time.Hour

// ClosedFor is how long after its last contact an alert that has closed is
// remembered: the usual window, in which its detector asks for sessions.
const ClosedFor = 48 * time.Hour

// maxAlerted bounds the alerts that are remembered, at some 150 bytes each. When
// there are more, those go of which nothing was said for longest, closed ones first.
const maxAlerted = 100_000

// Learn takes one revision of an alert, in the order in which they were written.
func (a *Alerted) Learn(alert *schema.Alert) {
	last := schema.TimeOf(alert.LastSeen)
	known := a.alerts[alert.ID]
	if !alert.Source.IsValid() || known != nil && alert.Revision < known.revision {
		return // written again by a detector that took over
	}
	if known == nil {
		known = a.remember(alert)
	}
	known.revision, known.closed, known.last = alert.Revision, alert.State == schema.Close, last
	if a.now = max(a.now, last); a.now.Sub(a.swept) > time.Hour {
		a.swept = a.now
		open, closed := a.now.Add(-AlertedFor), a.now.Add(-ClosedFor)
		a.forget(func(k *learned) bool { return k.last < open || k.closed && k.last < closed })
	}
}

func (a *Alerted) remember(alert *schema.Alert) *learned {
	if a.alerts == nil {
		a.alerts, a.sources.keys = map[string]*learned{}, map[uint64]uint32{}
	}
	if len(a.alerts) >= maxAlerted {
		a.makeRoom()
	}
	key := keyOf(alert.Source)
	if alert.Prefix == 64 {
		key = netKeyOf(alert.Source)
	}
	known := &learned{key: key}
	a.alerts[alert.ID] = known
	a.sources.keys[key]++
	a.changed = true
	return known
}

func (a *Alerted) forget(which func(*learned) bool) {
	for id, k := range a.alerts {
		if !which(k) {
			continue
		}
		delete(a.alerts, id)
		if a.sources.keys[k.key]--; a.sources.keys[k.key] == 0 {
			delete(a.sources.keys, k.key)
		}
		a.changed = true
	}
}

// makeRoom forgets a sixteenth: those of which nothing was said for longest, of the
// closed ones while these are enough.
func (a *Alerted) makeRoom() {
	var closed, all []schema.Time
	for _, k := range a.alerts {
		if all = append(all, k.last); k.closed {
			closed = append(closed, k.last)
		}
	}
	n := len(all) / 16
	onlyClosed := len(closed) > n
	if onlyClosed {
		all = closed
	}
	slices.Sort(all)
	a.forget(func(k *learned) bool { return k.last <= all[n] && (k.closed || !onlyClosed) })
}

// Changed reports whether Sources would say something else than it did last.
func (a *Alerted) Changed() bool { return a.changed }

// Sources returns the sources that have an alert now, nil if there are none.
// It never changes, and may be handed to other goroutines.
func (a *Alerted) Sources() *Sources {
	a.changed = false
	if len(a.sources.keys) == 0 {
		return nil
	}
	return &Sources{maps.Clone(a.sources.keys)}
}

// Sources are addresses and IPv6 /64s. A nil one has none.
type Sources struct {
	keys map[uint64]uint32 // see keyOf and netKeyOf: the number of alerts
}

// Len is how many there are.
func (s *Sources) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

func (s *Sources) has(a netip.Addr) bool {
	key := keyOf(a)
	if s.keys[key] > 0 {
		return true
	}
	if key&keyV6 == 0 {
		return false
	}
	net, err := a.WithZone("").Prefix(64)
	return err == nil && s.keys[netKeyOf(net.Addr())] > 0
}

// Copies appends to `to` a copy of each of the oriented flows that is a session
// which somebody opened to one of the sources.
func (s *Sources) Copies(to, flows []schema.Flow) []schema.Flow {
	if s.Len() == 0 {
		return to
	}
	for i := range flows {
		if f := &flows[i]; opensSession(f) && s.has(f.Dst.Addr) {
			to = append(to, *f)
			to[len(to)-1].Hints |= schema.HintCopy
		}
	}
	return to
}

// opensSession reports whether f is a session over TCP or SCTP in which either
// side sent data, unless its destination asked for it (as a client of FTP does).
func opensSession(f *schema.Flow) bool {
	return (f.Proto == schema.TCP || f.Proto == schema.SCTP) &&
		f.Hints&(schema.HintCopy|schema.HintServerCall) == 0 &&
		((f.Src.TCPFlags|f.Dst.TCPFlags)&schema.PSH != 0 || max(f.Src.Packets, f.Dst.Packets) > handshake) &&
		outcomeOf(f, false)&answered != 0
}

// Replay is a Detector that all partitions are one for, and that makes the copies
// itself: what a replay needs to say what the programs would.
type Replay struct {
	*Detector
	alerted Alerted
	copies  []schema.Flow
	alerts  []schema.Alert
}

// Observe is that of Detector. The alerts that it says of flows come before those
// of the copies of the same flows.
func (a *Replay) Observe(flows []schema.Flow, offset int64) []schema.Alert {
	alerts := a.say(a.Detector.Observe(flows, offset))
	if a.copies = a.alerted.sources.Copies(a.copies[:0], flows); len(a.copies) == 0 {
		return alerts
	}
	a.alerts = append(a.alerts[:0], alerts...)
	return append(a.alerts, a.say(a.Detector.Observe(a.copies, offset))...)
}

func (a *Replay) say(alerts []schema.Alert) []schema.Alert {
	for i := range alerts {
		a.alerted.Learn(&alerts[i])
	}
	return alerts
}
