package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// A fast scan closes after an hour of quiet, and who found an open door at three
// may come back at five. So what a scan had probed is remembered beside its source
// for as long as the window reaches, and a session with one of these hosts, in
// either direction, is told of by the alert that the scan had: it is updated, and
// closes again.

// past is a scan of ports that has closed.
type past struct {
	suspect     *suspect
	scope       scope
	first, last schema.Time // of the scan's contacts
	probed      probed
	alert       schema.Alert // as told last, without what takes much room

	pause time.Duration // that it may make, told again, before it closes again
	again bool          // it is told of again
	nth   uint64        // of those that the partition opened, or told of again
	heard schema.Time   // the latest session with one of its targets, since
}

const (
	maxPast  = 4    // scans of a source; more make the one go that closed first
	pastSize = 1600 // bytes, roughly, beside the targets

	pastTargets  = 10 // told again, of a scan that has closed
	pastPorts    = 5
	pastNetworks = 3
)

// keepPast remembers a scan that has closed: what it was about, and the alert that
// was said last. A source that has been told of again keeps those that were.
func (d *Detector) keepPast(sc *scan, p probed) {
	s := sc.suspect
	if sc.track != trackPorts || d.clock.now.Sub(sc.last) > d.cfg.Window {
		return
	}
	d.forgetPast(s)
	if len(s.past) >= maxPast {
		first := slices.IndexFunc(s.past, func(p *past) bool { return !p.again })
		if first < 0 {
			return
		}
		s.past = slices.Delete(s.past, first, first+1)
	}
	was := &past{
		suspect: s, scope: sc.scope.clone(), first: sc.first, last: sc.last, probed: p, pause: sc.closeAfter(),
		alert: small(&d.alerts[len(d.alerts)-1]),
	}
	s.past = append(s.past, was)
	d.sketched += was.bytes()
}

// small is a copy of an alert without what takes much room. Its slices are its own.
func small(a *schema.Alert) schema.Alert {
	c := *a
	c.Footprint, c.Flags, c.HostsSketch = nil, nil, nil
	c.Targets = slices.Clone(a.Targets[:min(len(a.Targets), pastTargets)])
	c.TopPorts = slices.Clone(a.TopPorts[:min(len(a.TopPorts), pastPorts)])
	c.Coverage.Top = slices.Clone(a.Coverage.Top[:min(len(a.Coverage.Top), pastNetworks)])
	return c
}

func (p *past) bytes() uint64 {
	return pastSize + p.probed.bytes() + uint64(len(p.scope.hosts)*4+len(p.scope.ports)*4)
}

// within reports whether the window still reaches the scan.
func (d *Detector) within(p *past) bool { return d.clock.now.Sub(p.last) <= d.cfg.Window }

// forgetPast drops what the window does not reach any more. When that happens is
// nobody's business: whoever asks looks at the time.
func (d *Detector) forgetPast(s *suspect) {
	s.past = slices.DeleteFunc(s.past, func(p *past) bool { return !p.again && !d.within(p) })
}

// alerted reports whether the suspect has an alert that must be closed.
func (s *suspect) alerted() bool {
	return len(s.scans) > 0 || slices.ContainsFunc(s.past, func(p *past) bool { return p.again })
}

// later tells of a session after the close: by the latest scan that had probed the
// host, each endpoint once.
func (d *Detector) later(s *suspect, e schema.Endpoint, t schema.Time, offset int64, is func(*past) bool) {
	for _, p := range slices.Backward(s.past) {
		if t < p.first || !d.within(p) || !is(p) {
			continue
		}
		if p.again {
			p.heard = max(p.heard, t)
		}
		if len(p.alert.Answered) >= maxKnown || slices.Contains(p.alert.Answered, e) {
			return
		}
		p.alert.Answered = append(p.alert.Answered, e)
		p.alert.Severity = schema.Critical
		p.alert.Origin.LastOffset = offset
		if at := t.Std(); at.After(p.alert.LastSeen) {
			p.alert.LastSeen = at
		}
		if !p.again {
			p.again, p.heard, p.nth = true, t, d.opened
			d.opened++
			d.reopened = append(d.reopened, p)
			d.stats.Reopened++
		}
		reason := reasonSession(&e)
		if e.Back {
			reason = reasonBack(&e)
		}
		d.sayPast(p, schema.Update, reason+", after the scan had closed")
		return
	}
}

// sayPast appends the next revision of a scan that had closed to what Observe returns.
func (d *Detector) sayPast(p *past, state schema.State, reason string) {
	p.alert.Revision++
	p.alert.State, p.alert.Reason, p.alert.Internal = state, reason, p.suspect.internal
	d.stats.Revisions++
	d.alerts = append(d.alerts, p.alert)
}

// duePast closes again what has been quiet for long enough.
func (d *Detector) duePast(now schema.Time) {
	var closing []*past
	for _, p := range d.reopened {
		if now.Sub(p.heard) >= p.pause {
			closing = append(closing, p)
		}
	}
	for _, p := range closing {
		d.closePast(p, reasonQuiet(p.pause))
	}
}

func (d *Detector) closePast(p *past, reason string) {
	d.sayPast(p, schema.Close, reason)
	d.stats.Closed++
	p.again = false
	d.reopened = slices.DeleteFunc(d.reopened, func(o *past) bool { return o == p })
}

// answers reports whether f may be the answer to the scan, where its orientation
// is a guess: the sets may have nothing of the scan any more.
func (p *past) answers(f *schema.Flow) bool {
	switch f.Orientation {
	case schema.OrientExporter, schema.OrientFlags:
		return false
	}
	if len(p.scope.hosts) == 0 && !p.scope.all {
		return slices.Contains(p.scope.ports, portKey{f.Src.Port, classOf(f.Proto)})
	}
	return f.Src.Port < firstEphemeral
}
