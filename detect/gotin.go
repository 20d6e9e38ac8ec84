package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// calledBy handles the copy of a session that f.Src opened to f.Dst: if that scans
// and has probed f.Src, the scanner got in. A copy is no contact of anybody.
func (d *Detector) calledBy(f *schema.Flow, t schema.Time, offset int64) {
	key := keyOf(f.Dst.Addr)
	d.gotIn(key, f, t, offset)
	if key&keyV6 == 0 {
		return
	}
	if net, err := f.Dst.Addr.WithZone("").Prefix(64); err == nil {
		d.gotIn(netKeyOf(net.Addr()), f, t, offset)
	}
}

func (d *Detector) gotIn(key uint64, f *schema.Flow, t schema.Time, offset int64) {
	slot := d.table.find(key)
	if slot == nil || slot.bits&slotRecord == 0 {
		return
	}
	rec := d.records.at(uint32(slot.word))
	s := d.suspectOf(rec)
	if s == nil || len(s.scans)+len(s.past) == 0 || d.answers(f, rec) {
		return
	}
	e := schema.Endpoint{Addr: f.Src.Addr.Unmap(), Port: f.Dst.Port, Proto: schema.ProtoName(f.Proto), Back: true}
	probed := false
	for _, sc := range s.scans {
		// A session that is older than the scan is not its fruit.
		if t < sc.first || !d.hasProbed(f, t, rec, sc) {
			continue
		}
		probed = true
		if len(sc.sessions) >= maxKnown || slices.Contains(sc.sessions, e) {
			continue
		}
		sc.sessions = append(sc.sessions, e)
		sc.evidence().lastOffset = offset
		d.say(sc, schema.Update, reasonBack(&e))
	}
	if !probed && begins(f, false) {
		d.later(s, e, t, offset, func(p *past) bool {
			at, is := p.probed.anyOf(short(f.Src.Addr), p.last)
			return is && at <= t && !p.answers(f)
		})
	}
}

// answers reports whether f may be the answering half of a session that the
// scanner opened: its own half tells of that.
func (d *Detector) answers(f *schema.Flow, rec *record) bool {
	switch f.Orientation {
	case schema.OrientExporter, schema.OrientFlags:
		return false
	case schema.OrientNone:
		if f.Src.Port <= f.Dst.Port {
			return true
		}
	default: // by start times, or by a port: both can be wrong
		if f.Dst.Port < firstEphemeral {
			return false
		}
	}
	is := func(c contact) bool { return c.port() == f.Src.Port && c.marks.class() == classOf(f.Proto) }
	return d.anyOf(&rec.failed, f.Src.Addr, is) || d.anyOf(&rec.other, f.Src.Addr, is)
}

// hasProbed reports whether f.Src is a target of the scan: one that failed, or of
// which a port that is scanned answered and nothing was said. Of a large scan the
// sets know a sample; there the maps tell, or else it is enough that most hosts
// around f.Src are targets.
func (d *Detector) hasProbed(f *schema.Flow, t schema.Time, rec *record, sc *scan) bool {
	if d.anyOf(&rec.failed, f.Src.Addr, sc.covers) || d.anyOf(&rec.other, f.Src.Addr, func(c contact) bool {
		return c.marks&markAnswered == 0 && sc.covers(c) && !d.mayProbe(f, t, c)
	}) {
		return true
	}
	if rec.failed.level == 0 || !sc.suspect.isV4() {
		return false
	}
	if is, sure := sc.mapped(short(f.Src.Addr)); sure {
		return is
	}
	n := d.networksOf(rec, sc)
	return n.most(n.of[short(f.Src.Addr)>>n.bits])
}

// networks are those around the targets of which a sample holds some.
type networks struct {
	bits  int            // of an address within one
	of    map[uint32]int // contacts, by network
	level uint8
	ports int
}

// networksOf counts the sampled contacts of a scan by network: /24s, or larger ones
// of which the sample would hold 8 hosts if all were targets.
func (d *Detector) networksOf(rec *record, sc *scan) networks {
	level := rec.failed.level
	n := networks{bits: min(max(8, int(level)+3), 32), of: map[uint32]int{}, level: level}
	ports := map[portKey]bool{} // of a host, each port has its own place in the sample
	for _, c := range rec.failed.all(&d.slab) {
		if c.stamp().age(d.now) <= d.units.window && sc.covers(c) {
			ports[c.portKey()] = true
			n.of[uint32(uint64(c.addr())>>n.bits)]++
		}
	}
	n.ports = len(ports)
	return n
}

// most reports whether, as far as the sample tells, at least half of the hosts of
// a network with so many sampled contacts are targets.
func (n *networks) most(held int) bool {
	return held > 0 && uint64(held)<<n.level >= uint64(n.ports)<<(n.bits-1)
}

// mayProbe reports whether an exception covers what f.Dst did to the contact c.
func (d *Detector) mayProbe(f *schema.Flow, t schema.Time, c contact) bool {
	probe := schema.Flow{Exporter: f.Exporter, Src: f.Dst, Dst: f.Src, Proto: c.marks.class().proto(c.port())}
	probe.Dst.Port = c.port()
	return slices.ContainsFunc(d.exceptions, func(e Exception) bool { return e.covers(&probe, t) })
}

// anyOf reports whether a contact with host a, within the window, is one of those.
func (d *Detector) anyOf(s *set, a netip.Addr, is func(contact) bool) bool {
	host := short(a)
	for _, c := range s.all(&d.slab) {
		if c.addr() == host && c.stamp().age(d.now) <= d.units.window && is(c) {
			return true
		}
	}
	return false
}
