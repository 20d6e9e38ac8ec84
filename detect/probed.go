package detect

import (
	"cmp"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/bits16"
	"github.com/scanhound/scanhound/schema"
)

// Beyond maxContacts the sets hold a sample of what a source has probed. Its
// footprint has every address of two /16s, but not which of them failed: who talks
// with each host at the first contact, to read its banner, has not got in there.

// failures are the addresses of a track on which a probe has failed for certain:
// those within the fine maps of the track's footprint. There is no time in a map,
// so the latest are also remembered with theirs: two exporters tell of one
// conversation in any order, and one that samples may have seen a lone SYN of it.
type failures struct {
	fine   [maxFine]bits16.Set // as those of the footprint
	latest []failure           // a ring
	next   int                 // the oldest, once there are latestFailures
}

type failure struct {
	addr uint32
	ms   uint32 // Unix time, in 1/1000 s, as far as 32 bits have it
}

// latestFailures is as many as take what a map does.
const latestFailures = 1024

func milliseconds(t schema.Time) uint32 { return uint32(uint64(t) / 1e6) }

// fail notes that a probe of a port has failed at t.
func (s *sketches) fail(c contact, t schema.Time) {
	if s.footprint == nil || !s.footprint.v4 || c.marks.class().track() != trackPorts {
		return
	}
	at := s.footprint.fineOf(c.addr())
	if at < 0 || s.failures.fine[at].Has(uint16(c.addr())) {
		return
	}
	s.failures.fine[at].Add(uint16(c.addr()))
	l := failure{c.addr(), milliseconds(t)}
	if len(s.failures.latest) < latestFailures {
		s.failures.latest = append(s.failures.latest, l)
		return
	}
	s.failures.latest[s.failures.next] = l
	s.failures.next = (s.failures.next + 1) % latestFailures
}

// failed reports whether a probe of the host has failed before t.
func (s *sketches) failed(host uint32, t schema.Time) bool {
	if s.footprint == nil {
		return false
	}
	at := s.footprint.fineOf(host)
	if at < 0 || !s.failures.fine[at].Has(uint16(host)) {
		return false
	}
	for _, l := range s.failures.latest {
		if l.addr == host {
			return int32(milliseconds(t)-l.ms) > 0
		}
	}
	return true
}

func (f *failures) bytes() uint64 {
	n := uint64(cap(f.latest)) * 8
	for i := range f.fine {
		n += f.fine[i].Bytes()
	}
	return n
}

// fineOf is the place of the fine map that holds an address, or -1.
func (f *footprint) fineOf(a uint32) int {
	return slices.IndexFunc(f.fine, func(m addressMap) bool { return m.base == a>>16 })
}

// holds reports whether an IPv4 address was touched, if it is sure.
func (f *footprint) holds(a uint32) (is, sure bool) {
	if f == nil || f.partial {
		return false, false
	}
	if at := f.fineOf(a); at >= 0 {
		return f.fine[at].numbers.Has(uint16(a)), true
	}
	if f.coarse == nil {
		return false, true
	}
	m := f.coarse
	return false, m.length == 8 && m.base != a>>24 || !m.numbers.Has(uint16(a>>(16-m.length)))
}

// mapped reports whether an IPv4 address is a target of a large scan, if it is
// sure: that of the track has no hosts that answered, and the scan's none that
// it is not about.
func (sc *scan) mapped(a uint32) (is, sure bool) {
	k := sc.suspect.sketch[sc.track]
	if k == nil {
		return false, false
	}
	is, sure = k.footprint.holds(a)
	if is && !sc.scope.all {
		if own, sure := sc.footprint.holds(a); sure {
			return own, true
		}
	}
	return is, sure
}

// probed is which hosts a scan of ports has probed, told without the sets: all of
// them, or those of a sample and all of the two /16s that have maps.
type probedHosts struct {
	failed  []attempt // by host, each once
	touched []attempt // they answered, and nothing was said
	maps    []probedMap
	around  []uint32 // networks, ascending, most of whose hosts are targets, as far as a sample tells
	bits    int      // of an address within one of these
}

// attempt is a host and when it was probed: the first time that it failed, or the
// last that it answered.
type attempt struct {
	host uint32
	at   uint32 // Unix time
}

// probedMap has the hosts of a /16.
type probedMap struct {
	base            uint32
	failed, touched bits16.Set
}

