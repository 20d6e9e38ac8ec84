package netflow

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// late holds the fields of one record that mean something only beside others.
type late struct {
	src4, dst4, src6, dst6 netip.Addr

	last6   bool // the address that came last is of IPv6
	version uint8

	started, ended bool // start and end were given, in ms since boot
	start, end     uint32
	boot           schema.Time
	observed       schema.Time
	duration       time.Duration

	sampled sampled
	section section
}

// sampled is what a record, of flows or of options, says of sampling.
type sampled struct {
	sampler          uint64
	named            bool   // there is a sampler
	interval         uint64 // one packet in this many
	packets, space   uint64 // so many packets taken, so many left out
	size, population uint64 // so many taken at random out of so many
	given            bool   // any but the sampler
}

// set keeps v, or the address that b begins with.
func (l *late) set(k kind, v uint64, b []byte) {
	switch k {
	case startBoot:
		l.started, l.start = true, uint32(v)
	case endBoot:
		l.ended, l.end = true, uint32(v)
	case boot:
		l.boot = milliseconds(v)
	case observedSeconds:
		l.observed = seconds(v)
	case observedMilliseconds:
		l.observed = milliseconds(v)
	case observedMicroseconds:
		l.observed = ntpMicro(v)
	case observedNanoseconds:
		l.observed = ntp(v)
	case durationMilliseconds:
		l.duration = time.Duration(uint32(v)) * time.Millisecond
	case durationMicroseconds:
		l.duration = time.Duration(uint32(v)) * time.Microsecond
	case ipVersion:
		l.version = uint8(v)
	case srcLate4:
		l.src4, l.last6 = netip.AddrFrom4([4]byte(b)), false
	case dstLate4:
		l.dst4, l.last6 = netip.AddrFrom4([4]byte(b)), false
	case srcLate6:
		l.src6, l.last6 = netip.AddrFrom16([16]byte(b)).Unmap(), true
	case dstLate6:
		l.dst6, l.last6 = netip.AddrFrom16([16]byte(b)).Unmap(), true
	case sectionOffset, sectionOctets, frameSize, frameType:
		l.section.set(k, v)
	default:
		l.sampled.set(k, v)
	}
}

func (s *sampled) set(k kind, v uint64) {
	switch k {
	case sampler:
		s.sampler, s.named = v, true
		return
	case interval:
		s.interval = v
	case packetInterval:
		s.packets = v
	case packetSpace:
		s.space = v
	case sampleSize:
		s.size = v
	case samplePopulation:
		s.population = v
	default:
		return
	}
	s.given = true
}

// rate is one packet in how many; 0 where it is not said.
func (s *sampled) rate() uint32 {
	var r uint64
	switch {
	case s.interval != 0:
		r = s.interval
	case s.packets != 0:
		// Both are at most 32 bits wide in an honest record; a sum that wraps is one more wrong rate.
		r = (s.packets + s.space) / s.packets
	case s.size != 0:
		r = s.population / s.size
	}
	return uint32(min(r, 1<<32-1))
}

// finish puts what was kept into f.
func (l *late) finish(f *schema.Flow, c *clock, exporterBoot schema.Time) {
	l.addresses(f)
	l.times(f, c, exporterBoot)
}

// addresses chooses a family where the template has both: by the version that the record gives,
// else the one that is not zero, else the inner one, which comes last.
func (l *late) addresses(f *schema.Flow) {
	said4, said6 := said(l.src4) || said(l.dst4), said(l.src6) || said(l.dst6)
	take6 := l.last6
	switch {
	case l.version == 4 || l.version == 6:
		take6 = l.version == 6
	case said4 != said6:
		take6 = said6
	}
	switch {
	case take6 && l.src6.IsValid() && l.dst6.IsValid():
		f.Src.Addr, f.Dst.Addr = l.src6, l.dst6
	case l.src4.IsValid() && l.dst4.IsValid():
		f.Src.Addr, f.Dst.Addr = l.src4, l.dst4
	case l.src6.IsValid() && l.dst6.IsValid():
		f.Src.Addr, f.Dst.Addr = l.src6, l.dst6
	case l.src4.IsValid() || l.src6.IsValid(): // one end of each family
		f.Src.Addr, f.Dst.Addr = valid(l.src4, l.src6), valid(l.dst4, l.dst6)
	}
}

func said(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

func valid(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// times places the uptimes of IPFIX. Without the exporter's start only the flow's length is known:
// it then ends when it was exported.
func (l *late) times(f *schema.Flow, c *clock, exporterBoot schema.Time) {
	from := l.boot
	if from == 0 {
		from = exporterBoot
	}
	switch {
	case from != 0:
		if l.started {
			f.Start = c.sinceBoot(from, l.start)
		}
		if l.ended {
			f.End = c.sinceBoot(from, l.end)
		}
	case l.started && l.ended:
		f.Start, f.End = c.export.Add(-time.Duration(max(0, int32(l.end-l.start)))*time.Millisecond), c.export
	case l.started || l.ended:
		f.Start, f.End = c.export, c.export
	}
	switch {
	case l.observed != 0 && f.Start == 0 && f.End == 0:
		f.Start, f.End = l.observed, l.observed
	case l.duration != 0 && f.End == 0 && f.Start != 0:
		f.End = f.Start.Add(l.duration)
	case l.duration != 0 && f.Start == 0 && f.End != 0:
		f.Start = f.End.Add(-l.duration)
	case l.observed > f.Start && f.End == 0:
		f.End = l.observed
	}
}
