package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// A fast scan closes after an hour of quiet, and who found an open door at three
// may come back at five. So what a scan had probed is remembered beside its source
// for as long as the window reaches, and a session with one of these hosts, in
// either direction, is reported by the alert that the scan had: it is updated, and
// closes again.

// closedScan is a scan of ports that has closed.
type closedScan struct {
	suspect     *suspect
	scope       scope
	first, last schema.Time // of the scan's contacts
	probed      probedHosts
	alert       schema.Alert // as said last, without what takes much room

	pause       time.Duration // that it may make, once reopened, before it closes again
	reopened    bool          // it is open again
	nth         uint64        // of those that the partition opened, or opened again
	lastSession schema.Time   // the latest session with one of its targets, since

	scan     *scan // what goes on if the scanner comes back; nil: of an older state
	evidence evidence
	kept     kept
}

const (
	maxClosed  = 4    // scans of a source; more make the one go that closed first
	closedSize = 2400 // bytes, roughly, beside the targets

	closedTargets  = 10 // said again, of a scan that has closed
	closedPorts    = 5
	closedNetworks = 3
)

// keepClosed remembers a scan that has closed: what it was about, and the alert that
// was said last. A source keeps those that were reopened.
func (d *docket) keepClosed(sc *scan, p probedHosts, k kept, e *evidence) {
	s := sc.suspect
	if sc.track != trackPorts || d.clock.now.Sub(sc.last) > d.cfg.Window {
		return
	}
	d.forgetClosed(s)
	if len(s.closedScans) >= maxClosed {
		first := slices.IndexFunc(s.closedScans, func(p *closedScan) bool { return !p.reopened })
		if first < 0 {
			return
		}
		s.closedScans = slices.Delete(s.closedScans, first, first+1)
	}
	was := &closedScan{
		suspect: s, scope: sc.scope.clone(), first: sc.first, last: sc.last, probed: p, pause: sc.closeAfter(),
		alert: small(&d.alerts[len(d.alerts)-1]), scan: sc, evidence: *e, kept: k,
	}
	s.closedScans = append(s.closedScans, was)
	d.sketched += was.bytes()
}

// small is a copy of an alert without what takes much room. Its slices are its own.
func small(a *schema.Alert) schema.Alert {
	c := *a
	c.Footprint, c.Flags, c.HostsSketch = nil, nil, nil
	c.Tactics = nil // made anew
	c.Targets = slices.Clone(a.Targets[:min(len(a.Targets), closedTargets)])
	c.TopPorts = slices.Clone(a.TopPorts[:min(len(a.TopPorts), closedPorts)])
	c.Coverage.Top = slices.Clone(a.Coverage.Top[:min(len(a.Coverage.Top), closedNetworks)])
	return c
}

func (p *closedScan) bytes() uint64 {
	n := closedSize + p.probed.bytes() + uint64(len(p.scope.hosts)*4+len(p.scope.ports)*4)
	if p.scan != nil {
		n += p.scan.footprint.bytes() + p.scan.life.bytes() + p.kept.bytes()
	}
	return n
}

// within reports whether the window still reaches the scan.
func (l *ledger) within(p *closedScan) bool { return l.clock.now.Sub(p.last) <= l.cfg.Window }

// forgetClosed drops what the window does not reach any more. When that happens is
// nobody's business: whoever asks looks at the time.
func (l *ledger) forgetClosed(s *suspect) {
	s.closedScans = slices.DeleteFunc(s.closedScans, func(p *closedScan) bool { return !p.reopened && !l.within(p) })
}

// alerted reports whether the suspect has an alert that must be closed.
func (s *suspect) alerted() bool {
	return len(s.scans) > 0 || slices.ContainsFunc(s.closedScans, func(p *closedScan) bool { return p.reopened })
}

// sessionAfterClose reports a session after the close: by the latest scan that had probed the
// host, each endpoint once.
func (d *docket) sessionAfterClose(s *suspect, e schema.Endpoint, t schema.Time, offset int64, is func(*closedScan) bool) {
	for _, p := range slices.Backward(s.closedScans) {
		if t < p.first || !d.within(p) || !is(p) {
			continue
		}
		if p.reopened {
			p.lastSession = max(p.lastSession, t)
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
		if !p.reopened {
			p.reopened, p.lastSession, p.nth = true, t, d.opened
			d.opened++
			d.reopened = append(d.reopened, p)
			d.stats.Reopened++
		}
		reason := reasonSession(&e)
		if e.Back {
			reason = reasonConnectBack(&e)
		}
		d.sayReopened(p, schema.Update, reason+", after the scan had closed")
		return
	}
}

// sayReopened appends the next revision of a scan that had closed to what Observe returns.
func (d *docket) sayReopened(p *closedScan, state schema.State, reason string) {
	p.alert.Revision++
	p.alert.State, p.alert.Reason, p.alert.Internal = state, reason, p.suspect.internal
	d.stats.Revisions++
	p.alert.Enclose(d.clock.now.Std())
	d.alerts = append(d.alerts, p.alert)
}

// dueReopened closes again what has been quiet for long enough.
func (d *docket) dueReopened(now schema.Time) {
	var closing []*closedScan
	for _, p := range d.reopened {
		if now.Sub(p.lastSession) >= p.pause {
			closing = append(closing, p)
		}
	}
	for _, p := range closing {
		d.closeAgain(p, reasonQuiet(p.pause))
	}
}

func (d *docket) closeAgain(p *closedScan, reason string) {
	d.sayReopened(p, schema.Close, reason)
	d.stats.Closed++
	p.reopened = false
	d.reopened = slices.DeleteFunc(d.reopened, func(o *closedScan) bool { return o == p })
}

// answers reports whether f may be the answer to the scan, where its orientation
// is a guess: the sets may have nothing of the scan any more.
func (p *closedScan) answers(f *schema.Flow) bool {
	switch f.Orientation {
	case schema.OrientExporter, schema.OrientFlags:
		return false
	}
	if len(p.scope.hosts) == 0 && !p.scope.all {
		return slices.Contains(p.scope.ports, portKey{f.Src.Port, classOf(f.Proto)})
	}
	return f.Src.Port < orient.FirstEphemeral
}
