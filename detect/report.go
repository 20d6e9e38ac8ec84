package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/schema"
)

// measured is what a scan has touched over the window that ends with its last
// contact: what closes it may come much later. What it points to is scratch, until
// the next measuring.
type measured struct {
	scale    schema.Scale
	shape    shape
	contacts []contact // of the scan, or of a sample of it, in no order
	outline  *outline  // of these
	hosts    []uint32  // of these, by time; only when an alert is said
	weight   uint64

	everything uint64 // contacts that the sketches have, in scope or not
	outside    uint64 // those that are not
}

// measure counts. It takes a pass over the track's sets, and some 20 us for each
// count that is an estimate.
func (l *ledger) measure(sc *scan) measured {
	m := l.gather(sc)
	m.shape = m.outline.shape()
	m.count(sc, sliding.Window{Now: paneOf(l.units.stamp(sc.last)), Panes: l.panes.Panes}, sc.last.Add(-l.cfg.Window))
	m.scale.Scaled = l.network.scaledOf(sc.evidence())
	return m
}

// gather takes what the sets hold of the scan.
func (l *ledger) gather(sc *scan) measured {
	acc := l.accounts.at(sc.suspect.account)
	end := l.units.stamp(sc.last)
	l.scratch.outline.reset()
	m := measured{contacts: l.scratch.contacts[:0], outline: l.scratch.outline, weight: acc.failed.weight()}
	for _, set := range []*set{&acc.failed, &acc.other} {
		if set == &acc.other && set.level != acc.failed.level {
			continue // samples of different depth do not add up; the sketches have it
		}
		for _, c := range set.all(&l.slab) {
			if c.marks&markReported != 0 || c.marks.class().track() != sc.track || !c.stamp().after(end, l.now) && c.stamp().age(end) > l.units.window {
				continue
			}
			counted := c.marks&markAnswered == 0
			if counted {
				m.everything++
			}
			switch {
			case sc.scope.has(c) && sc.scope.isTarget(c):
				m.contacts = append(m.contacts, c)
				m.outline.add(c)
			case counted:
				m.outside++
			}
		}
	}
	if k := sc.suspect.sketch[sc.track]; k != nil {
		m.everything += k.reportedPairs / m.weight
		m.outside += k.reportedPairs / m.weight
	}
	l.scratch.contacts = m.contacts
	return m
}

// count fills in the scale: from the sets where they are complete, else from the
// footprint as far as it tells, else from the sketches, in proportion to the share
// of the sample that is in scope. The window begins at since and ends with w.
func (m *measured) count(sc *scan, w sliding.Window, since schema.Time) {
	e, sketch := sc.evidence(), sc.suspect.sketch[sc.track]
	m.scale = schema.Scale{Flows: e.flows, Packets: e.packets, Scaled: e.scaled, Bytes: e.bytes}
	n := &m.scale
	if sketch == nil || m.weight == 1 && !sketch.beyond {
		n.Pairs = schema.Count{Count: m.shape.pairs, Exact: true}
		n.Hosts = schema.Count{Count: m.shape.hosts, Exact: true}
		n.Ports = schema.Count{Count: m.shape.ports, Exact: true}
	} else {
		n.Hosts, n.Ports, n.Pairs = sc.footprint.counts(since)
		share := float64(m.shape.pairs) / float64(max(m.everything, 1))
		if !n.Pairs.Exact {
			n.Pairs = scaled(countOf(sketch.counted(), &w), share)
			n.Pairs.Count = max(n.Pairs.Count, n.Hosts.Count, n.Ports.Count)
		}
		if !n.Hosts.Exact {
			n.Hosts = within(countOf(&sketch.hosts, &w), share, m.shape.hosts, n.Pairs)
		}
		if !n.Ports.Exact {
			n.Ports = within(countOf(&sketch.ports, &w), share, m.shape.ports, n.Pairs)
		}
		if share < nearlyAll {
			m.agree()
		}
		m.shape.pairs, m.shape.hosts, m.shape.ports = n.Pairs.Count, n.Hosts.Count, n.Ports.Count
	}
	if sc.track != trackPorts {
		n.Ports = schema.Count{Exact: true}
	}
	m.wholeLife(sc)
}

// agree raises the estimate of ports or hosts, whichever the sample holds more of,
// to what the pairs need: one host cannot have 170 pairs on 26 ports. Of the other,
// with more pairs each, the sample misses less.
func (m *measured) agree() {
	less, more := &m.scale.Hosts, &m.scale.Ports
	if m.shape.hosts > m.shape.ports {
		less, more = more, less
	}
	of, n := m.scale.Pairs, max(less.Count, 1)
	if each := (of.Count + n - 1) / n; more.Count < each && !more.Exact {
		*more = schema.Count{Count: each, Stderr: math.Ceil(of.Stderr / float64(n))}
	}
}

// fewTargets are all seen even by a sample of a large scan.
const fewTargets = 16

// nearlyAll: so much of the sample is in scope that the whole counts.
const nearlyAll = 0.98

func scaled(c schema.Count, share float64) schema.Count {
	if share >= nearlyAll {
		return c
	}
	n := float64(c.Count) * share
	return schema.Count{Count: uint64(math.Round(n)), Stderr: math.Ceil(n * 0.05)}
}

