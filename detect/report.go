package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// measured is what a scan has touched over the window that ends with its last
// contact: what closes it may come much later.
type measured struct {
	scale    schema.Scale
	shape    shape
	contacts []contact // of the scan, or of a sample of it, in no order
	outline  *outline  // of these; both are the Detector's own, until the next measuring
	weight   uint64
}

// measure counts. It takes a pass over the track's sets, and some 20 us for each
// count that is an estimate.
func (sc *scan) measure(d *Detector) measured {
	rec := d.records.at(sc.suspect.record)
	end := d.units.stamp(sc.last)
	d.outline.reset()
	m := measured{contacts: d.scratch[:0], outline: d.outline, weight: rec.failed.weight()}
	var everything uint64
	for _, set := range []*set{&rec.failed, &rec.other} {
		if set == &rec.other && set.level != rec.failed.level {
			continue // samples of different depth do not add up; the sketches have it
		}
		for _, c := range set.all(&d.slab) {
			if c.marks&markTold != 0 || c.marks.class().track() != sc.track || !c.stamp().after(end, d.now) && c.stamp().age(end) > d.units.window {
				continue
			}
			counted := c.marks&markAnswered == 0
			if counted {
				everything++
			}
			if sc.scope.has(c) && (counted || !sc.scope.all) {
				m.contacts = append(m.contacts, c)
				m.outline.add(c, c.stamp().age(d.now))
			}
		}
	}
	d.scratch = m.contacts
	m.shape = m.outline.shape()
	m.count(sc, paneWindow{now: paneOf(end), window: d.panes.window}, everything)
	return m
}

// count fills in the scale: from the sets where they are complete, else from
// the sketches, in proportion to the share of the sample that is in scope.
func (m *measured) count(sc *scan, w paneWindow, everything uint64) {
	e, sketch := sc.evidence(), sc.suspect.sketch[sc.track]
	m.scale = schema.Scale{Flows: e.flows, Packets: e.packets, Bytes: e.bytes}
	if m.weight == 1 || sketch == nil {
		m.scale.Pairs = schema.Count{Count: m.shape.pairs, Exact: true}
		m.scale.Hosts = schema.Count{Count: m.shape.hosts, Exact: true}
		m.scale.Ports = schema.Count{Count: m.shape.ports, Exact: true}
	} else {
		share := float64(m.shape.pairs) / float64(max(everything, 1))
		m.scale.Pairs = scaled(sketch.counted().count(&w, w.window), share)
		m.scale.Hosts = within(sketch.hosts.count(&w, w.window), share, m.shape.hosts, m.scale.Pairs)
		m.scale.Ports = within(sketch.ports.count(&w, w.window), share, m.shape.ports, m.scale.Pairs)
		m.shape.pairs, m.shape.hosts, m.shape.ports = m.scale.Pairs.Count, m.scale.Hosts.Count, m.scale.Ports.Count
	}
	if sc.track != trackPorts {
		m.scale.Ports = schema.Count{Exact: true}
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
	return familyKinds[sc.crossing.family]
}

// say appends the next revision of sc to what Observe returns.
func (d *Detector) say(sc *scan, state schema.State, reason string) {
	m := sc.measure(d)
	e, x := sc.evidence(), &sc.crossing
	sc.revision++
	if state == schema.Open && len(m.contacts) > 0 {
		sc.first = min(sc.first, max(d.units.timeOf(d.oldest(m.contacts), sc.last), e.first))
	}
	window := schema.Duration(cmp.Or(horizons[x.horizon], d.cfg.Window))
	a := schema.Alert{
		ID: sc.id, Revision: sc.revision, State: state, Reason: reason, Kind: m.kind(sc),
		Source: sc.suspect.addr, Internal: sc.suspect.internal,
		FirstSeen: sc.first.Std(), LastSeen: sc.last.Std(),
		Verdict: schema.Verdict{
			Rule: x.family.String(), Window: window, Threshold: uint32(x.threshold),
			Confidence: e.confidence(), Orientation: e.orientation().String(),
		},
		Scale: m.scale,
		Evidence: schema.Evidence{
			Targets: m.outline.targets(sc.suspect), TopPorts: m.outline.topPorts(m.weight), SourcePorts: e.commonPorts(),
			Outcomes: e.outcomeCounts(), Exporters: slices.Clone(e.exporters),
			Answered: slices.Clone(sc.sessions),
		},
		Origin: schema.Origin{FirstOffset: e.firstOffset, LastOffset: e.lastOffset},
	}
	if sc.suspect.net {
		a.Prefix = 64
	}
	if e.sampling > 1 {
		a.Sampling = e.sampling
	}
	a.Severity = d.severity(sc, &m, a.Confidence)
	a.MITRE = d.technique(sc)
	size := d.records.at(sc.suspect.record).size()
	sc.said = said{at: d.clock.now, pairs: m.scale.Pairs.Count, look: lookAfter(size), kind: a.Kind, exporters: len(e.exporters)}
	sc.said.again = size + (jump-1)*sc.said.pairs
	d.stats.Revisions++
	d.alerts = append(d.alerts, a)
}

func reasonCrossed(x *crossing) string {
	window := "the window"
	if h := horizons[x.horizon]; h > 0 {
		window = schema.Duration(h).String()
	}
	return fmt.Sprintf("%d failed targets within %s reach the %s threshold of %d", x.count, window, x.family, x.threshold)
}

func reasonGrown(from, to uint64) string { return fmt.Sprintf("grown from %d to %d pairs", from, to) }

func reasonSession(e *schema.Endpoint) string {
	return fmt.Sprintf("got in: a session with %s %s/%d, which it had probed", e.Addr, e.Proto, e.Port)
}
