package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// connectBack handles the copy of a session that f.Src opened to f.Dst: if that scans
// and has probed f.Src, the scanner got in. A copy is no contact of anybody.
func (d *Detector) connectBack(f *schema.Flow, t schema.Time, offset int64) {
	key := keyOf(f.Dst.Addr)
	d.gotInOf(key, f, t, offset)
	if key&keyV6 == 0 {
		return
	}
	if net, err := f.Dst.Addr.WithZone("").Prefix(64); err == nil {
		d.gotInOf(netKeyOf(net.Addr()), f, t, offset)
	}
}

// gotInOf asks both rows of a source.
func (d *Detector) gotInOf(key uint64, f *schema.Flow, t schema.Time, offset int64) {
	d.gotIn(key, f, t, offset)
	d.gotIn(sampledKey(key), f, t, offset)
}

func (d *Detector) gotIn(key uint64, f *schema.Flow, t schema.Time, offset int64) {
	slot := d.ledger.table.find(key)
	if slot == nil || slot.bits&slotAccount == 0 {
		return
	}
	acc := d.ledger.accounts.at(uint32(slot.word))
	s := d.ledger.suspectOf(acc)
	if s == nil || len(s.scans)+len(s.closedScans) == 0 || d.ledger.answers(f, acc) {
		return
	}
	e := schema.Endpoint{Addr: f.Src.Addr.Unmap(), Port: f.Dst.Port, Proto: schema.ProtoName(f.Proto), Back: true}
	probed := false
	for _, sc := range s.scans {
		// A session that is older than the scan is not its fruit.
		if t < sc.first || !d.ledger.hasProbed(f, t, acc, sc) {
			continue
		}
		probed = true
		if len(sc.sessions) >= maxKnown || slices.Contains(sc.sessions, e) {
			continue
		}
		sc.sessions = append(sc.sessions, e)
		sc.evidence().lastOffset = offset
		d.docket.say(sc, schema.Update, reasonConnectBack(&e))
	}
	if !probed && begins(f, false) {
		d.docket.sessionAfterClose(s, e, t, offset, func(p *closedScan) bool {
			at, is := p.probed.probedAt(short(f.Src.Addr), p.last)
			return is && at <= t && !p.answers(f)
		})
	}
}

// answers reports whether f may be the answering half of a session that the
// scanner opened: its own half tells of that.
func (l *ledger) answers(f *schema.Flow, acc *account) bool {
	switch f.Orientation {
	case schema.OrientExporter, schema.OrientFlags:
		return false
	case schema.OrientNone:
		if f.Src.Port <= f.Dst.Port {
			return true
		}
	default: // by start times, or by a port: both can be wrong
		if f.Dst.Port < orient.FirstEphemeral {
			return false
		}
	}
	is := func(c contact) bool { return c.port() == f.Src.Port && c.marks.class() == classOf(f.Proto) }
	return l.anyOf(&acc.failed, f.Src.Addr, is) || l.anyOf(&acc.other, f.Src.Addr, is)
}

// hasProbed reports whether f.Src is a target of the scan: one that failed, or of
// which a port that is scanned answered and nothing was said. Of a large scan the
// sets know a sample; there the maps tell, or else it is enough that most hosts
// around f.Src are targets.
func (l *ledger) hasProbed(f *schema.Flow, t schema.Time, acc *account, sc *scan) bool {
	if l.anyOf(&acc.failed, f.Src.Addr, sc.covers) || l.anyOf(&acc.other, f.Src.Addr, func(c contact) bool {
		return c.marks&markAnswered == 0 && sc.covers(c) && !l.mayProbe(f, t, c)
	}) {
		return true
	}
	if acc.failed.level == 0 || !sc.suspect.isV4() {
		return false
	}
	if is, sure := sc.mapped(short(f.Src.Addr)); sure {
		return is
	}
	n := l.networksOf(acc, sc)
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
func (l *ledger) networksOf(acc *account, sc *scan) networks {
	level := acc.failed.level
	n := networks{bits: min(max(8, int(level)+3), 32), of: map[uint32]int{}, level: level}
	ports := map[portKey]bool{} // of a host, each port has its own place in the sample
	for _, c := range acc.failed.all(&l.slab) {
		if c.stamp().age(l.now) <= l.units.window && sc.covers(c) {
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

// anyOf reports whether a contact with host a, within the window, is one of those.
func (l *ledger) anyOf(s *set, a netip.Addr, is func(contact) bool) bool {
	host := short(a)
	for _, c := range s.all(&l.slab) {
		if c.addr() == host && c.stamp().age(l.now) <= l.units.window && is(c) {
			return true
		}
	}
	return false
}