// within is the count of hosts or ports of a part: what the sample holds where
// that is few, since few are all seen; else in proportion.
func within(c schema.Count, share float64, seen uint64, pairs schema.Count) schema.Count {
	if share >= nearlyAll {
		return c
	}
	if seen <= fewTargets {
		return schema.Count{Count: seen}
	}
	part := scaled(c, share)
	part.Count = min(max(part.Count, seen), pairs.Count)
	return part
}

// kind is the scan's shape, or where it has none what its rule looks for.
func (m *measured) kind(sc *scan) schema.Kind {
	switch sc.track {
	case trackEchoes:
		return schema.Sweep
	case trackProtocols:
		return schema.Protocols
	}
	if k := m.shape.kind(); k != schema.Mixed {
		return k
	}
	if sc.scope.all {
		return schema.Mixed
	}
	return ruleKinds[sc.crossing.rule]
}

// say measures a scan and tells its next revision.
func (d *docket) say(sc *scan, state schema.State, reason string) {
	m := d.measure(sc)
	d.tell(sc, &m, state, reason)
}

// tell appends the next revision of sc, as measured just now, to what Observe returns.
func (d *docket) tell(sc *scan, m *measured, state schema.State, reason string) {
	d.byTime(m.contacts)
	m.hosts = d.hostsOf(sc.suspect, m.contacts)
	e, x := sc.evidence(), &sc.crossing
	sc.revision++
	if state == schema.Open {
		d.extend(sc, m)
	}
	window := schema.Duration(cmp.Or(horizons[x.horizon], d.cfg.Window))
	a := schema.Alert{
		ID: sc.id, Revision: sc.revision, State: state, Reason: reason, Kind: m.kind(sc),
		Source: sc.suspect.addr, Internal: sc.suspect.internal, Tenant: d.cfg.Tenant,
		FirstSeen: d.beginning(sc).Std(), LastSeen: sc.last.Std(),
		Verdict: schema.Verdict{
			Rule: x.name(), Window: window, Threshold: uint32(x.threshold),
			Confidence: e.confidence(), Orientation: e.orientation().String(),
		},
		Scale:    m.scale,
		Evidence: d.shown(sc, m, state),
		Origin:   schema.Origin{FirstOffset: e.firstOffset, LastOffset: e.lastOffset},
	}
	if sc.suspect.net {
		a.Prefix = 64
	}
	a.Touched = d.touched(sc, m)
	a.Severity = sc.said.severity.OrMore(d.severity(sc, m, a.Confidence).Step(d.assetSteps(sc)))
	a.MITRE = d.technique(sc)
	sc.said = said{
		at: d.clock.now, pairs: m.scale.Pairs.Count, seen: sc.seen, jumpAt: sc.seen + (jump-1)*m.scale.Pairs.Count,
		kind: a.Kind, severity: a.Severity, exporters: len(e.exporters),
	}
	sc.said.refreshAt = sc.refreshAfter()
	d.stats.Revisions++
	a.Enclose(d.clock.now.Std())
	d.alerts = append(d.alerts, a)
}

// shown is the evidence that a revision tells.
func (d *docket) shown(sc *scan, m *measured, state schema.State) schema.Evidence {
	e, f := sc.evidence(), d.footprintOf(sc, m)
	targets := m.targets(sc, len(e.exporters)) // one piece of memory for both
	n := len(targets)
	exporters := e.exporters[:0:0]
	if len(e.exporters) > 0 {
		exporters = append(targets[n:], e.exporters...)
	}
	shown := schema.Evidence{
		Targets: targets[:n:n], TopPorts: m.outline.topPorts(m.scale.Pairs.Count, m.scale.Hosts.Count), SourcePorts: e.commonPorts(),
		Footprint: d.footprintToSchema(f, sc.suspect), Coverage: d.coverage(sc, m, f),
		Outcomes: e.outcomeCounts(), Flags: e.flags.counts(), Peak: e.pace.peak,
		Exporters: exporters, Answered: slices.Clone(sc.sessions),
	}
	if e.sampling > 1 {
		shown.Sampling = e.sampling
		shown.TargetsEstimate = targetsOf(sc, m)
	}
	if state == schema.Close && !m.scale.Hosts.Exact {
		shown.HostsSketch = d.hostsSketch(sc)
	}
	return shown
}

func reasonCrossed(x *crossing) string {
	switch {
	case x.sequential:
		return reasonSequential(x)
	case x.fanOut:
		return fmt.Sprintf("%d new targets were reached within %s and told nothing: the %s threshold is %d", x.count, schema.Duration(horizons[x.horizon]), x.name(), x.threshold)
	}
	window := "the window"
	if h := horizons[x.horizon]; h > 0 {
		window = schema.Duration(h).String()
	}
	return fmt.Sprintf("%d failed targets within %s reach the %s threshold of %d", x.count, window, x.reasonName(), x.threshold)
}

func reasonGrown(from, to uint64) string { return fmt.Sprintf("grown from %d to %d pairs", from, to) }

var reasonSettled = "totals, quiet for " + schema.Duration(settleAfter).String()

func reasonQuiet(d time.Duration) string { return "quiet for " + schema.Duration(d).String() }

func reasonSession(e *schema.Endpoint) string {
	return fmt.Sprintf("got in: a session with %s %s/%d, which it had probed", e.Addr, e.Proto, e.Port)
}

func reasonConnectBack(e *schema.Endpoint) string {
	return fmt.Sprintf("got in: %s opened a session to its scanner on %s/%d", e.Addr, e.Proto, e.Port)
}