// probedBy is what a scan has probed; what earlier alerts reported is theirs.
func (l *ledger) probedBy(sc *scan) (p probedHosts) {
	if sc.track != trackPorts {
		return p
	}
	acc := l.accounts.at(sc.suspect.account)
	end := l.units.stamp(sc.last)
	old := func(c contact) bool { return !c.stamp().after(end, l.now) && c.stamp().age(end) > l.units.window }
	for _, set := range []*set{&acc.failed, &acc.other} {
		for _, c := range set.all(&l.slab) {
			if c.marks&(markReported|markAnswered) != 0 || !sc.covers(c) || old(c) {
				continue
			}
			a := attempt{c.addr(), uint32(l.units.timeOf(c.stamp(), max(sc.last, l.clock.now)).Seconds())}
			if c.marks.isProbe() {
				p.failed = append(p.failed, a)
			} else if !l.wasExcepted(sc, c) {
				p.touched = append(p.touched, a)
			}
		}
	}
	p.failed, p.touched = inOrder(p.failed), inOrder(p.touched)
	if acc.failed.level > 0 && sc.suspect.isV4() {
		p.fromMaps(sc)
		p.fromSample(l.networksOf(acc, sc))
	}
	return p
}

// inOrder keeps the first attempt at each host.
func inOrder(list []attempt) []attempt {
	slices.SortFunc(list, func(a, b attempt) int { return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.at, b.at)) })
	return slices.Clip(slices.CompactFunc(list, func(a, b attempt) bool { return a.host == b.host }))
}

// wasExcepted reports whether an exception covers what the scan did to c.
func (p *policy) wasExcepted(sc *scan, c contact) bool {
	f := schema.Flow{}
	f.Src.Addr, f.Dst.Addr = sc.suspect.target(c), sc.suspect.addr
	if e := sc.evidence().exporters; len(e) > 0 {
		f.Exporter.Addr = e[0]
	}
	return len(p.exceptions) > 0 && p.mayProbe(&f, sc.last, c)
}

// fromMaps takes the hosts of the two /16s that the track has maps of.
func (p *probedHosts) fromMaps(sc *scan) {
	k := sc.suspect.sketch[sc.track]
	if k == nil || k.footprint == nil || k.footprint.partial {
		return
	}
	for i := range k.footprint.fine {
		m := probedMap{base: k.footprint.fine[i].base}
		for n := range k.footprint.fine[i].numbers.Each {
			switch is, _ := sc.mapped(m.base<<16 | uint32(n)); {
			case !is:
			case k.failures.fine[i].Has(n):
				m.failed.Add(n)
			default:
				m.touched.Add(n)
			}
		}
		p.maps = append(p.maps, m)
	}
}

// fromSample takes the networks most of whose hosts are targets.
func (p *probedHosts) fromSample(n networks) {
	p.bits = n.bits
	for net, held := range n.of {
		if n.most(held) {
			p.around = append(p.around, net)
		}
	}
	slices.Sort(p.around)
}

// failedAt returns when the host had failed, at the latest; false if it had not.
// What has no time of its own is of the scan's last contact.
func (p *probedHosts) failedAt(host uint32, last schema.Time) (schema.Time, bool) {
	if at, is := find(p.failed, host); is {
		return at, true
	}
	m := p.mapOf(host)
	return last, m != nil && m.failed.Has(uint16(host))
}

// anyOf returns when the host had been probed, at the latest, however it answered.
func (p *probedHosts) probedAt(host uint32, last schema.Time) (schema.Time, bool) {
	if at, is := p.failedAt(host, last); is {
		return at, true
	}
	if at, is := find(p.touched, host); is {
		return at, true
	}
	if m := p.mapOf(host); m != nil {
		return last, m.touched.Has(uint16(host))
	}
	_, is := slices.BinarySearch(p.around, uint32(uint64(host)>>p.bits))
	return last, is
}

func find(list []attempt, host uint32) (schema.Time, bool) {
	at, is := slices.BinarySearchFunc(list, host, func(a attempt, host uint32) int { return cmp.Compare(a.host, host) })
	if !is {
		return 0, false
	}
	return schema.Time(list[at].at) * 1e9, true
}

func (p *probedHosts) mapOf(host uint32) *probedMap {
	if at := slices.IndexFunc(p.maps, func(m probedMap) bool { return m.base == host>>16 }); at >= 0 {
		return &p.maps[at]
	}
	return nil
}

func (p *probedHosts) bytes() uint64 {
	n := uint64(cap(p.failed)+cap(p.touched))*8 + uint64(cap(p.around))*4
	for i := range p.maps {
		n += p.maps[i].failed.Bytes() + p.maps[i].touched.Bytes()
	}
	return n
}
